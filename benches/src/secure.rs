//! TLS for peers and for the load generator: one certificate for each run, made by the runner.
//!
//! The runner hands the certificate and its key to the server in an environment variable, and the load generator
//! trusts it. Sessions are not resumed, so that each connection shakes hands in full.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::process::Command;
use std::sync::{Arc, LazyLock};

use netpoll::tls::rustls::client::Resumption;
use netpoll::tls::rustls::pki_types::pem::PemObject;
use netpoll::tls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use netpoll::tls::rustls::{ClientConfig, ClientConnection, RootCertStore, ServerConfig};

/// The environment variable with a server's certificate and key, in PEM.
pub const IDENTITY: &str = "NETPOLL_BENCH_IDENTITY";

/// The name in the certificate.
const NAME: &str = "localhost";

static MADE: LazyLock<String> = LazyLock::new(|| {
    let made = rcgen::generate_simple_self_signed([NAME.to_owned()]).expect("a certificate");
    made.cert.pem() + &made.signing_key.serialize_pem()
});

static CLIENT: LazyLock<Arc<ClientConfig>> = LazyLock::new(|| {
    let mut roots = RootCertStore::empty();
    let own = CertificateDer::from_pem_slice(MADE.as_bytes()).expect("the certificate made");
    roots.add(own).expect("a certificate to trust");
    let mut config = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
    config.resumption = Resumption::disabled();
    Arc::new(config)
});

/// Has the server that `command` starts speak TLS, with the certificate of this run.
pub fn serve_by(command: &mut Command) {
    command.arg("--tls").env(IDENTITY, MADE.as_str());
}

/// The certificate and the key that a server was started with, in PEM.
///
/// # Errors
/// It was started without.
pub fn identity() -> io::Result<String> {
    std::env::var(IDENTITY).map_err(|_| io::Error::other(format!("{IDENTITY} is not set")))
}

/// The configuration of a server on rustls, at default settings.
///
/// # Errors
/// It was started without a certificate.
pub fn server_config() -> io::Result<Arc<ServerConfig>> {
    let pem = identity()?;
    let chain = CertificateDer::from_pem_slice(pem.as_bytes()).map_err(io::Error::other)?;
    let key = PrivateKeyDer::from_pem_slice(pem.as_bytes()).map_err(io::Error::other)?;
    let config = ServerConfig::builder().with_no_client_auth();
    config.with_single_cert(vec![chain], key).map(Arc::new).map_err(io::Error::other)
}

/// A connection of the load generator, plain or over TLS.
#[derive(Debug)]
pub struct Stream {
    tcp: TcpStream,
    tls: Option<Box<ClientConnection>>,
}

impl Stream {
    /// A connection over `tcp`; over TLS where asked for, whose handshake goes on with its reads and writes.
    ///
    /// # Errors
    /// The configuration is refused.
    pub fn new(tcp: TcpStream, secure: bool) -> io::Result<Self> {
        let session = || {
            let name = NAME.try_into().map_err(io::Error::other)?;
            ClientConnection::new(CLIENT.clone(), name).map(Box::new).map_err(io::Error::other)
        };
        Ok(Self { tcp, tls: if secure { Some(session()?) } else { None } })
    }

    /// Shakes hands on a socket that blocks.
    ///
    /// # Errors
    /// The handshake fails.
    pub fn shake(&mut self) -> io::Result<()> {
        let Some(tls) = &mut self.tls else { return Ok(()) };
        while tls.is_handshaking() {
            tls.complete_io(&mut self.tcp)?;
        }
        Ok(())
    }

    /// The socket.
    pub fn tcp(&self) -> &TcpStream {
        &self.tcp
    }

    /// Writes what the socket did not take so far.
    ///
    /// # Errors
    /// `WouldBlock`: there is still more; or the socket failed.
    pub fn flush_records(&mut self) -> io::Result<()> {
        let Some(tls) = &mut self.tls else { return Ok(()) };
        while tls.wants_write() {
            tls.write_tls(&mut self.tcp)?;
        }
        Ok(())
    }

    /// Says this side's last word, if the socket takes it.
    pub fn end(&mut self) {
        if let Some(tls) = &mut self.tls {
            tls.send_close_notify();
        }
        let _ = self.flush_records();
    }
}

/// Does nothing of an error that says that the socket is not ready.
fn unless_not_ready(result: io::Result<()>) -> io::Result<()> {
    match result {
        Err(e) if matches!(e.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::NotConnected) => {
            Ok(())
        }
        result => result,
    }
}

impl Read for Stream {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if self.tls.is_none() {
            return self.tcp.read(into);
        }
        loop {
            unless_not_ready(self.flush_records())?;
            let Some(tls) = &mut self.tls else { return self.tcp.read(into) };
            match tls.reader().read(into) {
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => {}
                read => return read,
            }
            tls.read_tls(&mut self.tcp)?;
            let broken = |e| io::Error::new(io::ErrorKind::InvalidData, e);
            tls.process_new_packets().map_err(broken)?;
        }
    }
}

impl Write for Stream {
    /// Takes bytes; those that the socket does not take at once are sent by later calls.
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let Some(tls) = &mut self.tls else { return self.tcp.write(bytes) };
        let taken = match tls.writer().write(bytes)? {
            0 if !bytes.is_empty() => Err(io::ErrorKind::WouldBlock.into()),
            taken => Ok(taken),
        };
        unless_not_ready(self.flush_records())?;
        taken
    }

    fn flush(&mut self) -> io::Result<()> {
        self.flush_records()
    }
}
