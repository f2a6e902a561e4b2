//! TLS at a client: whom it trusts, and what it shows.

use std::{fmt, path::Path, sync::Arc};

use rustls::{ClientConfig, RootCertStore, pki_types::ServerName};

use super::{
    certificates::{Pem, certified_key, roots},
    provider::provider,
};
use crate::error::{Error, ErrorKind, Result};

/// TLS for the connections of a dialler or a client. Clones share the sessions that can be resumed, so
/// that one value for all connections to a server makes most handshakes short.
///
/// ```no_run
/// use netpoll::tls::TlsClient;
/// let tls = TlsClient::new()?; // the authorities that the system trusts
/// # Ok::<(), netpoll::Error>(())
/// ```
#[derive(Clone)]
pub struct TlsClient {
    config: Arc<ClientConfig>,
    server_name: Option<ServerName<'static>>,
}

impl TlsClient {
    /// Trusts the authorities that the system trusts.
    ///
    /// # Errors
    /// Those of [`TlsClientBuilder::build`].
    pub fn new() -> Result<Self> {
        Self::builder().build()
    }

    /// Returns a builder, for all that [`new`](Self::new) does not set.
    pub fn builder() -> TlsClientBuilder {
        TlsClientBuilder::default()
    }

    /// Returns the same with `name` as the server's name, in place of the one in the address that is dialled.
    ///
    /// # Errors
    /// `Config`: it is neither a DNS name nor an IP address.
    pub fn with_server_name(mut self, name: &str) -> Result<Self> {
        self.server_name = Some(server_name(name)?);
        Ok(self)
    }

    pub(super) fn config(&self) -> &Arc<ClientConfig> {
        &self.config
    }

    /// Returns the name to check the server's certificate against, where `host` was dialled.
    ///
    /// # Errors
    /// `Config`: there is none: a Unix socket, or a host that is no name for a certificate.
    pub(super) fn name_for(&self, host: Option<&str>) -> Result<ServerName<'static>> {
        match (&self.server_name, host) {
            (Some(name), _) => Ok(name.clone()),
            (None, Some(host)) => server_name(host),
            (None, None) => {
                let why = "TLS to an address without a host: set the name in the server's certificate \
                           by TlsClient::with_server_name";
                Err(Error::new(ErrorKind::Config, why))
            }
        }
    }
}

/// A client with `config` as it is, except that it sends no early data: whoever records a request could send
/// it again.
impl From<ClientConfig> for TlsClient {
    fn from(mut config: ClientConfig) -> Self {
        config.enable_early_data = false;
        Self { config: Arc::new(config), server_name: None }
    }
}

/// A client with `config` as it is, except that it sends no early data.
impl From<Arc<ClientConfig>> for TlsClient {
    fn from(config: Arc<ClientConfig>) -> Self {
        Self::from(ClientConfig::clone(&config))
    }
}

impl fmt::Debug for TlsClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsClient").field("server_name", &self.server_name).finish_non_exhaustive()
    }
}

fn server_name(name: &str) -> Result<ServerName<'static>> {
    ServerName::try_from(name.to_owned()).map_err(|e| {
        let why = format!("`{name}` is no server's name: a DNS name or an IP address is wanted");
        Error::new(ErrorKind::Config, why).with_source(e)
    })
}

/// Sets options of a [`TlsClient`], in any order.
#[derive(Clone, Debug, Default)]
#[must_use]
pub struct TlsClientBuilder {
    platform_roots: bool,
    webpki_roots: bool,
    roots: Vec<Pem>,
    certificate: Option<(Pem, Pem)>,
    server_name: Option<String>,
    alpn: Vec<Vec<u8>>,
    only_tls13: bool,
}

impl TlsClientBuilder {
    /// Trusts the authorities that the system trusts. Default, unless others are named.
    pub fn platform_roots(mut self) -> Self {
        self.platform_roots = true;
        self
    }

    /// Trusts Mozilla's authorities, as the crate `webpki-roots` carries them.
    ///
    /// ```
    /// use netpoll::tls::TlsClient;
    /// let tls = TlsClient::builder().webpki_roots().build()?;
    /// # Ok::<(), netpoll::Error>(())
    /// ```
    pub fn webpki_roots(mut self) -> Self {
        self.webpki_roots = true;
        self
    }

    /// Trusts the authorities in a PEM file.
    ///
    /// ```
    /// # let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    /// # let (chain, key) = (made.cert.pem(), made.signing_key.serialize_pem());
    /// # let dir = std::env::temp_dir().join(format!("netpoll-doc-{}-roots", std::process::id()));
    /// # std::fs::create_dir_all(&dir)?;
    /// # let (chain_file, key_file) = (dir.join("server.pem"), dir.join("server.key"));
    /// # std::fs::write(&chain_file, chain)?;
    /// # std::fs::write(&key_file, key)?;
    /// use netpoll::tls::TlsClient;
    /// let tls = TlsClient::builder().roots_file(&chain_file).build()?;
    /// # std::fs::remove_dir_all(&dir)?;
    /// # Ok::<(), netpoll::Error>(())
    /// ```
    pub fn roots_file(mut self, path: impl AsRef<Path>) -> Self {
        self.roots.push(path.as_ref().into());
        self
    }

    /// Trusts the authorities in PEM text.
    ///
    /// ```
    /// # let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    /// # let (chain, key) = (made.cert.pem(), made.signing_key.serialize_pem());
    /// use netpoll::tls::TlsClient;
    /// let tls = TlsClient::builder().roots_pem(chain.as_bytes()).build()?;
    /// # Ok::<(), netpoll::Error>(())
    /// ```
    pub fn roots_pem(mut self, text: &[u8]) -> Self {
        self.roots.push(text.into());
        self
    }

    /// Shows servers that ask for it a certificate: its chain and its private key, both PEM files.
    ///
    /// ```
    /// # let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    /// # let (chain, key) = (made.cert.pem(), made.signing_key.serialize_pem());
    /// # let dir = std::env::temp_dir().join(format!("netpoll-doc-{}-shown", std::process::id()));
    /// # std::fs::create_dir_all(&dir)?;
    /// # let (chain_file, key_file) = (dir.join("server.pem"), dir.join("server.key"));
    /// # std::fs::write(&chain_file, chain)?;
    /// # std::fs::write(&key_file, key)?;
    /// use netpoll::tls::TlsClient;
    /// let tls = TlsClient::builder().webpki_roots().certificate_files(&chain_file, &key_file).build()?;
    /// # std::fs::remove_dir_all(&dir)?;
    /// # Ok::<(), netpoll::Error>(())
    /// ```
    pub fn certificate_files(mut self, chain: impl AsRef<Path>, key: impl AsRef<Path>) -> Self {
        self.certificate = Some((chain.as_ref().into(), key.as_ref().into()));
        self
    }

    /// Shows servers that ask for it a certificate: its chain and its private key, both PEM text.
    ///
    /// ```
    /// # let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    /// # let (chain, key) = (made.cert.pem(), made.signing_key.serialize_pem());
    /// use netpoll::tls::TlsClient;
    /// let tls = TlsClient::builder()
    ///     .webpki_roots()
    ///     .certificate_pem(chain.as_bytes(), key.as_bytes())
    ///     .build()?;
    /// # Ok::<(), netpoll::Error>(())
    /// ```
    pub fn certificate_pem(mut self, chain: &[u8], key: &[u8]) -> Self {
        self.certificate = Some((chain.into(), key.into()));
        self
    }

    /// Sets the name that the server's certificate must be for. Default: the host that is dialled.
    ///
    /// ```
    /// use netpoll::tls::TlsClient;
    /// let tls = TlsClient::builder().webpki_roots().server_name("db.example").build()?;
    /// # Ok::<(), netpoll::Error>(())
    /// ```
    pub fn server_name(mut self, name: impl Into<String>) -> Self {
        self.server_name = Some(name.into());
        self
    }

    /// Sets the application's protocols (ALPN) that are offered, the preferred first. Default: none.
    ///
    /// ```
    /// use netpoll::tls::TlsClient;
    /// let tls = TlsClient::builder().webpki_roots().alpn(["h2", "http/1.1"]).build()?;
    /// # Ok::<(), netpoll::Error>(())
    /// ```
    pub fn alpn<P: AsRef<[u8]>>(mut self, protocols: impl IntoIterator<Item = P>) -> Self {
        self.alpn = protocols.into_iter().map(|name| name.as_ref().to_vec()).collect();
        self
    }

    /// Refuses TLS 1.2. Default: both versions are spoken.
    ///
    /// ```
    /// use netpoll::tls::TlsClient;
    /// let tls = TlsClient::builder().webpki_roots().only_tls13().build()?;
    /// # Ok::<(), netpoll::Error>(())
    /// ```
    pub fn only_tls13(mut self) -> Self {
        self.only_tls13 = true;
        self
    }

    /// Reads the files and the system's authorities.
    ///
    /// # Errors
    /// `Config`: a file cannot be used, the system has no authority, or the server's name is none.
    pub fn build(self) -> Result<TlsClient> {
        let versions: &[_] = if self.only_tls13 {
            &[&rustls::version::TLS13]
        } else {
            &[&rustls::version::TLS13, &rustls::version::TLS12]
        };
        let builder = ClientConfig::builder_with_provider(provider())
            .with_protocol_versions(versions)
            .map_err(|e| Error::new(ErrorKind::Config, "the versions of TLS").with_source(e))?
            .with_root_certificates(self.trusted()?);
        let mut config = match &self.certificate {
            None => builder.with_no_client_auth(),
            Some((chain, key)) => {
                let key = certified_key(chain, key)?;
                builder
                    .with_client_cert_resolver(Arc::new(rustls::sign::SingleCertAndKey::from(key)))
            }
        };
        config.alpn_protocols = self.alpn;
        let client = TlsClient::from(config);
        match self.server_name {
            Some(name) => client.with_server_name(&name),
            None => Ok(client),
        }
    }

    fn trusted(&self) -> Result<RootCertStore> {
        let mut store = roots(&self.roots)?;
        if self.webpki_roots {
            store.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
        }
        if self.platform_roots || (self.roots.is_empty() && !self.webpki_roots) {
            let found = rustls_native_certs::load_native_certs();
            let (added, _) = store.add_parsable_certificates(found.certs);
            if added == 0 {
                let mut why = String::from(
                    "the system has no authorities to trust: install its certificates \
                     (ca-certificates), or name some by roots_file or webpki_roots",
                );
                for error in found.errors {
                    why += &format!("; {error}");
                }
                return Err(Error::new(ErrorKind::Config, why));
            }
        }
        Ok(store)
    }
}
