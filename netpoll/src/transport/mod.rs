//! The layer between the wire and the handlers: none, or a [`Transport`].
//!
//! ```text
//!              start                 open, seal                  close
//!   (connected) ───▶ Handshaking ───────────────▶ Open ───────────────────▶ last word sent
//!                        │ open gives replies      │ open: peer's last word ▶ PeerClosed
//!                        ▼                         ▼
//!                  handshake_timeout         eof: complete, or truncated
//! ```
//! The connection owns the transport, calls it, and carries out what it says; the transport sees buffers
//! alone. All calls but [`facts`](Transport::facts) are serialised by one lock, under which nothing else of
//! the user's runs. Handshakes run in the connection's turn, on a worker.

mod context;
mod facts;

use std::sync::Arc;

pub use context::{Role, TransportContext};
pub use facts::TransportFacts;

use crate::{buf::LinkBuffer, error::Result};

/// A stage in the life of a [`Transport`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TransportState {
    /// Plain bytes can be neither opened nor sealed yet. The connection is not open for its users, and ends
    /// after `handshake_timeout`.
    Handshaking,
    /// Plain bytes pass in both directions.
    Open,
    /// The peer has said its last word, and what it sent has been opened: readers see the end of the
    /// stream. Plain bytes can still be sealed.
    PeerClosed,
}

/// Turns the bytes of the wire into those that handlers read, and back: encryption, compression.
///
/// A transport sits between two LinkBuffers and does no I/O: the connection reads and writes the wire
/// side, so that timeouts, marks and backpressure are the same with and without one. A connection
/// without a transport, the plain one, pays nothing for it.
///
/// Only [`open`](Self::open) and [`seal`](Self::seal) are required: without a handshake and a last word the
/// defaults of the others are right. A panic in any of them ends the connection as an error does.
///
/// What a method writes to a buffer it need not flush: the connection does.
///
/// ```
/// use netpoll::{Result, Transport, buf::LinkBuffer};
///
/// /// Flips every bit: no secret, but it shows the form.
/// struct Flip;
///
/// fn flip(from: &mut LinkBuffer, to: &mut LinkBuffer) -> Result<()> {
///     let bytes: Vec<u8> = from.read_bytes(from.len())?.iter().map(|byte| !byte).collect();
///     Ok(to.write(&bytes)?)
/// }
///
/// impl Transport for Flip {
///     fn open(&mut self, wire: &mut LinkBuffer, plain: &mut LinkBuffer, _: &mut LinkBuffer) -> Result<()> {
///         flip(wire, plain)
///     }
///     fn seal(&mut self, plain: &mut LinkBuffer, wire: &mut LinkBuffer) -> Result<()> {
///         flip(plain, wire)
///     }
/// }
///
/// let (mut plain, mut wire) = (LinkBuffer::try_from(&b"abc"[..])?, LinkBuffer::new());
/// Flip.seal(&mut plain, &mut wire)?;
/// wire.flush();
/// Flip.open(&mut wire, &mut plain, &mut LinkBuffer::new())?;
/// plain.flush();
/// assert_eq!(plain.to_vec(), b"abc");
/// # Ok::<(), netpoll::Error>(())
/// ```
pub trait Transport: Send + 'static {
    /// Begins the connection: called once, before any other method, as soon as the wire is connected. A
    /// client's first bytes, such as a greeting, go to `reply`.
    ///
    /// # Errors
    /// The connection cannot begin, for example because the server's name is none: it ends.
    fn start(&mut self, context: &TransportContext<'_>, reply: &mut LinkBuffer) -> Result<()> {
        let _ = (context, reply);
        Ok(())
    }

    /// Takes from `wire` what is whole and writes what it means to `plain`; what is to be sent to the
    /// peer because of it (a step of a handshake, a reply to a request for new keys) to `reply`.
    ///
    /// What is not whole stays in `wire`, and comes again with what follows it. A transport whose plain bytes
    /// are many more than those of the wire may leave wire bytes too: it is called again without new
    /// ones as long as a call takes or gives something.
    ///
    /// # Errors
    /// The bytes are not valid: `reply` is still sent (an alert), then the connection ends.
    fn open(
        &mut self,
        wire: &mut LinkBuffer,
        plain: &mut LinkBuffer,
        reply: &mut LinkBuffer,
    ) -> Result<()>;

    /// Takes all of `plain` and writes what stands for it to `wire`, behind output that the transport has of
    /// its own. `plain` is empty where the connection only asks for that output
    /// ([`has_output`](Self::has_output)), and is never anything else while
    /// [`state`](Self::state) is `Handshaking`.
    ///
    /// # Errors
    /// The bytes cannot be expressed, or there is no memory: the connection ends.
    fn seal(&mut self, plain: &mut LinkBuffer, wire: &mut LinkBuffer) -> Result<()>;

    /// Says the last word (a close_notify): nothing is sealed after it. Called once, when this side shuts
    /// down its sending direction or closes and all before has been written; not where it aborts.
    ///
    /// # Errors
    /// There is no memory, or the word cannot be said: the connection ends without it.
    fn close(&mut self, wire: &mut LinkBuffer) -> Result<()> {
        let _ = wire;
        Ok(())
    }

    /// Judges the end of the wire: the peer's socket has sent its last byte, and [`open`](Self::open) has had
    /// all of them. Not called in the state `PeerClosed`.
    ///
    /// # Errors
    /// The stream is incomplete: [`Truncated`](crate::ErrorKind::Truncated), which readers and `on_error` get
    /// instead of the end of the stream. The default says that a stream may end anywhere.
    fn eof(&mut self) -> Result<()> {
        Ok(())
    }

    /// The present stage. Asked after each call of the other methods.
    fn state(&self) -> TransportState {
        TransportState::Open
    }

    /// Returns true if there is something to send although nothing came: new keys, a session ticket. Then
    /// [`seal`](Self::seal) is called. Asked after each call of the other methods, and in the turn that
    /// [`TransportContext::waker`] causes.
    fn has_output(&self) -> bool {
        false
    }

    /// The results of the handshake, for handlers: asked once, when it is complete.
    fn facts(&self) -> TransportFacts {
        TransportFacts::default()
    }
}

/// Makes the transport of each new connection.
pub(crate) type MakeTransport = Arc<dyn Fn() -> Result<Box<dyn Transport>> + Send + Sync>;

/// The maker of transports by `make`.
pub(crate) fn maker<T, F>(make: F) -> MakeTransport
where
    T: Transport,
    F: Fn() -> Result<T> + Send + Sync + 'static,
{
    Arc::new(move || Ok(Box::new(make()?)))
}
