//! Certificates of clients (mutual TLS).

use std::{path::Path, sync::Arc};

use rustls::{
    RootCertStore,
    server::{WebPkiClientVerifier, danger::ClientCertVerifier},
};

use super::{
    certificates::{Pem, roots},
    provider::provider,
};
use crate::error::{Error, ErrorKind, Result};

/// A server's demand for certificates of its clients, and the authorities that may have signed them.
///
/// ```no_run
/// use netpoll::tls::{ClientAuth, TlsServer};
/// let tls = TlsServer::builder()
///     .certificate_files("server.pem", "server.key")
///     .client_auth(ClientAuth::required_by_files(["clients-ca.pem"]))
///     .build()?;
/// # Ok::<(), netpoll::Error>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct ClientAuth(Asks);

#[derive(Clone, Debug, Default)]
enum Asks {
    #[default]
    Nobody,
    All {
        roots: Vec<Pem>,
        optional: bool,
    },
}

impl ClientAuth {
    /// Asks for no certificate. This is the default.
    pub fn none() -> Self {
        Self::default()
    }

    /// Refuses clients without a certificate that one of the authorities in these PEM files signed.
    pub fn required_by_files<P: AsRef<Path>>(roots: impl IntoIterator<Item = P>) -> Self {
        let roots = roots.into_iter().map(|path| path.as_ref().into()).collect();
        Self(Asks::All { roots, optional: false })
    }

    /// Refuses clients without a certificate that one of the authorities in this PEM text signed.
    pub fn required(roots: &[u8]) -> Self {
        Self(Asks::All { roots: vec![roots.into()], optional: false })
    }

    /// Lets clients without a certificate in as well: [`TransportFacts::peer_certificates`] tells them apart.
    /// A certificate that nobody trusted signed is refused all the same.
    ///
    /// [`TransportFacts::peer_certificates`]: crate::transport::TransportFacts::peer_certificates
    #[must_use]
    pub fn optional(mut self) -> Self {
        if let Asks::All { optional, .. } = &mut self.0 {
            *optional = true;
        }
        self
    }

    /// Makes what rustls asks.
    ///
    /// # Errors
    /// `Config`: the authorities cannot be read.
    pub(super) fn verifier(&self) -> Result<Arc<dyn ClientCertVerifier>> {
        let Asks::All { roots: pems, optional } = &self.0 else {
            return Ok(WebPkiClientVerifier::no_client_auth());
        };
        let roots: Arc<RootCertStore> = roots(pems)?.into();
        let builder = WebPkiClientVerifier::builder_with_provider(roots, provider());
        let builder = if *optional { builder.allow_unauthenticated() } else { builder };
        builder.build().map_err(|e| {
            let why = format!("the authorities for clients' certificates: {e}");
            Error::new(ErrorKind::Config, why).with_source(e)
        })
    }

    /// The files that it reads.
    pub(super) fn pems(&self) -> &[Pem] {
        match &self.0 {
            Asks::Nobody => &[],
            Asks::All { roots, .. } => roots,
        }
    }
}
