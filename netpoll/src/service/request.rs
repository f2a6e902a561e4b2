//! Kinds of requests: frames, and bytes as they come. Requests of a codec are in `coded`.

use std::{sync::Arc, time::Duration};

use super::extract::In;
use crate::{
    buf::{LinkBuffer, LinkSlice},
    conn::{
        Reader,
        core::Conn,
        frames::{self, Found},
        recv::Recv,
    },
    error::{Error, ErrorKind, Result},
    frame::{self, Arena, Frame, Route},
};

/// The input of [`Service::on_request`](super::Service::on_request): any [`Frame`], [`Coded`] by a codec,
/// or [`In`], the bytes as they come.
///
/// [`Coded`]: super::Coded
#[allow(private_bounds)]
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a frame",
    label = "not a frame",
    note = "derive it: `#[derive(Frame)]`; `In<'_>` is for the bytes as they come",
    note = "the frame is the last argument by value: `Deadline`, `Peer` and the like stand before it"
)]
pub trait Request: Take {
    /// The request, as it borrows from the bytes that came.
    type At<'a>: Send;
}

/// The finding and taking of requests.
pub(crate) trait Take: Sized + 'static {
    /// True if a request can be split off the input while others are handled.
    const SPLITS: bool;
    /// True if a handler reads from its peer itself.
    const READS: bool = false;
    /// The progress of scanning a partial request, and state that outlives a request.
    type Scan: Default + Send;
    /// The owned bytes and memory of a request that leaves the turn.
    type Held: Send + 'static;
    /// The memory that a request borrows from besides the input, if it is handled in the turn.
    type Loan;

    /// Looks for the next request.
    fn find(scan: &mut Self::Scan, recv: &Recv, max: usize) -> Result<Found>;

    /// Answers a request that is not whole, before the turn waits for more of it.
    fn early(scan: &mut Self::Scan, recv: &Recv, out: &mut LinkBuffer) -> Result<()> {
        let _ = (scan, recv, out);
        Ok(())
    }

    /// Takes the request that was found, of `n` bytes, out of the input.
    fn hold(
        scan: &mut Self::Scan,
        conn: &Arc<Conn>,
        recv: &mut Option<Box<Recv>>,
        n: usize,
    ) -> Result<Self::Held>;

    /// Decodes the request in `held`.
    fn at(held: &mut Self::Held) -> Result<<Self as Request>::At<'_>>
    where
        Self: Request;

    /// Prepares to handle the request that was found, of `n` bytes, without taking it out of the input.
    fn lend(
        scan: &mut Self::Scan,
        conn: &Arc<Conn>,
        recv: &mut Option<Box<Recv>>,
        n: usize,
    ) -> Result<Self::Loan>;

    /// Decodes that request.
    fn borrow<'r>(
        loan: &'r mut Self::Loan,
        recv: &'r Option<Box<Recv>>,
        n: usize,
    ) -> Result<<Self as Request>::At<'r>>
    where
        Self: Request;

    /// Returns the time that the request's caller had left when it sent the request.
    #[inline]
    fn remaining(request: &<Self as Request>::At<'_>) -> Option<Duration>
    where
        Self: Request,
    {
        let _ = request;
        None
    }

    /// Returns the method that the request is for.
    fn route<'r>(request: &'r <Self as Request>::At<'_>) -> Option<Route<'r>>
    where
        Self: Request,
    {
        let _ = request;
        None
    }

    /// Returns the value of the metadata entry `name`.
    fn metadata<'r>(request: &'r <Self as Request>::At<'_>, name: &str) -> Option<&'r [u8]>
    where
        Self: Request,
    {
        let _ = (request, name);
        None
    }

    /// Consumes that request, which was handled.
    fn settle(loan: Self::Loan, recv: &mut Option<Box<Recv>>, n: usize);
}

impl<F: Frame + 'static> Request for F {
    type At<'a> = F::At<'a>;
}

impl<F: Frame + 'static> Take for F {
    const SPLITS: bool = true;
    type Scan = F::Scan;
    type Held = (LinkSlice, Arena);
    type Loan = Arena;

    #[inline(always)] // each has one caller, in the turn
    fn find(scan: &mut F::Scan, recv: &Recv, max: usize) -> Result<Found> {
        frames::find::<F>(scan, recv, max)
    }

    #[inline]
    fn hold(
        _: &mut F::Scan,
        _: &Arc<Conn>,
        recv: &mut Option<Box<Recv>>,
        n: usize,
    ) -> Result<Self::Held> {
        let recv = recv.as_mut().expect("a frame was found in it");
        Ok((recv.input.slice_to_keep(n)?, Arena::new()))
    }

    #[inline]
    fn at((bytes, arena): &mut Self::Held) -> Result<<F as Request>::At<'_>> {
        Ok(frame::decode::<F>(&*bytes, bytes.len(), arena)?)
    }

    #[inline(always)] // each has one caller, in the turn
    fn lend(_: &mut F::Scan, _: &Arc<Conn>, _: &mut Option<Box<Recv>>, _: usize) -> Result<Arena> {
        Ok(Arena::new())
    }

    #[inline(always)] // each has one caller, in the turn
    fn borrow<'r>(
        arena: &'r mut Self::Loan,
        recv: &'r Option<Box<Recv>>,
        n: usize,
    ) -> Result<<F as Request>::At<'r>> {
        let recv = recv.as_ref().expect("a frame was found in it");
        Ok(frame::decode::<F>(&recv.input, n, arena)?)
    }

    #[inline]
    fn remaining(request: &<F as Request>::At<'_>) -> Option<Duration> {
        F::deadline_of(request)
    }

    fn route<'r>(request: &'r <F as Request>::At<'_>) -> Option<Route<'r>> {
        F::route_of(request)
    }

    fn metadata<'r>(request: &'r <F as Request>::At<'_>, name: &str) -> Option<&'r [u8]> {
        F::metadata_of(request, name)
    }

    #[inline(always)] // each has one caller, in the turn
    fn settle(_arena: Arena, recv: &mut Option<Box<Recv>>, n: usize) {
        if let Some(recv) = recv {
            recv.input.pass(n).expect("the frame is there");
        }
    }
}

impl Request for In<'static> {
    type At<'a> = In<'a>;
}

impl Take for In<'static> {
    const SPLITS: bool = false;
    const READS: bool = true;
    type Scan = Called;
    type Held = Reader;
    type Loan = Reader;

    fn find(called: &mut Called, recv: &Recv, max: usize) -> Result<Found> {
        let there = recv.input.len();
        let now = Called { received: recv.received, consumed: recv.consumed() };
        if there > 0 && now != *called {
            *called = now;
            return Ok(Found::Frame(there));
        }
        if there >= max {
            let why = format!("a handler left {there} bytes, and max_frame is {max}");
            return Err(Error::new(ErrorKind::FrameTooLarge, why));
        }
        Ok(Found::Need(there + 1))
    }

    fn hold(
        called: &mut Called,
        conn: &Arc<Conn>,
        recv: &mut Option<Box<Recv>>,
        n: usize,
    ) -> Result<Reader> {
        Self::lend(called, conn, recv, n)
    }

    fn at(reader: &mut Reader) -> Result<In<'_>> {
        Ok(In(reader))
    }

    fn lend(
        _: &mut Called,
        conn: &Arc<Conn>,
        recv: &mut Option<Box<Recv>>,
        _: usize,
    ) -> Result<Reader> {
        Ok(Reader::lend(conn, recv.take().expect("bytes were found in it")))
    }

    fn borrow<'r>(
        reader: &'r mut Reader,
        _recv: &'r Option<Box<Recv>>,
        _n: usize,
    ) -> Result<In<'r>> {
        Ok(In(reader))
    }

    fn settle(reader: Reader, _recv: &mut Option<Box<Recv>>, _n: usize) {
        // It goes back to the connection's slot.
        drop(reader);
    }
}

/// The bytes received and consumed when the handler was called last. It is called again when either
/// count has grown.
#[derive(Default, PartialEq, Eq)]
pub(crate) struct Called {
    received: u64,
    consumed: u64,
}
