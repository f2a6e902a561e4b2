//! Requests of a codec: each connection has one, on loan to the request that is handled.

use std::{fmt, sync::Arc};

use super::{
    call::Out,
    loan::{Loan, Slot},
    reply::Puts,
    request::{Request, Take},
};
use crate::{
    buf::{LinkBuffer, LinkSlice},
    conn::{
        core::Conn,
        frames::{Found, found, refused},
        recv::Recv,
    },
    error::Result,
    frame::{self, Arena, Codec, Decoder, Window, guarded},
    guard::Place,
};

/// A request decoded by the connection's codec `C`, together with the codec, which encodes the answer.
///
/// A service names it as `type Request = Coded<'static, C>`; a handler of the macros takes it as its
/// last argument, `Coded<'_, C>`. Its requests are handled one at a time.
///
/// ```
/// use netpoll::{Call, Coded, Connection, Flow, Result, Service, frame::Codec};
///
/// /// Answers each request by `answer`.
/// struct Answering<C: Codec>(fn(C::In<'_>) -> C::Out<'static>);
///
/// impl<C: Codec> Service for Answering<C>
/// where
///     for<'a> C::Out<'a>: Send,
/// {
///     type Session = ();
///     type Request = Coded<'static, C>;
///
///     async fn on_connect(&self, _: &Connection) -> Result<()> {
///         Ok(())
///     }
///
///     async fn on_request<'a>(&'a self, mut call: Call<'a, ()>, req: Coded<'a, C>) -> Result<Flow> {
///         call.out.put_with(req.codec, &self.0(req.message))?;
///         Ok(Flow::Continue)
///     }
/// }
/// ```
pub struct Coded<'a, C: Codec> {
    /// The message received.
    pub message: C::In<'a>,
    /// The connection's codec.
    pub codec: &'a mut C,
}

impl<'a, C: Codec<In<'a>: fmt::Debug>> fmt::Debug for Coded<'a, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Coded").field("message", &self.message).finish_non_exhaustive()
    }
}

impl<C: Codec> Request for Coded<'static, C> {
    type At<'a> = Coded<'a, C>;
}

/// A connection's codec while no request uses it.
pub(crate) struct CodecState<C: Codec> {
    codec: Option<C>,
    /// The slot that a request returns it to.
    slot: Slot<C>,
    scan: C::Scan,
}

impl<C: Codec> Default for CodecState<C> {
    fn default() -> Self {
        Self { codec: Some(C::default()), slot: Slot::default(), scan: C::Scan::default() }
    }
}

/// A request's bytes, and the codec that reads them.
pub(crate) struct CodecLoan<C> {
    bytes: LinkSlice,
    arena: Arena,
    codec: Loan<C>,
}

impl<C: Codec> Take for Coded<'static, C> {
    const SPLITS: bool = false;
    type Scan = CodecState<C>;
    type Held = CodecLoan<C>;
    type Loan = CodecLoan<C>;

    fn find(state: &mut CodecState<C>, recv: &Recv, max: usize) -> Result<Found> {
        if recv.input.is_empty() {
            return Ok(Found::Need(1));
        }
        let CodecState { codec, slot, scan } = state;
        let codec = codec.get_or_insert_with(|| slot.lock().take().expect("no request has it"));
        let window = Window::new(&recv.input);
        let progress = guarded::scan(Place::Codec, &window, max, || codec.scan(scan, &window, max))
            .map_err(|e| refused(e, max))?;
        let at_eof = || guarded::at_eof(Place::Codec, &window, || codec.at_eof(scan, &window));
        found(progress, recv, at_eof)
    }

    fn early(state: &mut CodecState<C>, recv: &Recv, out: &mut LinkBuffer) -> Result<()> {
        let CodecState { codec, scan, .. } = state;
        // Without bytes no scan has begun; while a handler has the codec, no frame is scanned.
        let Some(codec) = codec.as_mut().filter(|_| C::ANSWERS_EARLY && !recv.input.is_empty())
        else {
            return Ok(());
        };
        let window = Window::new(&recv.input);
        frame::write(out, |w| codec.early(scan, &window, w))?;
        Ok(())
    }

    fn hold(
        state: &mut CodecState<C>,
        _: &Arc<Conn>,
        recv: &mut Option<Box<Recv>>,
        n: usize,
    ) -> Result<CodecLoan<C>> {
        let recv = recv.as_mut().expect("a frame was found in it");
        let bytes = recv.input.slice_to_keep(n)?;
        state.scan = C::Scan::default();
        let codec = state.codec.take().expect("it has found a frame");
        Ok(CodecLoan { bytes, arena: Arena::new(), codec: Loan::new(codec, &state.slot) })
    }

    fn at(held: &mut Self::Held) -> Result<<Self as Request>::At<'_>> {
        let CodecLoan { bytes, arena, codec } = held;
        let codec = codec.get();
        let mut decoder = Decoder::new(&*bytes, bytes.len(), arena);
        let message = guarded::decode(Place::Codec, || codec.decode(&mut decoder))?;
        Ok(Coded { message, codec })
    }

    fn lend(
        state: &mut CodecState<C>,
        conn: &Arc<Conn>,
        recv: &mut Option<Box<Recv>>,
        n: usize,
    ) -> Result<CodecLoan<C>> {
        Self::hold(state, conn, recv, n)
    }

    fn borrow<'r>(
        loan: &'r mut Self::Loan,
        _: &'r Option<Box<Recv>>,
        _: usize,
    ) -> Result<<Self as Request>::At<'r>> {
        Self::at(loan)
    }

    fn settle(loan: CodecLoan<C>, _: &mut Option<Box<Recv>>, _: usize) {
        // The codec goes back to its slot.
        drop(loan);
    }
}

/// Writes answers by a codec.
#[derive(Debug)]
pub struct By<'c, C>(pub &'c mut C);

impl<C: Codec> Puts<C::Out<'_>> for By<'_, C> {
    fn put(&mut self, frame: C::Out<'_>, out: &mut Out<'_>) -> Result<()> {
        out.put_with(self.0, &frame)
    }
}
