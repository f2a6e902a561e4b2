//! What stands between the wire and the handlers: nothing, or a [`Transport`].

use std::sync::Arc;

use crate::{buf::LinkBuffer, error::Result};

/// Turns the bytes of the wire into those that handlers read, and back: a cipher, a compression.
///
/// A transport sits between two LinkBuffers and does no I/O: the connection reads and writes the wire
/// side, so that timeouts, marks and backpressure are the same with and without one. A connection
/// without a transport, the plain one, pays nothing for it.
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
    /// Takes from `wire` what is whole and writes what it means to `plain`; what is to be said to the
    /// peer because of it (a step of a handshake) to `reply`. The caller flushes both.
    ///
    /// # Errors
    /// Bytes that cannot be: the connection ends.
    fn open(
        &mut self,
        wire: &mut LinkBuffer,
        plain: &mut LinkBuffer,
        reply: &mut LinkBuffer,
    ) -> Result<()>;

    /// Takes all of `plain` and writes what stands for it to `wire`. The caller flushes it.
    ///
    /// # Errors
    /// It cannot be expressed, or there is no memory: the connection ends.
    fn seal(&mut self, plain: &mut LinkBuffer, wire: &mut LinkBuffer) -> Result<()>;
}

/// Makes the transport of each new connection.
pub(crate) type MakeTransport = Arc<dyn Fn() -> Box<dyn Transport> + Send + Sync>;
