//! Certificates and keys, from PEM in files or in memory.

use std::{
    fmt, fs,
    path::{Path, PathBuf},
    sync::Arc,
    time::SystemTime,
};

use rustls::{
    RootCertStore,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    sign::CertifiedKey,
};

use super::provider::provider;
use crate::error::{Error, ErrorKind, Result};

/// PEM text, and where it is read from.
#[derive(Clone)]
pub(super) enum Pem {
    /// A file, read anew at each reload.
    File(PathBuf),
    /// Text that the caller gave.
    Given(Arc<[u8]>),
}

impl Pem {
    /// Reads the text.
    ///
    /// # Errors
    /// `Config`, with the file's name: it cannot be read.
    fn read(&self) -> Result<Arc<[u8]>> {
        match self {
            Self::Given(text) => Ok(text.clone()),
            Self::File(path) => match fs::read(path) {
                Ok(text) => Ok(text.into()),
                Err(e) => {
                    let why = format!("reading {}: {e}", path.display());
                    Err(Error::new(ErrorKind::Config, why).with_source(e))
                }
            },
        }
    }

    /// Returns when the file was changed last; `None` for text in memory and for a file that is away.
    pub(super) fn modified(&self) -> Option<SystemTime> {
        match self {
            Self::Given(_) => None,
            Self::File(path) => fs::metadata(path).and_then(|m| m.modified()).ok(),
        }
    }
}

impl From<&Path> for Pem {
    fn from(path: &Path) -> Self {
        Self::File(path.to_owned())
    }
}

impl From<&[u8]> for Pem {
    fn from(text: &[u8]) -> Self {
        Self::Given(text.into())
    }
}

/// The name of the file. Text in memory may hold a key, and is not shown.
impl fmt::Display for Pem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => write!(f, "{}", path.display()),
            Self::Given(_) => f.write_str("the PEM text given"),
        }
    }
}

impl fmt::Debug for Pem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Pem({self})")
    }
}

/// Reads the certificates in `pem`.
///
/// # Errors
/// `Config`: it cannot be read, is not PEM, or has no certificate.
fn certificates(pem: &Pem) -> Result<Vec<CertificateDer<'static>>> {
    let found = CertificateDer::pem_slice_iter(&pem.read()?).collect::<Result<Vec<_>, _>>();
    let why = match found {
        Ok(chain) if !chain.is_empty() => return Ok(chain),
        Ok(_) => format!("{pem} has no certificate: a block `BEGIN CERTIFICATE` is wanted"),
        Err(e) => format!("{pem}: {e}"),
    };
    Err(Error::new(ErrorKind::Config, why))
}

/// Reads a chain of certificates and the private key of its first one.
///
/// # Errors
/// `Config`: one of them cannot be read, is of no known kind, or the key is another certificate's.
pub(super) fn certified_key(chain: &Pem, key: &Pem) -> Result<Arc<CertifiedKey>> {
    let certificates = certificates(chain)?;
    let private = private_key(key)?;
    match CertifiedKey::from_der(certificates, private, &provider()) {
        Ok(certified) => Ok(Arc::new(certified)),
        Err(e) => {
            let why = format!("the certificate of {chain} with the key of {key}: {e}");
            Err(Error::new(ErrorKind::Config, why).with_source(e))
        }
    }
}

/// Reads the first private key in `pem`.
///
/// # Errors
/// `Config`: it cannot be read or has none.
fn private_key(pem: &Pem) -> Result<PrivateKeyDer<'static>> {
    PrivateKeyDer::from_pem_slice(&pem.read()?).map_err(|e| {
        let why = format!("{pem} has no private key (PKCS#8, PKCS#1 or SEC1, not encrypted): {e}");
        Error::new(ErrorKind::Config, why)
    })
}

/// Reads certificates to trust.
///
/// # Errors
/// `Config`: one cannot be read, or there is none.
pub(super) fn roots<'p>(pems: impl IntoIterator<Item = &'p Pem>) -> Result<RootCertStore> {
    let mut store = RootCertStore::empty();
    for pem in pems {
        for certificate in certificates(pem)? {
            store.add(certificate).map_err(|e| {
                let why = format!("a certificate of {pem} cannot be trusted: {e}");
                Error::new(ErrorKind::Config, why).with_source(e)
            })?;
        }
    }
    Ok(store)
}
