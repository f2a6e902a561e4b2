//! TLS as a connection's transport.

use super::{TlsClient, TlsServer, machine::Machine};
use crate::{
    buf::LinkBuffer,
    error::{Error, ErrorKind, Result},
    transport::{Transport, TransportContext, TransportFacts, TransportState},
};

/// TLS between one connection's wire and its handlers.
pub(crate) struct Session(Stage);

enum Stage {
    /// A client that does not know its server's name yet.
    Fresh(TlsClient),
    /// Either side, from its start on.
    Begun(Box<Machine>),
}

impl Session {
    /// Makes a server's session, with the certificates in use now.
    ///
    /// # Errors
    /// `Config`: rustls refuses the configuration.
    pub(crate) fn server(tls: &TlsServer) -> Result<Self> {
        Ok(Self(Stage::Begun(Box::new(Machine::server(tls.current())?))))
    }

    /// Makes a client's session.
    pub(crate) fn client(tls: &TlsClient) -> Self {
        Self(Stage::Fresh(tls.clone()))
    }

    fn machine(&mut self) -> Result<&mut Machine> {
        match &mut self.0 {
            Stage::Begun(machine) => Ok(machine),
            Stage::Fresh(_) => Err(Error::new(ErrorKind::Closed, "TLS that has not begun")),
        }
    }
}

impl Transport for Session {
    fn start(&mut self, context: &TransportContext<'_>, reply: &mut LinkBuffer) -> Result<()> {
        if let Stage::Fresh(tls) = &self.0 {
            let name = tls.name_for(context.server_name())?;
            let machine = Machine::client(tls.config().clone(), name)?;
            self.0 = Stage::Begun(Box::new(machine));
        }
        self.machine()?.open(&mut LinkBuffer::new(), &mut LinkBuffer::new(), reply)
    }

    fn open(
        &mut self,
        wire: &mut LinkBuffer,
        plain: &mut LinkBuffer,
        reply: &mut LinkBuffer,
    ) -> Result<()> {
        self.machine()?.open(wire, plain, reply)
    }

    fn seal(&mut self, plain: &mut LinkBuffer, wire: &mut LinkBuffer) -> Result<()> {
        let machine = self.machine()?;
        if plain.is_empty() {
            return machine.open(&mut LinkBuffer::new(), plain, wire);
        }
        machine.seal(plain, wire)
    }

    fn close(&mut self, wire: &mut LinkBuffer) -> Result<()> {
        self.machine()?.close(wire)
    }

    fn eof(&mut self) -> Result<()> {
        let machine = self.machine()?;
        if machine.peer_has_closed() {
            return Ok(());
        }
        let when = if machine.is_open() { "before its close_notify" } else { "in the handshake" };
        Err(Error::new(ErrorKind::Truncated, format!("TLS: the peer's stream ended {when}")))
    }

    fn state(&self) -> TransportState {
        match &self.0 {
            Stage::Begun(machine) if machine.peer_has_closed() => TransportState::PeerClosed,
            Stage::Begun(machine) if machine.is_open() => TransportState::Open,
            _ => TransportState::Handshaking,
        }
    }

    fn has_output(&self) -> bool {
        matches!(&self.0, Stage::Begun(machine) if machine.has_output())
    }

    fn facts(&self) -> TransportFacts {
        match &self.0 {
            Stage::Begun(machine) => machine.facts(),
            Stage::Fresh(_) => TransportFacts::default(),
        }
    }
}
