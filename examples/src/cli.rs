//! The options that the servers share.

use std::{num::NonZeroUsize, path::PathBuf, time::Duration};

use clap::Args;
use netpoll::tls::TlsServer;

/// How a server uses the machine.
///
/// ```
/// use clap::Parser;
/// use netpoll_examples::cli::ServerOptions;
///
/// #[derive(Parser)]
/// struct Options {
///     #[command(flatten)]
///     server: ServerOptions,
/// }
///
/// let options = Options::parse_from(["resp", "--pollers", "2"]);
/// assert_eq!(options.server.pollers.map(|n| n.get()), Some(2));
/// assert_eq!(options.server.max_workers, None);
/// ```
#[derive(Args, Clone, Debug)]
pub struct ServerOptions {
    /// How many pollers wait for events [default: one for each core]
    ///
    /// A poller is an OS selector with its timers and its queue of ready connections. More than
    /// one for each core gains nothing.
    #[arg(long, value_name = "N")]
    pub pollers: Option<NonZeroUsize>,

    /// How many threads run handlers at most [default: the runtime's own limit]
    ///
    /// Threads are started as handlers block, and leave when they are idle. Beyond this limit,
    /// requests wait; reading and writing go on.
    #[arg(long, value_name = "N")]
    pub max_workers: Option<NonZeroUsize>,
}

/// The certificate with which a server speaks TLS.
///
/// ```
/// use clap::Parser;
/// use netpoll_examples::cli::TlsOptions;
///
/// #[derive(Parser)]
/// struct Options {
///     #[command(flatten)]
///     tls: TlsOptions,
/// }
///
/// assert!(Options::parse_from(["echo"]).tls.server(&[])?.is_none());
/// assert!(Options::try_parse_from(["echo", "--tls-cert", "a.pem"]).is_err());
/// # Ok::<(), netpoll::Error>(())
/// ```
#[derive(Args, Clone, Debug)]
pub struct TlsOptions {
    /// A directory with server.pem and server.key, as `certs` writes it; with it the server speaks TLS
    #[arg(long, value_name = "DIRECTORY", conflicts_with_all = ["tls_cert", "tls_key"])]
    pub tls: Option<PathBuf>,

    /// A PEM file with the server's certificate and those that signed it; with it the server speaks TLS
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    pub tls_cert: Option<PathBuf>,

    /// A PEM file with the certificate's private key
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    pub tls_key: Option<PathBuf>,
}

impl TlsOptions {
    /// Reads the certificate; `None` if the server speaks no TLS. Files that change are read anew. `alpn` are
    /// the application's protocols, the preferred first.
    ///
    /// # Errors
    /// `Config`, with the file: it cannot be used.
    pub fn server(&self, alpn: &[&str]) -> netpoll::Result<Option<TlsServer>> {
        let (chain, key) = match (&self.tls, &self.tls_cert, &self.tls_key) {
            (Some(directory), ..) => (directory.join("server.pem"), directory.join("server.key")),
            (_, Some(chain), Some(key)) => (chain.clone(), key.clone()),
            _ => return Ok(None),
        };
        let tls = TlsServer::builder().certificate_files(chain, key).alpn(alpn);
        tls.watch_files(Duration::from_secs(10)).build().map(Some)
    }
}

/// Parses a time that is given in seconds, for `value_parser`.
///
/// ```
/// use std::time::Duration;
///
/// assert_eq!(netpoll_examples::cli::seconds("1.5"), Ok(Duration::from_millis(1500)));
/// assert!(netpoll_examples::cli::seconds("0").is_err());
/// ```
///
/// # Errors
/// The text is no number of seconds above 0.
pub fn seconds(text: &str) -> Result<Duration, String> {
    let time = text.parse().ok().and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    time.filter(|time| !time.is_zero()).ok_or_else(|| "not a number of seconds above 0".to_owned())
}
