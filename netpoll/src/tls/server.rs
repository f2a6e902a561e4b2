//! TLS at a server: its certificates, and what it asks of clients.

use std::{
    fmt,
    path::Path,
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

use parking_lot::{Mutex, RwLock};
use rustls::{ServerConfig, server::ResolvesServerCert};

use super::{
    certificates::{Pem, certified_key},
    client_auth::ClientAuth,
    provider::{provider, ticketer},
    sni::{BySni, Noting},
};
use crate::error::{Error, ErrorKind, Result};

/// TLS for a server's connections. Clones share certificates, session tickets and reloads.
///
/// ```no_run
/// use netpoll::tls::TlsServer;
/// let tls = TlsServer::from_pem_files("server.pem", "server.key")?;
/// // New certificates for new handshakes; open connections go on.
/// tls.reload()?;
/// # Ok::<(), netpoll::Error>(())
/// ```
#[derive(Clone)]
pub struct TlsServer(Arc<Inner>);

struct Inner {
    /// The options it was made from; none for a configuration of rustls' own.
    source: Option<Source>,
    current: RwLock<Arc<ServerConfig>>,
    watched: Mutex<Watched>,
}

/// The files as they were last read.
struct Watched {
    looked: Instant,
    modified: Vec<Option<SystemTime>>,
}

/// All that a reload needs.
#[derive(Clone, Debug, Default)]
struct Source {
    keys: Vec<(Pem, Pem)>,
    client_auth: ClientAuth,
    alpn: Vec<Vec<u8>>,
    watch: Option<Duration>,
    only_tls13: bool,
}

impl TlsServer {
    /// Reads a chain of certificates, the server's own first, and its private key, both in PEM.
    ///
    /// # Errors
    /// `Config`, with the file: it cannot be read, has neither, or the key is another certificate's.
    pub fn from_pem_files(chain: impl AsRef<Path>, key: impl AsRef<Path>) -> Result<Self> {
        Self::builder().certificate_files(chain, key).build()
    }

    /// Returns a builder, for all that [`from_pem_files`](Self::from_pem_files) does not set.
    pub fn builder() -> TlsServerBuilder {
        TlsServerBuilder::default()
    }

    /// Reads the files anew: handshakes that begin from now on use them. Open connections go on, and
    /// sessions that clients hold tickets of can still be resumed.
    ///
    /// # Errors
    /// Those of [`from_pem_files`](Self::from_pem_files); the certificates in use stay in use.
    /// `Config`, if it was made [from a configuration](Self::from) of rustls' own: there is nothing to
    /// read.
    pub fn reload(&self) -> Result<()> {
        let Some(source) = &self.0.source else {
            let why = "reload: made from a rustls::ServerConfig, which names no files; use replace";
            return Err(Error::new(ErrorKind::Config, why));
        };
        let modified = source.modified();
        let before = self.0.current.read().clone();
        let config = source.config(Some(&before))?;
        *self.0.current.write() = Arc::new(config);
        *self.0.watched.lock() = Watched { looked: Instant::now(), modified };
        Ok(())
    }

    /// Uses `config` for handshakes that begin from now on, without early data. Open connections go on.
    pub fn replace(&self, config: impl Into<Arc<ServerConfig>>) {
        *self.0.current.write() = noting(config.into());
    }

    /// Returns the configuration for a handshake that begins now. If files are watched and it is time, it
    /// looks at them first; files that cannot be used are logged, and what was in use stays in use.
    pub(super) fn current(&self) -> Arc<ServerConfig> {
        if let Some(source) = &self.0.source
            && let Some(every) = source.watch
            && self.is_changed(source, every)
        {
            match self.reload() {
                Ok(()) => tracing::info!("TLS certificates were read anew, as their files changed"),
                Err(error) => {
                    tracing::error!(%error, "TLS certificates changed and cannot be used")
                }
            }
        }
        self.0.current.read().clone()
    }

    fn is_changed(&self, source: &Source, every: Duration) -> bool {
        let Some(mut watched) = self.0.watched.try_lock() else { return false };
        if watched.looked.elapsed() < every {
            return false;
        }
        watched.looked = Instant::now();
        let modified = source.modified();
        let changed = watched.modified != modified;
        // Files that cannot be used are not tried again until they change again.
        watched.modified = modified;
        changed
    }
}

/// A server with `config` as it is, but for two things: early data is refused, since whoever records a request
/// could send it again; and nothing is sent before the handshake is complete, since the client is not known
/// before. [`TlsServer::reload`] has no files then; [`TlsServer::replace`] takes another configuration.
impl From<ServerConfig> for TlsServer {
    fn from(config: ServerConfig) -> Self {
        Self::from(Arc::new(config))
    }
}

impl From<Arc<ServerConfig>> for TlsServer {
    fn from(config: Arc<ServerConfig>) -> Self {
        Self(Arc::new(Inner::new(None, noting(config))))
    }
}

impl fmt::Debug for TlsServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsServer").field("source", &self.0.source).finish_non_exhaustive()
    }
}

impl Inner {
    fn new(source: Option<Source>, config: Arc<ServerConfig>) -> Self {
        let modified = source.as_ref().map(Source::modified).unwrap_or_default();
        Self {
            source,
            current: RwLock::new(config),
            watched: Mutex::new(Watched { looked: Instant::now(), modified }),
        }
    }
}

/// Sets options of a [`TlsServer`], in any order.
#[derive(Clone, Debug, Default)]
#[must_use]
pub struct TlsServerBuilder(Source);

impl TlsServerBuilder {
    /// Adds a chain of certificates, the server's own first, and its private key, both PEM files.
    ///
    /// Of several, a client gets the one whose DNS names cover the name that it asks for (SNI), or else the
    /// first that was added.
    ///
    /// ```
    /// # let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    /// # let (chain, key) = (made.cert.pem(), made.signing_key.serialize_pem());
    /// # let dir = std::env::temp_dir().join(format!("netpoll-doc-{}-files", std::process::id()));
    /// # std::fs::create_dir_all(&dir)?;
    /// # let (chain_file, key_file) = (dir.join("server.pem"), dir.join("server.key"));
    /// # std::fs::write(&chain_file, chain)?;
    /// # std::fs::write(&key_file, key)?;
    /// use netpoll::tls::TlsServer;
    /// let tls = TlsServer::builder().certificate_files(&chain_file, &key_file).build()?;
    /// # std::fs::remove_dir_all(&dir)?;
    /// # Ok::<(), netpoll::Error>(())
    /// ```
    pub fn certificate_files(mut self, chain: impl AsRef<Path>, key: impl AsRef<Path>) -> Self {
        self.0.keys.push((chain.as_ref().into(), key.as_ref().into()));
        self
    }

    /// Adds a chain of certificates and its private key, both PEM text.
    ///
    /// ```
    /// # let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    /// # let (chain, key) = (made.cert.pem(), made.signing_key.serialize_pem());
    /// use netpoll::tls::TlsServer;
    /// let tls = TlsServer::builder().certificate_pem(chain.as_bytes(), key.as_bytes()).build()?;
    /// # Ok::<(), netpoll::Error>(())
    /// ```
    pub fn certificate_pem(mut self, chain: &[u8], key: &[u8]) -> Self {
        self.0.keys.push((chain.into(), key.into()));
        self
    }

    /// Sets whether clients are asked for certificates. Default: [`ClientAuth::none`].
    ///
    /// ```
    /// # let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    /// # let (chain, key) = (made.cert.pem(), made.signing_key.serialize_pem());
    /// use netpoll::tls::{ClientAuth, TlsServer};
    /// let clients = ClientAuth::required(chain.as_bytes());
    /// let tls = TlsServer::builder()
    ///     .certificate_pem(chain.as_bytes(), key.as_bytes())
    ///     .client_auth(clients.optional())
    ///     .build()?;
    /// # Ok::<(), netpoll::Error>(())
    /// ```
    pub fn client_auth(mut self, client_auth: ClientAuth) -> Self {
        self.0.client_auth = client_auth;
        self
    }

    /// Sets the application's protocols (ALPN), the preferred first. Default: none, and clients that ask
    /// for one get no answer to that. A client that offers none of them is refused.
    ///
    /// ```
    /// # let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    /// # let (chain, key) = (made.cert.pem(), made.signing_key.serialize_pem());
    /// use netpoll::tls::TlsServer;
    /// let tls = TlsServer::builder()
    ///     .certificate_pem(chain.as_bytes(), key.as_bytes())
    ///     .alpn(["h2", "http/1.1"])
    ///     .build()?;
    /// # Ok::<(), netpoll::Error>(())
    /// ```
    pub fn alpn<P: AsRef<[u8]>>(mut self, protocols: impl IntoIterator<Item = P>) -> Self {
        self.0.alpn = protocols.into_iter().map(|name| name.as_ref().to_vec()).collect();
        self
    }

    /// Refuses TLS 1.2. Default: both versions are spoken.
    ///
    /// ```
    /// # let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    /// # let (chain, key) = (made.cert.pem(), made.signing_key.serialize_pem());
    /// use netpoll::tls::TlsServer;
    /// let tls = TlsServer::builder()
    ///     .certificate_pem(chain.as_bytes(), key.as_bytes())
    ///     .only_tls13()
    ///     .build()?;
    /// # Ok::<(), netpoll::Error>(())
    /// ```
    pub fn only_tls13(mut self) -> Self {
        self.0.only_tls13 = true;
        self
    }

    /// Looks at the files as handshakes begin, at most once in `every`, and reads them anew when one has
    /// changed. Default: only [`TlsServer::reload`] reads them again.
    ///
    /// ```
    /// # let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    /// # let (chain, key) = (made.cert.pem(), made.signing_key.serialize_pem());
    /// # let dir = std::env::temp_dir().join(format!("netpoll-doc-{}-watch", std::process::id()));
    /// # std::fs::create_dir_all(&dir)?;
    /// # let (chain_file, key_file) = (dir.join("server.pem"), dir.join("server.key"));
    /// # std::fs::write(&chain_file, chain)?;
    /// # std::fs::write(&key_file, key)?;
    /// use std::time::Duration;
    /// use netpoll::tls::TlsServer;
    /// let tls = TlsServer::builder()
    ///     .certificate_files(&chain_file, &key_file)
    ///     .watch_files(Duration::from_secs(10))
    ///     .build()?;
    /// # std::fs::remove_dir_all(&dir)?;
    /// # Ok::<(), netpoll::Error>(())
    /// ```
    pub fn watch_files(mut self, every: impl Into<Option<Duration>>) -> Self {
        self.0.watch = every.into();
        self
    }

    /// Reads the files.
    ///
    /// # Errors
    /// `Config`: there is no certificate, or one cannot be used; the message names the file.
    pub fn build(self) -> Result<TlsServer> {
        let config = self.0.config(None)?;
        Ok(TlsServer(Arc::new(Inner::new(Some(self.0), Arc::new(config)))))
    }
}

impl Source {
    /// Makes a configuration, which takes over what resumes the sessions of `before`.
    fn config(&self, before: Option<&ServerConfig>) -> Result<ServerConfig> {
        if self.keys.is_empty() {
            let why =
                "TLS without a certificate: call certificate_files(\"cert.pem\", \"key.pem\")";
            return Err(Error::new(ErrorKind::Config, why));
        }
        let keys = self.keys.iter().map(|(chain, key)| certified_key(chain, key));
        let by_sni: Arc<dyn ResolvesServerCert> =
            Arc::new(BySni::new(keys.collect::<Result<Vec<_>>>()?));
        let versions: &[_] = if self.only_tls13 {
            &[&rustls::version::TLS13]
        } else {
            &[&rustls::version::TLS13, &rustls::version::TLS12]
        };
        let builder = ServerConfig::builder_with_provider(provider())
            .with_protocol_versions(versions)
            .map_err(|e| Error::new(ErrorKind::Config, "the versions of TLS").with_source(e))?;
        let mut config = builder
            .with_client_cert_verifier(self.client_auth.verifier()?)
            .with_cert_resolver(Arc::new(Noting(by_sni)));
        config.alpn_protocols = self.alpn.clone();
        match before {
            Some(before) => {
                config.ticketer = before.ticketer.clone();
                config.session_storage = before.session_storage.clone();
            }
            None => config.ticketer = ticketer()?,
        }
        Ok(config)
    }

    /// Returns when each file was changed last.
    fn modified(&self) -> Vec<Option<SystemTime>> {
        let keys = self.keys.iter().flat_map(|(chain, key)| [chain, key]);
        keys.chain(self.client_auth.pems()).map(Pem::modified).collect()
    }
}

/// Returns `config` with the name that clients ask for noted, without early data, and with nothing sent before
/// the handshake is complete.
fn noting(config: Arc<ServerConfig>) -> Arc<ServerConfig> {
    let mut config = ServerConfig::clone(&config);
    config.max_early_data_size = 0;
    config.send_half_rtt_data = false;
    config.cert_resolver = Arc::new(Noting(config.cert_resolver));
    Arc::new(config)
}
