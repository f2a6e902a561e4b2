//! This project, a frame and two functions with its attributes, at default settings.
//!
//! A handler that is to sleep just sleeps. Side by side, answers leave as they are ready, and carry the
//! number of their request.

use std::io;
use std::thread::sleep;
use std::time::Duration;

use netpoll::frame::Auto;
use netpoll::service::Free;
use netpoll::tls::TlsServer;
use netpoll::{EventLoop, Frame, Service};

use super::{Listen, Setup, announce};
use crate::secure;
use crate::wire::{SLEEP_MILLIS, Tag};

#[derive(Frame)]
struct Echo<'a> {
    #[frame(len(of = rest))]
    length: Auto<u32>,
    #[frame(seq)]
    tag: u32,
    #[frame(rest)]
    pattern: &'a [u8],
}

#[netpoll::on_request]
fn in_series(request: Echo<'_>) -> Echo<'_> {
    handle(request)
}

#[netpoll::on_request(concurrent = 1024)]
fn side_by_side(request: Echo<'_>) -> Echo<'_> {
    handle(request)
}

fn handle(request: Echo<'_>) -> Echo<'_> {
    if Tag::from_bytes(request.tag.to_be_bytes()).slow {
        sleep(Duration::from_millis(SLEEP_MILLIS));
    }
    request
}

pub(super) fn serve(listen: Listen, setup: Setup) -> io::Result<()> {
    match setup.side_by_side {
        true => run(listen, setup, Free::<side_by_side>::new()),
        false => run(listen, setup, Free::<in_series>::new()),
    }
}

/// Serves at `address`, which may be any that the library knows, in series.
///
/// # Errors
/// It cannot listen there.
pub fn serve_at(address: &str) -> io::Result<()> {
    super::exit_with_stdin()?;
    let bound = EventLoop::builder(Free::<in_series>::new()).listen(address).bind();
    let server = bound.map_err(io::Error::other)?;
    println!("{}{}", crate::child::READY, server.addresses()[0]);
    server.serve().map(drop).map_err(io::Error::other)
}

/// Serves `service` where `listen` says.
pub(super) fn run<S: Service>(listen: Listen, setup: Setup, service: S) -> io::Result<()> {
    let mut server = EventLoop::builder(service).listen(listen.addr.to_string());
    if setup.tls {
        let pem = secure::identity()?;
        let tls = TlsServer::builder().certificate_pem(pem.as_bytes(), pem.as_bytes()).build();
        server = server.tls(tls.map_err(io::Error::other)?);
    }
    let server = server.bind().map_err(io::Error::other)?;
    let addr = server.addresses().first().and_then(|addr| addr.inet());
    announce(addr.ok_or_else(|| io::Error::other("it listens nowhere"))?)?;
    server.serve().map(drop).map_err(io::Error::other)
}
