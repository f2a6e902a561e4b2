//! A hostile peer of TLS at a server and at a client of this library, in memory: bytes that are no TLS, and
//! handshakes and records of which some are changed, left out or repeated, in any pieces.
//!
//! Whatever it does, its connection ends, other bytes than those that were sealed arrive nowhere, another
//! connection goes on, and a peer that changes nothing gets back what it sent. Keys differ from run to run; by
//! signatures of one size each record is as long as in any other run of the same input.
#![no_main]

mod echo_server;
#[allow(dead_code, reason = "the tests use the rest")]
#[path = "../../tests/common/over_tls.rs"]
mod over;

use std::{
    io::Read,
    sync::{
        Arc, LazyLock,
        atomic::{AtomicUsize, Ordering::Relaxed},
        mpsc,
    },
    time::Duration,
};

use echo_server::echo;
use libfuzzer_sys::fuzz_target;
use netpoll::{
    Connection, Dialer, EventLoop, Runtime,
    buf::LinkBuffer,
    service::Free,
    testing::{Link, Listener, MemoryPeer, Port, Server, settle},
    tls::{
        TlsClient, TlsServer,
        rustls::{
            ClientConfig, ClientConnection, RootCertStore, ServerConfig, ServerConnection,
            SupportedProtocolVersion,
            pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
            version::{TLS12, TLS13},
        },
    },
};
use over::Session;

/// Runs between two calls on the connection that nobody attacks.
const LOOK: usize = 16;

/// Changes that one input asks for, at most.
const CHANGES: usize = 32;

/// Records that changes can name.
const RECORDS: u8 = 24;

/// Rooms that no input fills: what one side says never waits for the other side's reading.
fn link() -> Link {
    Link::default().inbound(1 << 20).outbound(1 << 20)
}

struct World {
    server: Server,
    listener: Listener,
    good: Connection,
    _port: Port,
    runtime: Runtime,
}

static WORLD: LazyLock<World> = LazyLock::new(|| {
    let runtime = Runtime::builder().pollers(1).max_workers(8).build().unwrap();
    let tls = TlsServer::builder().certificate_pem(PEM.as_bytes(), PEM.as_bytes());
    let server = EventLoop::builder(Free::<echo>::new()).runtime(&runtime);
    let server = Server::start(server.tls(tls.build().unwrap())).unwrap();
    let port = server.listen(&link());
    let tls = TlsClient::from(client_config(&TLS13));
    let dialer = Dialer::new().runtime(&runtime).tls(tls).server_name("localhost");
    let good = dialer.dial(port.address()).unwrap();
    World { server, listener: Listener::bind(&link()), good, _port: port, runtime }
});

/// A certificate and its key. Signatures by Ed25519 have one size.
static PEM: LazyLock<String> = LazyLock::new(|| {
    let key = rcgen::KeyPair::generate_for(&rcgen::PKCS_ED25519).unwrap();
    let params = rcgen::CertificateParams::new(["localhost".to_owned()]).unwrap();
    params.self_signed(&key).unwrap().pem() + &key.serialize_pem()
});

fn client_config(version: &'static SupportedProtocolVersion) -> ClientConfig {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(PEM.as_bytes()).unwrap()).unwrap();
    ClientConfig::builder_with_protocol_versions(&[version])
        .with_root_certificates(roots)
        .with_no_client_auth()
}

fn server_config(version: &'static SupportedProtocolVersion) -> ServerConfig {
    let chain = vec![CertificateDer::from_pem_slice(PEM.as_bytes()).unwrap()];
    let key = PrivateKeyDer::from_pem_slice(PEM.as_bytes()).unwrap();
    let config = ServerConfig::builder_with_protocol_versions(&[version]).with_no_client_auth();
    config.with_single_cert(chain, key).unwrap()
}

/// An input, read as what a peer does.
struct Plan<'i> {
    version: &'static SupportedProtocolVersion,
    at_client: bool,
    resumes: bool,
    /// The changes are the bytes that are sent, and there is no session.
    is_raw: bool,
    /// The places at which each flight is cut, in parts of 255.
    cuts: [u8; 3],
    /// Four bytes each: a record, what is done to it, and two operands.
    changes: &'i [u8],
}

impl<'i> Plan<'i> {
    fn of(bytes: &'i [u8]) -> Option<Self> {
        let (&[how, a, b, c], changes) = bytes.split_first_chunk()?;
        let mut cuts = [a, b, c];
        cuts.sort_unstable();
        let version = if how & 2 == 0 { &TLS13 } else { &TLS12 };
        let (at_client, resumes, is_raw) = (how & 1 != 0, how & 4 != 0, how & 8 != 0);
        Some(Self { version, at_client, resumes, is_raw, cuts, changes })
    }

    /// The same peer, who changes nothing.
    fn harmless(&self) -> Plan<'static> {
        let Self { version, at_client, resumes, cuts, .. } = *self;
        Plan { version, at_client, resumes, is_raw: false, cuts, changes: &[] }
    }
}

/// A peer that acts by a plan.
struct Hostile<'p> {
    plan: &'p Plan<'p>,
    session: Session,
    wire: MemoryPeer,
    /// Records that it had to send so far.
    records: u8,
    has_changed: bool,
    /// The session has failed, as a rule by an alert.
    has_failed: bool,
    /// Plain bytes that came.
    came: Vec<u8>,
}

impl<'p> Hostile<'p> {
    fn new(plan: &'p Plan<'p>, session: Session, wire: MemoryPeer) -> Self {
        let (has_changed, has_failed) = (false, false);
        Self { plan, session, wire, records: 0, has_changed, has_failed, came: Vec::new() }
    }

    /// Writes `bytes` in pieces; false if the other side is gone.
    fn write(&mut self, bytes: &[u8]) -> bool {
        let cuts = self.plan.cuts.map(|part| usize::from(part) * bytes.len() / 255);
        self.wire.write_cut(bytes, &cuts).is_ok()
    }

    /// Writes the records of `said` as the plan changes them.
    fn send(&mut self, said: &[u8]) -> bool {
        let (mut out, mut rest) = (Vec::new(), said);
        while let &[_, _, _, high, low, ..] = rest {
            let (record, behind) = rest.split_at(5 + usize::from(u16::from_be_bytes([high, low])));
            let mut record = record.to_vec();
            for change in self.plan.changes.chunks_exact(4).take(CHANGES) {
                if change[0] % RECORDS == self.records {
                    self.has_changed = true;
                    change_record(&mut record, &mut out, [change[1], change[2], change[3]]);
                }
            }
            out.extend_from_slice(&record);
            self.records = self.records.saturating_add(1);
            rest = behind;
        }
        self.write(&out)
    }

    /// Says what the session has to say, and takes what comes, until the other side has no more.
    fn talk(&mut self) {
        loop {
            let said = self.session.said();
            if !said.is_empty() && !self.send(&said) {
                return;
            }
            settle(&WORLD.runtime);
            let mut bytes = vec![0; self.wire.readable()];
            let came = if bytes.is_empty() { 0 } else { self.wire.read(&mut bytes).unwrap_or(0) };
            if came == 0 || !self.take(&bytes[..came]) {
                return;
            }
        }
    }

    /// Takes bytes of the wire; false if the session failed by them.
    fn take(&mut self, wire: &[u8]) -> bool {
        self.has_failed |= self.session.open(wire).is_err();
        let mut plain = [0; 1024];
        while let Ok(Some(n @ 1..)) = self.session.take(&mut plain) {
            self.came.extend_from_slice(&plain[..n]);
        }
        !self.has_failed
    }

    /// Seals `plain`, in two records with new keys between them, and sends it.
    fn say(&mut self, plain: &[u8]) {
        if self.has_failed || self.session.is_handshaking() {
            return;
        }
        let (first, second) = plain.split_at(plain.len() / 3);
        let mut said = self.session.seal(first);
        if self.plan.version.version == TLS13.version {
            said.extend(self.session.update_keys());
        }
        said.extend(self.session.seal(second));
        if self.send(&said) {
            self.talk();
        }
    }

    /// Ends, and waits for the other side to end.
    fn end(&mut self) {
        // Nothing is opened after it: rustls asserts that no alert follows a close_notify.
        let said = self.session.end();
        self.send(&said);
        self.wire.shutdown_write();
        let mut rest = Vec::new();
        // A reset is an end as well; that there is none within 20 s is not.
        let read = self.wire.read_to_end(&mut rest);
        assert!(!read.is_err_and(|e| e.kind() == std::io::ErrorKind::TimedOut), "no end");
        self.wire.wait_closed().expect("the connection ends");
    }
}

/// Changes a record, or writes something before it.
fn change_record(record: &mut Vec<u8>, before: &mut Vec<u8>, [kind, at, value]: [u8; 3]) {
    let place = usize::from(at) * record.len() / 256;
    match kind % 11 {
        0 if !record.is_empty() => record[place] ^= value.max(1),
        1 => record.truncate(place),
        2 => before.extend_from_slice(record),
        3 => record.clear(),
        4 => before.extend(std::iter::repeat_n(value, usize::from(at))),
        5 if !record.is_empty() => record[0] = 19 + value % 7,
        6 if record.len() >= 5 => record[3..5].copy_from_slice(&[at, value]),
        // The same bytes in two records, which is right for messages that are not encrypted.
        7 if place > 5 => {
            let behind = record.split_off(place);
            let head = [record[0], record[1], record[2]];
            let sizes = [record.len() - 5, behind.len()].map(|n| (n as u16).to_be_bytes());
            record[3..5].copy_from_slice(&sizes[0]);
            record.extend(head.into_iter().chain(sizes[1]).chain(behind));
        }
        // Empty records, alerts, and a change of the cipher that nobody expects.
        8 => before.extend([19 + value % 7, 3, 3, 0, 0]),
        9 => before.extend([21, 3, 3, 0, 2, at, value]),
        10 => before.extend([20, 3, 3, 0, 1, value]),
        _ => {}
    }
}

/// Two frames of which the second spans records.
fn frames() -> Vec<u8> {
    let body: Vec<u8> = (0..600u32).map(|n| n as u8).collect();
    [&5u32.to_be_bytes()[..], b"first", &600u32.to_be_bytes()[..], &body].concat()
}

/// Attacks the server; gives back whether the peer changed something.
fn at_server(plan: &Plan<'_>, config: &Arc<ClientConfig>) {
    let wire = WORLD.server.connect_by(&link()).unwrap();
    let session = ClientConnection::new(config.clone(), "localhost".try_into().unwrap()).unwrap();
    let mut peer = Hostile::new(plan, Session::over(session), wire);
    if plan.is_raw {
        peer.write(plan.changes);
    } else {
        peer.talk();
        peer.say(&frames());
    }
    peer.end();
    assert!(frames().starts_with(&peer.came), "other bytes came back: {:?}", peer.came);
    assert!(plan.is_raw || peer.has_changed || peer.came == frames(), "{:?}", peer.came);
}

/// Attacks a client, which dials, sends frames and reads what comes back.
fn at_client(plan: &Plan<'_>, dialer: &Dialer, config: &Arc<ServerConfig>) {
    let (tell, told) = mpsc::channel();
    let (dialer, at) = (dialer.clone(), WORLD.listener.port().address());
    WORLD.runtime.spawn(async move {
        let mut came = Vec::new();
        let _ = exchange(&dialer, &at, &mut came).await;
        let _ = tell.send(came);
    });
    let wire = WORLD.listener.accept().unwrap();
    let session = ServerConnection::new(config.clone()).unwrap();
    let mut peer = Hostile::new(plan, Session::over(session), wire);
    if plan.is_raw {
        peer.write(plan.changes);
    } else {
        peer.talk();
        peer.say(&peer.came.clone());
    }
    peer.end();
    let came = told.recv_timeout(Duration::from_secs(20)).expect("the client ends");
    assert!(frames().starts_with(&peer.came), "the client sent other bytes: {:?}", peer.came);
    assert!(peer.came.starts_with(&came), "the client read other bytes: {came:?}");
    assert!(plan.is_raw || peer.has_changed || came == frames(), "{came:?}");
}

/// The client's part: `came` gets what it reads.
async fn exchange(dialer: &Dialer, at: &str, came: &mut Vec<u8>) -> netpoll::Result<()> {
    let conn = dialer.dial_async(at).await?;
    conn.send_async(LinkBuffer::try_from(&frames()[..])?).await?;
    let mut reader = conn.reader()?;
    loop {
        reader.fill_async(1).await?;
        let n = reader.len();
        came.extend_from_slice(reader.next(n)?);
    }
}

fuzz_target!(|bytes: &[u8]| {
    static RUNS: AtomicUsize = AtomicUsize::new(0);
    let Some(plan) = Plan::of(bytes) else { return };
    // To resume there must have been a session before.
    let plans: &[&Plan<'_>] = if plan.resumes { &[&plan.harmless(), &plan] } else { &[&plan] };
    let client = client_config(plan.version);
    if plan.at_client {
        let dialer = Dialer::new().runtime(&WORLD.runtime).tls(TlsClient::from(client));
        let (dialer, config) =
            (dialer.server_name("localhost"), server_config(plan.version).into());
        plans.iter().for_each(|plan| at_client(plan, &dialer, &config));
    } else {
        let config = client.into();
        plans.iter().for_each(|plan| at_server(plan, &config));
    }
    let mut looks = 0;
    while WORLD.server.handle().live() != 1 {
        looks += 1;
        assert!(looks < 10_000, "{} connections are kept", WORLD.server.handle().live());
        std::thread::sleep(Duration::from_millis(1));
    }
    if RUNS.fetch_add(1, Relaxed) % LOOK == 0 {
        WORLD.good.write(&frames()).unwrap();
        let mut reader = WORLD.good.reader().unwrap();
        assert!(reader.next(frames().len()).unwrap() == frames(), "other bytes");
        assert_eq!(WORLD.runtime.stats().panics, 0, "something panicked");
    }
});
