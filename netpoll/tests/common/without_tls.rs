//! In place of `over_tls`, where the library was built without TLS.

use std::io::{self, Read, Write};

use netpoll::{Dialer, EventLoopBuilder, Service};

/// See `over_tls`.
pub const IDENTITY: &str = "NETPOLL_TLS_IDENTITY";

fn check() {
    assert!(std::env::var_os("NETPOLL_TLS").is_none(), "NETPOLL_TLS wants --features tls");
}

/// No: the library has no TLS.
pub fn is_on() -> bool {
    check();
    false
}

/// None: there is no certificate.
pub fn identity() -> Option<&'static str> {
    check();
    None
}

/// The server as it is.
pub fn serve<S: Service>(builder: EventLoopBuilder<S>) -> EventLoopBuilder<S> {
    check();
    builder
}

/// The dialler as it is.
pub fn dial(dialer: Dialer) -> Dialer {
    check();
    dialer
}

/// There is none.
pub enum Session {}

impl Session {
    pub fn client() -> Option<Self> {
        check();
        None
    }

    pub fn server() -> Option<Self> {
        check();
        None
    }

    pub fn shake(&mut self, _: &mut (impl Read + Write)) -> io::Result<()> {
        match *self {}
    }

    pub fn seal(&mut self, _: &[u8]) -> Vec<u8> {
        match *self {}
    }

    pub fn end(&mut self) -> Vec<u8> {
        match *self {}
    }

    pub fn take(&mut self, _: &mut [u8]) -> io::Result<Option<usize>> {
        match *self {}
    }

    pub fn open(&mut self, _: &[u8]) -> io::Result<()> {
        match *self {}
    }

    pub fn receive(&mut self, _: &mut impl Read) -> io::Result<()> {
        match *self {}
    }
}
