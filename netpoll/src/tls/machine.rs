//! The state machine of one connection's TLS, over rustls' interface without buffers.
//!
//! ```text
//!            wire ──whole records──▶ held ──▶ rustls ──▶ plain
//!           reply ◀──handshake, alerts, key updates──┘
//!           plain ──up to 16 KiB a record──▶ rustls ──▶ wire
//! ```
//! - `wire` keeps a record until it is whole: rustls then sees each byte once, however small the
//!   pieces are that it came in.
//! - `held` has what rustls wants to see again: the first records of a handshake message that spans
//!   several. It is empty, and holds no memory, at all other times: records are opened in memory of the thread.
//! - rustls decrypts into memory of its own; the plain bytes are copied once, into blocks of `mem`.

use std::{cell::Cell, mem, sync::Arc};

use bytes::Bytes;
use rustls::{
    ClientConfig, CommonState, HandshakeKind, ProtocolVersion, ServerConfig,
    client::{ClientConnectionData, UnbufferedClientConnection},
    pki_types::ServerName,
    server::{ServerConnectionData, UnbufferedServerConnection},
    unbuffered::{
        ConnectionState, EncodeError, EncryptError, UnbufferedConnectionCommon, UnbufferedStatus,
        WriteTraffic,
    },
};

use super::{names::subject, sni};
use crate::{
    buf::LinkBuffer,
    error::{Error, ErrorKind, Result},
    transport::TransportFacts,
};

/// Bytes of a record before what it carries: type, version, length (RFC 8446, 5.1).
const HEADER: usize = 5;

/// Bytes that a record's header may announce: 16 KiB and what encryption adds (RFC 5246, 6.2.3).
const RECORD_MOST: usize = (16 << 10) + 2048;

/// Plain bytes that one record carries at most.
const PLAIN_MOST: usize = 16 << 10;

/// Bytes that a record takes beyond those that it carries, at most: header, type, nonce, tag.
const OVERHEAD: usize = 64;

/// Bytes of records that a thread keeps memory for: four of the longest.
const SPARE_MOST: usize = 4 * (HEADER + RECORD_MOST);

/// One side of a connection's TLS.
pub(super) struct Machine {
    side: Side,
    /// Whole records that rustls has not let go of.
    held: Vec<u8>,
    server_name: Option<String>,
    /// The handshake is over: plain bytes may be sealed.
    open: bool,
    /// The peer has said that it sends no more.
    peer_closed: bool,
}

enum Side {
    Client(Box<UnbufferedClientConnection>),
    Server(Box<UnbufferedServerConnection>),
}

/// The point at which rustls stopped.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Stopped {
    /// It wants more records, or nothing more can come.
    Wants,
    /// It wants more records, and plain bytes may be sealed.
    Open,
}

impl Machine {
    /// Makes the side of a server.
    ///
    /// # Errors
    /// `Config`: rustls refuses the configuration.
    pub(super) fn server(config: Arc<ServerConfig>) -> Result<Self> {
        let session = UnbufferedServerConnection::new(config).map_err(refused)?;
        Ok(Self::new(Side::Server(Box::new(session)), None))
    }

    /// Makes the side of a client, to whom the server has to prove that it is `name`.
    ///
    /// # Errors
    /// `Config`: rustls refuses the configuration.
    pub(super) fn client(config: Arc<ClientConfig>, name: ServerName<'static>) -> Result<Self> {
        let shown = name.to_str().into_owned();
        let session = UnbufferedClientConnection::new(config, name).map_err(refused)?;
        Ok(Self::new(Side::Client(Box::new(session)), Some(shown)))
    }

    fn new(side: Side, server_name: Option<String>) -> Self {
        Self { side, held: Vec::new(), server_name, open: false, peer_closed: false }
    }

    /// Returns whether the handshake is over.
    pub(super) fn is_open(&self) -> bool {
        self.open
    }

    /// Returns whether the peer has said that it sends no more: an end of the wire after that is
    /// no truncation.
    pub(super) fn peer_has_closed(&self) -> bool {
        self.peer_closed
    }

    /// Returns whether there is something to say although nothing came.
    pub(super) fn has_output(&self) -> bool {
        self.common().wants_write()
    }

    fn common(&self) -> &CommonState {
        match &self.side {
            Side::Client(session) => session,
            Side::Server(session) => session,
        }
    }

    /// Returns the results of the handshake, once it is over.
    pub(super) fn facts(&self) -> TransportFacts {
        let common = self.common();
        let certificates = common.peer_certificates().unwrap_or_default();
        TransportFacts {
            alpn: common.alpn_protocol().map(Bytes::copy_from_slice),
            server_name: self.server_name.clone(),
            peer_certificates: certificates.iter().map(|der| Bytes::copy_from_slice(der)).collect(),
            peer_subject: certificates.first().and_then(|own| subject(own)),
            version: match common.protocol_version() {
                Some(ProtocolVersion::TLSv1_2) => Some("TLSv1.2"),
                Some(ProtocolVersion::TLSv1_3) => Some("TLSv1.3"),
                _ => None,
            },
            suite: common.negotiated_cipher_suite().and_then(|suite| suite.suite().as_str()),
            resumed: common.handshake_kind() == Some(HandshakeKind::Resumed),
        }
    }

    /// Takes the whole records of `wire`, writes what they carry to `plain`, and what is to be said to the
    /// peer to `reply`; the first call at a client begins the handshake. Neither is flushed.
    ///
    /// # Errors
    /// `Malformed`: what came is no TLS, or a peer that is not trusted. `reply` has the alert that says so.
    pub(super) fn open(
        &mut self,
        wire: &mut LinkBuffer,
        plain: &mut LinkBuffer,
        reply: &mut LinkBuffer,
    ) -> Result<()> {
        let opened = match self.take_records(wire) {
            Ok(()) => self.drive(plain, reply, None),
            Err(error) => Err(error),
        };
        if opened.is_err() {
            let said = self.last_words(plain, reply);
            tracing::trace!(?said, "TLS failed, and the peer is told why");
            self.held = Vec::new();
        }
        opened
    }

    /// Seals all of `plain` into records of 16 KiB at most, written to `wire` and not flushed.
    ///
    /// # Errors
    /// `Closed`: the handshake is not over, or this side has closed. `Malformed`: no further record may
    /// be sealed under these keys. `Limit`: there is no memory.
    pub(super) fn seal(&mut self, plain: &mut LinkBuffer, wire: &mut LinkBuffer) -> Result<()> {
        let mut none = LinkBuffer::new();
        let mut seal = |traffic: &mut dyn Seals, wire: &mut LinkBuffer| {
            while !plain.is_empty() {
                // Small pieces are joined: a record costs more than their copy.
                let n = plain.len().min(PLAIN_MOST);
                let bytes = plain.next(n)?;
                put(wire, n + OVERHEAD, |out| traffic.seal(bytes, out))?;
            }
            Ok(())
        };
        self.drive(&mut none, wire, Some(&mut seal))
    }

    /// Writes this side's last word (`close_notify`) to `wire`, if the handshake is over.
    ///
    /// # Errors
    /// Those of [`seal`](Self::seal).
    pub(super) fn close(&mut self, wire: &mut LinkBuffer) -> Result<()> {
        if !self.open {
            return Ok(());
        }
        let mut none = LinkBuffer::new();
        let mut close = |traffic: &mut dyn Seals, wire: &mut LinkBuffer| {
            put(wire, OVERHEAD, |out| traffic.close(out))
        };
        self.drive(&mut none, wire, Some(&mut close))
    }

    /// Moves the whole records of `wire` to what rustls sees.
    ///
    /// # Errors
    /// `Malformed`: a record announces more bytes than any may have.
    fn take_records(&mut self, wire: &mut LinkBuffer) -> Result<()> {
        while wire.len() >= HEADER {
            let &[kind, _, _, high, low] = wire.peek(HEADER)? else { break };
            let body = usize::from(u16::from_be_bytes([high, low]));
            // 20 to 24 are the types of records.
            let (20..=24, ..=RECORD_MOST) = (kind, body) else {
                let why = match kind {
                    20..=24 => {
                        format!("a TLS record of {body} bytes, which may have {RECORD_MOST}")
                    }
                    _ => "bytes that are no TLS: does the peer speak it, and on this port?"
                        .to_owned(),
                };
                return Err(Error::new(ErrorKind::Malformed, why));
            };
            if wire.len() < HEADER + body {
                break;
            }
            if self.held.capacity() == 0 {
                self.held = SPARE.take();
            }
            self.held.extend_from_slice(wire.next(HEADER + body)?);
        }
        wire.tidy();
        Ok(())
    }

    /// Writes what rustls has left to say after it failed: the alert that names the cause.
    fn last_words(&mut self, plain: &mut LinkBuffer, reply: &mut LinkBuffer) -> Result<()> {
        let mut run = Run { plain, reply, peer_closed: &mut self.peer_closed };
        match &mut self.side {
            Side::Client(session) => run.last_words(&mut ***session, &mut self.held),
            Side::Server(session) => run.last_words(&mut ***session, &mut self.held),
        }
    }

    /// Runs rustls over the records that are held until it wants more.
    fn drive(
        &mut self,
        plain: &mut LinkBuffer,
        reply: &mut LinkBuffer,
        seal: Option<&mut SealInto<'_>>,
    ) -> Result<()> {
        let held = &mut self.held;
        let mut run = Run { plain, reply, peer_closed: &mut self.peer_closed };
        let stopped = match &mut self.side {
            Side::Client(session) => run.drive(&mut ***session, held, seal)?,
            Side::Server(session) => {
                let stopped = run.drive(&mut ***session, held, seal);
                self.server_name = sni::take_name().or(self.server_name.take());
                stopped?
            }
        };
        self.open |= stopped == Stopped::Open;
        Ok(())
    }
}

/// Seals what its caller has, into the buffer given.
type SealInto<'s> = dyn FnMut(&mut dyn Seals, &mut LinkBuffer) -> Result<()> + 's;

/// The operations that rustls offers once the handshake is over, on either side.
trait Seals {
    /// Seals `plain` into `out`; how many bytes that were, or how many are wanted.
    fn seal(&mut self, plain: &[u8], out: &mut [u8]) -> Result<usize, EncryptError>;

    /// Writes the last word into `out`.
    fn close(&mut self, out: &mut [u8]) -> Result<usize, EncryptError>;
}

impl<D> Seals for WriteTraffic<'_, D> {
    fn seal(&mut self, plain: &[u8], out: &mut [u8]) -> Result<usize, EncryptError> {
        self.encrypt(plain, out)
    }

    fn close(&mut self, out: &mut [u8]) -> Result<usize, EncryptError> {
        self.queue_close_notify(out)
    }
}

/// The step of rustls that both sides have, and under the same name.
trait Process {
    type Data;

    /// Returns whether the next step is to say something, whatever else there is.
    fn has_to_speak(&self) -> bool;

    fn process<'c, 'i>(&'c mut self, records: &'i mut [u8])
    -> UnbufferedStatus<'c, 'i, Self::Data>;
}

impl Process for UnbufferedConnectionCommon<ClientConnectionData> {
    type Data = ClientConnectionData;

    fn has_to_speak(&self) -> bool {
        self.wants_write()
    }

    fn process<'c, 'i>(
        &'c mut self,
        records: &'i mut [u8],
    ) -> UnbufferedStatus<'c, 'i, Self::Data> {
        self.process_tls_records(records)
    }
}

impl Process for UnbufferedConnectionCommon<ServerConnectionData> {
    type Data = ServerConnectionData;

    fn has_to_speak(&self) -> bool {
        self.wants_write()
    }

    fn process<'c, 'i>(
        &'c mut self,
        records: &'i mut [u8],
    ) -> UnbufferedStatus<'c, 'i, Self::Data> {
        self.process_tls_records(records)
    }
}

/// The buffers of one run of rustls.
struct Run<'b> {
    plain: &'b mut LinkBuffer,
    reply: &'b mut LinkBuffer,
    peer_closed: &'b mut bool,
}

impl Run<'_> {
    /// Runs `session` over the records `held` until it wants more, and then `seal` if it may.
    fn drive<P: Process + ?Sized>(
        &mut self,
        session: &mut P,
        held: &mut Vec<u8>,
        mut seal: Option<&mut SealInto<'_>>,
    ) -> Result<Stopped> {
        let mut used = 0;
        let stopped = loop {
            let UnbufferedStatus { discard, state } = session.process(&mut held[used..]);
            let step = match state {
                Ok(ConnectionState::WriteTraffic(mut traffic)) => match seal.take() {
                    Some(seal) => seal(&mut traffic, self.reply).map(|()| Some(Stopped::Open)),
                    None => Ok(Some(Stopped::Open)),
                },
                Ok(state) => self.step(state),
                Err(error) => Err(broken(error)),
            };
            used += discard;
            match step {
                Ok(None) => {}
                Ok(Some(stopped)) => break Ok(stopped),
                Err(error) => break Err(error),
            }
        };
        if used == held.len() {
            give_back(mem::take(held));
        } else {
            held.drain(..used);
            held.shrink_to_fit();
        }
        if seal.is_some() && stopped.is_ok() {
            let why = "TLS: the handshake is not over, or this side has closed";
            return Err(Error::new(ErrorKind::Closed, why));
        }
        stopped
    }

    /// Has a `session` that failed say what it has left to say, and no more: it must not look at the records
    /// that it failed on again.
    fn last_words<P: Process + ?Sized>(&mut self, session: &mut P, held: &mut [u8]) -> Result<()> {
        while session.has_to_speak() {
            self.step(session.process(held).state.map_err(broken)?)?;
        }
        Ok(())
    }

    /// Does what `state` asks for; where rustls stops, if it does.
    fn step<D>(&mut self, state: ConnectionState<'_, '_, D>) -> Result<Option<Stopped>> {
        match state {
            ConnectionState::ReadTraffic(mut traffic) => {
                while let Some(record) = traffic.next_record() {
                    self.plain.write(record.map_err(broken)?.payload)?;
                }
                Ok(None)
            }
            ConnectionState::EncodeTlsData(mut data) => {
                let least = match data.encode(&mut []) {
                    Err(EncodeError::InsufficientSize(size)) => size.required_size,
                    _ => return Ok(None),
                };
                let out = self.reply.malloc(least)?;
                data.encode(out).map_err(|e| unsaid(&e))?;
                Ok(None)
            }
            ConnectionState::TransmitTlsData(data) => {
                data.done();
                Ok(None)
            }
            ConnectionState::PeerClosed => {
                *self.peer_closed = true;
                Ok(None)
            }
            ConnectionState::BlockedHandshake | ConnectionState::Closed => Ok(Some(Stopped::Wants)),
            // Early data is refused by every configuration, and there is nothing else yet.
            _ => Err(Error::new(ErrorKind::Malformed, "TLS: early data, which is not taken")),
        }
    }
}

thread_local! {
    /// What the sessions of this thread hold whole records in, one after the other: memory that is in the cache.
    static SPARE: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

/// Keeps the memory of records that were opened for the next ones, unless it is much.
fn give_back(mut records: Vec<u8>) {
    if (1..=SPARE_MOST).contains(&records.capacity()) {
        records.clear();
        SPARE.set(records);
    }
}

/// Has `fill` write into `room` bytes at the end of `out`, or into as many as it asks for.
fn put(
    out: &mut LinkBuffer,
    room: usize,
    mut fill: impl FnMut(&mut [u8]) -> Result<usize, EncryptError>,
) -> Result<()> {
    let before = out.malloc_len();
    let mut room = room;
    loop {
        let filled = fill(out.malloc_uncleared(room)?);
        // What is not filled may hold anything, and is taken back.
        out.malloc_ack(before + *filled.as_ref().unwrap_or(&0));
        match filled {
            Ok(_) => return Ok(()),
            Err(EncryptError::InsufficientSize(size)) if size.required_size > room => {
                room = size.required_size;
            }
            Err(error) => return Err(unsaid(&error)),
        }
    }
}

fn refused(error: rustls::Error) -> Error {
    Error::new(ErrorKind::Config, format!("TLS cannot begin: {error}")).with_source(error)
}

/// Makes the error of a peer that broke the protocol, is not trusted, or does not trust this side.
fn broken(error: rustls::Error) -> Error {
    Error::new(ErrorKind::Malformed, format!("TLS: {error}")).with_source(error)
}

/// Makes the error of a record that cannot be written.
fn unsaid(error: &dyn std::fmt::Display) -> Error {
    Error::new(ErrorKind::Malformed, format!("TLS: sealing: {error}"))
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use crate::tls::{ClientAuth, TlsClient, TlsServer};

    /// A certificate for `names` that signed itself, and its key, in PEM.
    fn certificate(names: &[&str]) -> (String, String) {
        let names = names.iter().map(|&name| name.to_owned()).collect::<Vec<_>>();
        let made = rcgen::generate_simple_self_signed(names).unwrap();
        (made.cert.pem(), made.signing_key.serialize_pem())
    }

    fn pair() -> (Machine, Machine) {
        let (chain, key) = certificate(&["a.example"]);
        let server =
            TlsServer::builder().certificate_pem(chain.as_bytes(), key.as_bytes()).build().unwrap();
        let client = TlsClient::builder().roots_pem(chain.as_bytes()).build().unwrap();
        connect(&client, &server, "a.example")
    }

    fn connect(client: &TlsClient, server: &TlsServer, name: &str) -> (Machine, Machine) {
        let name = client.name_for(Some(name)).unwrap();
        let client = Machine::client(client.config().clone(), name).unwrap();
        (client, Machine::server(server.current()).unwrap())
    }

    /// Gives `to` what `from` says, in pieces of `piece` bytes; what `to` read, and says.
    fn pass(from: Vec<u8>, to: &mut Machine, piece: usize) -> Result<(Vec<u8>, Vec<u8>)> {
        let (mut wire, mut plain, mut reply) =
            (LinkBuffer::new(), LinkBuffer::new(), LinkBuffer::new());
        let mut opened = Ok(());
        for bytes in from.chunks(piece) {
            wire.write(bytes).unwrap();
            wire.flush();
            opened = opened.and_then(|()| to.open(&mut wire, &mut plain, &mut reply));
        }
        plain.flush();
        reply.flush();
        opened.map(|()| (plain.to_vec(), reply.to_vec()))
    }

    fn begin(client: &mut Machine) -> Vec<u8> {
        let mut said = LinkBuffer::new();
        client.open(&mut LinkBuffer::new(), &mut LinkBuffer::new(), &mut said).unwrap();
        said.flush();
        said.to_vec()
    }

    /// Shakes hands in pieces of `piece` bytes.
    fn shake(client: &mut Machine, server: &mut Machine, piece: usize) -> Result<()> {
        let mut said = begin(client);
        while !said.is_empty() {
            let (_, answer) = pass(said, server, piece)?;
            (_, said) = pass(answer, client, piece)?;
        }
        assert!(client.is_open() && server.is_open());
        assert!(client.held.is_empty() && server.held.is_empty());
        Ok(())
    }

    fn sealed(machine: &mut Machine, plain: &[u8]) -> Vec<u8> {
        let (mut from, mut wire) = (LinkBuffer::try_from(plain).unwrap(), LinkBuffer::new());
        machine.seal(&mut from, &mut wire).unwrap();
        wire.flush();
        wire.to_vec()
    }

    #[test]
    fn hands_are_shaken_and_bytes_pass_in_pieces_of_any_size() {
        for piece in [1, 2, 5, 7, 100, 4096, 1 << 20] {
            let (mut client, mut server) = pair();
            shake(&mut client, &mut server, piece).unwrap();
            let bytes: Vec<u8> = (0..100_000u32).map(|n| (n % 251) as u8).collect();
            let wire = sealed(&mut client, &bytes);
            assert_eq!(pass(wire, &mut server, piece.max(5)).unwrap().0, bytes);
            let wire = sealed(&mut server, b"short");
            assert_eq!(pass(wire, &mut client, piece).unwrap().0, b"short");
            let facts = server.facts();
            assert_eq!(facts.server_name.as_deref(), Some("a.example"));
            assert_eq!(facts.version, Some("TLSv1.3"));
            assert!(facts.suite.is_some_and(|suite| suite.starts_with("TLS13_")));
        }
    }

    #[test]
    fn a_second_connection_resumes_the_session_of_the_first() {
        let (chain, key) = certificate(&["a.example"]);
        let server =
            TlsServer::builder().certificate_pem(chain.as_bytes(), key.as_bytes()).build().unwrap();
        let client = TlsClient::builder().roots_pem(chain.as_bytes()).build().unwrap();
        for resumed in [false, true, true] {
            let (mut one, mut other) = connect(&client, &server, "a.example");
            shake(&mut one, &mut other, 1000).unwrap();
            assert_eq!(one.facts().resumed, resumed);
            assert_eq!(other.facts().resumed, resumed);
        }
    }

    #[test]
    fn an_end_is_orderly_after_the_last_word_alone() {
        let (mut client, mut server) = pair();
        shake(&mut client, &mut server, 1000).unwrap();
        assert!(!server.peer_has_closed());
        let mut wire = LinkBuffer::new();
        client.close(&mut wire).unwrap();
        wire.flush();
        pass(wire.to_vec(), &mut server, 1000).unwrap();
        assert!(server.peer_has_closed());
        // The other direction is open still.
        let wire = sealed(&mut server, b"the rest");
        assert_eq!(pass(wire, &mut client, 1000).unwrap().0, b"the rest");
    }

    #[test]
    fn garbage_and_records_that_are_too_long_are_refused_at_their_header() {
        for (bytes, what) in [
            (&b"GET / HTTP/1.1\r\n\r\n"[..], "no TLS"),
            (&[22, 3, 1, 0xff, 0xff], "65535"),
            (&[0x80, 0x2e, 1, 3, 1], "no TLS"),
        ] {
            let (_, mut server) = pair();
            let error = pass(bytes.to_vec(), &mut server, bytes.len()).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Malformed);
            assert!(error.to_string().contains(what), "{error}");
        }
    }

    #[test]
    fn a_record_that_was_tampered_with_is_refused() {
        let (mut client, mut server) = pair();
        shake(&mut client, &mut server, 1000).unwrap();
        let mut wire = sealed(&mut client, b"pay 10");
        *wire.last_mut().unwrap() ^= 1;
        let (mut from, mut plain, mut alert) =
            (LinkBuffer::try_from(&wire[..]).unwrap(), LinkBuffer::new(), LinkBuffer::new());
        let error = server.open(&mut from, &mut plain, &mut alert).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Malformed);
        alert.flush();
        assert!(!alert.is_empty(), "the peer is told");
        let told = pass(alert.to_vec(), &mut client, 1000).unwrap_err();
        assert!(told.to_string().contains("BadRecordMac"), "{told}");
    }

    #[test]
    fn a_server_that_nobody_trusted_signed_is_refused() {
        let (chain, key) = certificate(&["a.example"]);
        let server =
            TlsServer::builder().certificate_pem(chain.as_bytes(), key.as_bytes()).build().unwrap();
        let stranger = certificate(&["a.example"]).0;
        let client = TlsClient::builder().roots_pem(stranger.as_bytes()).build().unwrap();
        let (mut one, mut other) = connect(&client, &server, "a.example");
        let error = shake(&mut one, &mut other, 1000).unwrap_err();
        assert!(error.to_string().contains("certificate"), "{error}");
        let client = TlsClient::builder().roots_pem(chain.as_bytes()).build().unwrap();
        let (mut one, mut other) = connect(&client, &server, "b.example");
        assert!(shake(&mut one, &mut other, 1000).is_err(), "a certificate for another name");
    }

    #[test]
    fn a_client_shows_a_certificate_where_one_is_required() {
        let (chain, key) = certificate(&["a.example"]);
        let (shown, shown_key) = certificate(&["alice"]);
        let builder = TlsServer::builder().certificate_pem(chain.as_bytes(), key.as_bytes());
        let required = ClientAuth::required(shown.as_bytes());
        let server = builder.clone().client_auth(required.clone()).build().unwrap();
        let nobody = TlsClient::builder().roots_pem(chain.as_bytes());
        let alice = nobody.clone().certificate_pem(shown.as_bytes(), shown_key.as_bytes());
        let (mut one, mut other) = connect(&alice.build().unwrap(), &server, "a.example");
        shake(&mut one, &mut other, 1000).unwrap();
        let facts = other.facts();
        assert_eq!(facts.peer_certificates.len(), 1);
        assert!(facts.peer_subject.unwrap().contains("CN="));
        let nobody = nobody.build().unwrap();
        let (mut one, mut other) = connect(&nobody, &server, "a.example");
        assert!(shake(&mut one, &mut other, 1000).is_err());
        let server = builder.client_auth(required.optional()).build().unwrap();
        let (mut one, mut other) = connect(&nobody, &server, "a.example");
        shake(&mut one, &mut other, 1000).unwrap();
        assert!(other.facts().peer_certificates.is_empty());
    }

    #[test]
    fn the_names_of_certificates_decide_which_one_a_client_gets() {
        let one = certificate(&["one.example"]);
        let two = certificate(&["*.two.example"]);
        let server = TlsServer::builder()
            .certificate_pem(one.0.as_bytes(), one.1.as_bytes())
            .certificate_pem(two.0.as_bytes(), two.1.as_bytes())
            .build()
            .unwrap();
        let both = [one.0, two.0].concat();
        let client = TlsClient::builder().roots_pem(both.as_bytes()).build().unwrap();
        for name in ["one.example", "x.two.example"] {
            let (mut here, mut there) = connect(&client, &server, name);
            shake(&mut here, &mut there, 1000).unwrap();
            assert_eq!(there.facts().server_name.as_deref(), Some(name));
        }
        let (mut here, mut there) = connect(&client, &server, "three.example");
        assert!(shake(&mut here, &mut there, 1000).is_err(), "it got the first, of another name");
    }

    #[test]
    fn a_protocol_of_both_is_agreed_on_and_none_is_refused() {
        let (chain, key) = certificate(&["a.example"]);
        let server = TlsServer::builder()
            .certificate_pem(chain.as_bytes(), key.as_bytes())
            .alpn(["h2", "http/1.1"])
            .build()
            .unwrap();
        let client = TlsClient::builder().roots_pem(chain.as_bytes());
        let offers = client.clone().alpn(["http/1.1"]).build().unwrap();
        let (mut here, mut there) = connect(&offers, &server, "a.example");
        shake(&mut here, &mut there, 1000).unwrap();
        assert_eq!(there.facts().alpn.as_deref(), Some(&b"http/1.1"[..]));
        assert_eq!(here.facts().alpn.as_deref(), Some(&b"http/1.1"[..]));
        let (mut here, mut there) =
            connect(&client.alpn(["spdy"]).build().unwrap(), &server, "a.example");
        assert!(shake(&mut here, &mut there, 1000).is_err());
    }

    #[test]
    fn nothing_is_sealed_before_the_handshake_is_over() {
        let (mut client, _) = pair();
        let mut plain = LinkBuffer::try_from(&b"early"[..]).unwrap();
        let error = client.seal(&mut plain, &mut LinkBuffer::new()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Closed);
        assert_eq!(plain.len(), 5);
    }
}
