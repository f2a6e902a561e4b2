//! TLS for tests that run over plain connections as well: on where `NETPOLL_TLS=1` is set.

use std::{
    collections::VecDeque,
    io::{self, Read, Write},
    sync::{Arc, LazyLock},
};

use netpoll::{
    Dialer, EventLoopBuilder, Service,
    tls::{
        TlsClient, TlsServer,
        rustls::{
            ClientConfig, ClientConnection, Connection, RootCertStore, ServerConfig,
            ServerConnection,
            client::Resumption,
            pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
        },
    },
};

/// The certificate and the key of a process's servers, for processes that it starts.
pub const IDENTITY: &str = "NETPOLL_TLS_IDENTITY";

/// Bytes read from the wire at once.
const READ: usize = 16 << 10;

static PEM: LazyLock<String> = LazyLock::new(|| {
    std::env::var(IDENTITY).unwrap_or_else(|_| {
        let names = ["localhost", "127.0.0.1"].map(str::to_owned);
        let made = rcgen::generate_simple_self_signed(names).unwrap();
        made.cert.pem() + &made.signing_key.serialize_pem()
    })
});

static SERVER: LazyLock<TlsServer> = LazyLock::new(|| {
    TlsServer::builder().certificate_pem(PEM.as_bytes(), PEM.as_bytes()).build().unwrap()
});

static CLIENT: LazyLock<TlsClient> = LazyLock::new(|| {
    TlsClient::builder().roots_pem(PEM.as_bytes()).server_name("localhost").build().unwrap()
});

static RAW_CLIENT: LazyLock<Arc<ClientConfig>> = LazyLock::new(|| {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(PEM.as_bytes()).unwrap()).unwrap();
    Arc::new(ClientConfig::builder().with_root_certificates(roots).with_no_client_auth())
});

static RAW_SERVER: LazyLock<Arc<ServerConfig>> = LazyLock::new(|| {
    let chain = vec![CertificateDer::from_pem_slice(PEM.as_bytes()).unwrap()];
    let key = PrivateKeyDer::from_pem_slice(PEM.as_bytes()).unwrap();
    let config = ServerConfig::builder().with_no_client_auth();
    Arc::new(config.with_single_cert(chain, key).unwrap())
});

/// Whether tests run over TLS.
pub fn is_on() -> bool {
    std::env::var("NETPOLL_TLS").is_ok_and(|on| on == "1")
}

/// The value of [`IDENTITY`] for a process that serves.
pub fn identity() -> Option<&'static str> {
    is_on().then(|| PEM.as_str())
}

/// A server's TLS, whether the tests run over it or not.
pub fn server() -> TlsServer {
    SERVER.clone()
}

/// A client's TLS, which trusts that server.
pub fn client() -> TlsClient {
    CLIENT.clone()
}

/// A server as it is, or over TLS.
pub fn serve<S: Service>(builder: EventLoopBuilder<S>) -> EventLoopBuilder<S> {
    if is_on() { builder.tls(server()) } else { builder }
}

/// A dialler as it is, or over TLS.
pub fn dial(dialer: Dialer) -> Dialer {
    if is_on() { dialer.tls(client()) } else { dialer }
}

/// One end's TLS, without a socket.
pub struct Session(Connection, VecDeque<u8>);

fn broken(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, error)
}

impl Session {
    /// A client's, or none for a plain connection.
    pub fn client() -> Option<Self> {
        is_on().then(Self::always)
    }

    /// A client's, whether the tests run over TLS or not.
    pub fn always() -> Self {
        Self::of(RAW_CLIENT.clone())
    }

    /// A client's that resumes no session.
    pub fn fresh() -> Self {
        let mut config = ClientConfig::clone(&RAW_CLIENT);
        config.resumption = Resumption::disabled();
        Self::of(config.into())
    }

    fn of(config: Arc<ClientConfig>) -> Self {
        let made = ClientConnection::new(config, "localhost".try_into().unwrap());
        Self::over(made.unwrap())
    }

    /// Has both directions go on with new keys.
    pub fn update_keys(&mut self) -> Vec<u8> {
        self.0.refresh_traffic_keys().unwrap();
        self.said()
    }

    pub fn is_handshaking(&self) -> bool {
        self.0.is_handshaking()
    }

    /// A server's, or none for a plain connection.
    pub fn server() -> Option<Self> {
        is_on().then(|| Self::over(ServerConnection::new(RAW_SERVER.clone()).unwrap()))
    }

    /// A session of rustls', of either side.
    pub fn over(connection: impl Into<Connection>) -> Self {
        let mut connection = connection.into();
        connection.set_buffer_limit(None);
        Self(connection, VecDeque::new())
    }

    /// Shakes hands over `wire`.
    pub fn shake(&mut self, wire: &mut (impl Read + Write)) -> io::Result<()> {
        loop {
            wire.write_all(&self.said())?;
            if !self.0.is_handshaking() {
                return Ok(());
            }
            self.receive(wire)?;
        }
    }

    /// What waits to be sent.
    pub fn said(&mut self) -> Vec<u8> {
        let mut said = Vec::new();
        while self.0.wants_write() {
            self.0.write_tls(&mut said).unwrap();
        }
        said
    }

    /// Seals `bytes`.
    pub fn seal(&mut self, bytes: &[u8]) -> Vec<u8> {
        self.0.writer().write_all(bytes).unwrap();
        self.said()
    }

    /// The last word.
    pub fn end(&mut self) -> Vec<u8> {
        self.0.send_close_notify();
        self.said()
    }

    /// Takes bytes that were opened: none so far, some, or the end of the stream.
    pub fn take(&mut self, into: &mut [u8]) -> io::Result<Option<usize>> {
        if !self.1.is_empty() {
            return self.1.read(into).map(Some);
        }
        match self.0.reader().read(into) {
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => Ok(None),
            taken => taken.map(Some),
        }
    }

    /// Opens bytes that came, or notes the wire's end where there are none.
    pub fn open(&mut self, mut wire: &[u8]) -> io::Result<()> {
        let mut bytes = Vec::new();
        loop {
            self.0.read_tls(&mut wire)?;
            self.0.process_new_packets().map_err(broken)?;
            // rustls takes no more while it keeps a record's bytes.
            match self.0.reader().read_to_end(&mut bytes) {
                Err(e) if e.kind() != io::ErrorKind::WouldBlock && !wire.is_empty() => {
                    return Err(e);
                }
                _ => self.1.extend(bytes.drain(..)),
            }
            if wire.is_empty() {
                return Ok(());
            }
        }
    }

    /// Reads from `wire` once and opens it.
    pub fn receive(&mut self, wire: &mut impl Read) -> io::Result<()> {
        let mut bytes = [0; READ];
        let n = loop {
            match wire.read(&mut bytes) {
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                read => break read?,
            }
        };
        if n == 0 && self.0.is_handshaking() {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.open(&bytes[..n])
    }
}
