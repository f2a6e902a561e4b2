//! The certificate that a client gets, by the server's name that it asked for (SNI, RFC 6066).

use std::{cell::RefCell, sync::Arc};

use rustls::{
    server::{ClientHello, ResolvesServerCert},
    sign::CertifiedKey,
};

use super::names::{covers, dns_names};

/// Several certificates, of which the names decide.
#[derive(Debug)]
pub(super) struct BySni(Vec<(Vec<String>, Arc<CertifiedKey>)>);

impl BySni {
    /// Makes a choice among `keys`; the first is for clients that name no server, or none of theirs.
    pub(super) fn new(keys: Vec<Arc<CertifiedKey>>) -> Self {
        let named = |key: Arc<CertifiedKey>| {
            let names = key.cert.first().map_or_else(Vec::new, |first| dns_names(first));
            (names, key)
        };
        Self(keys.into_iter().map(named).collect())
    }

    fn choose(&self, host: Option<&str>) -> Option<Arc<CertifiedKey>> {
        // A full name goes before a wildcard.
        let by = |fits: &dyn Fn(&str) -> bool| {
            self.0.iter().find(|(names, _)| names.iter().any(|name| fits(name)))
        };
        let named = host
            .map(str::to_ascii_lowercase)
            .and_then(|host| by(&|name| name == host).or_else(|| by(&|name| covers(name, &host))));
        named.or(self.0.first()).map(|(_, key)| key.clone())
    }
}

impl ResolvesServerCert for BySni {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        self.choose(hello.server_name())
    }
}

thread_local! {
    /// The name in the client's hello that this thread's session has just read.
    static NAMED: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// A resolver that notes the client's name for the server, which a session without buffers of its
/// own does not tell otherwise.
#[derive(Debug)]
pub(super) struct Noting(pub(super) Arc<dyn ResolvesServerCert>);

impl ResolvesServerCert for Noting {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        NAMED.set(hello.server_name().map(str::to_owned));
        self.0.resolve(hello)
    }

    fn only_raw_public_keys(&self) -> bool {
        self.0.only_raw_public_keys()
    }
}

/// Takes the name that [`Noting`] noted on this thread.
pub(super) fn take_name() -> Option<String> {
    NAMED.take()
}
