//! A toy transport with all that a real one has: a handshake of three steps in which the client speaks
//! first, records, output of its own, a last word, and an end that may come too soon.

#![allow(dead_code, unreachable_pub, reason = "each test file uses its part of it")]

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    task::Waker,
};

use netpoll::{
    Error, ErrorKind, Result, Transport,
    buf::LinkBuffer,
    transport::{Role, TransportContext, TransportFacts, TransportState},
};

/// Kinds of records.
pub const DATA: u8 = 0;
pub const HELLO: u8 = 1;
pub const CHALLENGE: u8 = 2;
pub const FINISH: u8 = 3;
pub const ALERT: u8 = 4;
pub const TICKET: u8 = 5;
pub const BYE: u8 = 6;

/// A record of the wire: its kind, two bytes of length, its bytes, each xored with 0x55.
pub fn record(kind: u8, bytes: &[u8]) -> Vec<u8> {
    let mut record = vec![kind];
    record.extend((bytes.len() as u16).to_be_bytes());
    record.extend(bytes.iter().map(|byte| byte ^ 0x55));
    record
}

/// What a test does to, and sees of, its transports.
#[derive(Clone, Default)]
pub struct Toy {
    /// Tickets that are to be sent unasked.
    tickets: Arc<AtomicUsize>,
    /// Tickets that came.
    pub came: Arc<AtomicUsize>,
    wakers: Arc<Mutex<Vec<Waker>>>,
    /// The client waits for the server to speak.
    silent: bool,
}

impl Toy {
    /// Clients that never speak.
    pub fn silent() -> Self {
        Self { silent: true, ..Self::default() }
    }

    pub fn make(&self) -> ToyTransport {
        ToyTransport {
            toy: self.clone(),
            role: Role::Server,
            state: TransportState::Handshaking,
            facts: TransportFacts::default(),
            said_bye: false,
        }
    }

    /// Has a transport send a ticket, though nothing came.
    pub fn send_ticket(&self) {
        self.tickets.fetch_add(1, SeqCst);
        self.wakers.lock().unwrap().iter().for_each(Waker::wake_by_ref);
    }
}

pub struct ToyTransport {
    toy: Toy,
    role: Role,
    state: TransportState,
    facts: TransportFacts,
    said_bye: bool,
}

fn alert(reply: &mut LinkBuffer, why: &str) -> Result<()> {
    reply.write(&record(ALERT, why.as_bytes()))?;
    Err(Error::new(ErrorKind::Handshake, why))
}

impl ToyTransport {
    fn took(
        &mut self,
        kind: u8,
        bytes: &[u8],
        plain: &mut LinkBuffer,
        reply: &mut LinkBuffer,
    ) -> Result<()> {
        use TransportState::{Handshaking, Open, PeerClosed};
        match (kind, self.role, self.state) {
            (HELLO, Role::Server, Handshaking) => {
                if bytes == b"forbidden" {
                    return alert(reply, "that name is not served");
                }
                self.facts.server_name = Some(String::from_utf8_lossy(bytes).into_owned());
                reply.write(&record(CHALLENGE, b"who?"))?;
            }
            (CHALLENGE, Role::Client, Handshaking) => {
                reply.write(&record(FINISH, b"me"))?;
                self.facts.peer_certificates.push(bytes.to_vec().into());
                self.state = Open;
            }
            (FINISH, Role::Server, Handshaking) => {
                self.facts.peer_certificates.push(bytes.to_vec().into());
                self.facts.alpn = Some("toy/1".into());
                self.state = Open;
            }
            (DATA, _, Open) => drop(plain.write(bytes)?),
            (TICKET, _, Open) => drop(self.toy.came.fetch_add(1, SeqCst)),
            (BYE, ..) => self.state = PeerClosed,
            (ALERT, ..) => {
                let why = String::from_utf8_lossy(bytes);
                return Err(Error::new(ErrorKind::Handshake, format!("the peer says: {why}")));
            }
            _ => return alert(reply, "an unexpected record"),
        }
        Ok(())
    }
}

impl Transport for ToyTransport {
    fn start(&mut self, context: &TransportContext<'_>, reply: &mut LinkBuffer) -> Result<()> {
        self.role = context.role();
        self.toy.wakers.lock().unwrap().push(context.waker().clone());
        if self.role == Role::Client && !self.toy.silent {
            let name = context.server_name().unwrap_or("nobody");
            if name == "impossible" {
                return Err(Error::new(ErrorKind::Handshake, "no server has this name"));
            }
            reply.write(&record(HELLO, name.as_bytes()))?;
        }
        Ok(())
    }

    fn open(
        &mut self,
        wire: &mut LinkBuffer,
        plain: &mut LinkBuffer,
        reply: &mut LinkBuffer,
    ) -> Result<()> {
        while wire.len() >= 3 {
            let head = wire.peek(3)?;
            let (kind, len) = (head[0], usize::from(u16::from_be_bytes([head[1], head[2]])));
            if wire.len() < 3 + len {
                break;
            }
            let bytes: Vec<u8> = wire.next(3 + len)?[3..].iter().map(|byte| byte ^ 0x55).collect();
            self.took(kind, &bytes, plain, reply)?;
        }
        Ok(())
    }

    fn seal(&mut self, plain: &mut LinkBuffer, wire: &mut LinkBuffer) -> Result<()> {
        assert!(self.state != TransportState::Handshaking, "sealed too early");
        assert!(!self.said_bye, "sealed after the last word");
        let waits = |n: usize| n.checked_sub(1);
        while self.toy.tickets.fetch_update(SeqCst, SeqCst, waits).is_ok() {
            wire.write(&record(TICKET, b"ticket"))?;
        }
        while !plain.is_empty() {
            let bytes = plain.read_bytes(plain.len().min(1000))?;
            wire.write(&record(DATA, &bytes))?;
        }
        Ok(())
    }

    fn close(&mut self, wire: &mut LinkBuffer) -> Result<()> {
        assert!(!self.said_bye, "two last words");
        self.said_bye = true;
        wire.write(&record(BYE, b""))?;
        Ok(())
    }

    fn eof(&mut self) -> Result<()> {
        Err(Error::new(ErrorKind::Truncated, "the stream ends without a last word"))
    }

    fn state(&self) -> TransportState {
        self.state
    }

    fn has_output(&self) -> bool {
        self.state == TransportState::Open && self.toy.tickets.load(SeqCst) > 0
    }

    fn facts(&self) -> TransportFacts {
        self.facts.clone()
    }
}
