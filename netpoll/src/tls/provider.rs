//! The cryptography beneath rustls: one provider for the whole process.

use std::sync::Arc;

use rustls::{crypto::CryptoProvider, server::ProducesTickets};

use crate::error::{Error, ErrorKind, Result};

#[cfg(feature = "tls-aws-lc")]
use rustls::crypto::aws_lc_rs as chosen;
#[cfg(not(feature = "tls-aws-lc"))]
use rustls::crypto::ring as chosen;

/// Returns the provider that the process installed by itself, or the one that the features choose.
///
/// It is named in each configuration: nothing is installed for the process, and so nothing that
/// another library installs can be in the way.
pub(super) fn provider() -> Arc<CryptoProvider> {
    CryptoProvider::get_default().cloned().unwrap_or_else(|| Arc::new(chosen::default_provider()))
}

/// Returns a maker of session tickets whose keys are new every six hours.
///
/// # Errors
/// `Io`: the system gives no random numbers.
pub(super) fn ticketer() -> Result<Arc<dyn ProducesTickets>> {
    chosen::Ticketer::new().map_err(|e| {
        Error::new(ErrorKind::Io, "making the keys of TLS session tickets").with_source(e)
    })
}
