//! Replies to requests that have no result, where the type of a handler's replies can say so.
//!
//! An expansion knows a handler's types, and asks by them: the methods of [`Faults`] and [`Numbers`] take
//! precedence over those of [`NoFaults`] and [`NoNumbers`] where their bounds hold.

use std::marker::PhantomData;

use super::{
    call::{Flow, Out},
    fault::Fault,
    observed::note_fault,
    reply::IntoErrorReply,
};
use crate::{
    error::Result,
    frame::{Encode, Frame, Sequenced},
};

/// Replies of the type `F`, if a [`Fault`] can become one.
#[derive(Debug)]
pub struct Faults<F>(PhantomData<fn() -> F>);

impl<F: Encode> Faults<F>
where
    Fault: IntoErrorReply<F>,
{
    /// True: faults are answered.
    pub const CAN: bool = true;

    /// Answers by `fault`, in a reply that `number` gives its request's number.
    ///
    /// # Errors
    /// The format has no code for the fault, or the reply cannot be written: the connection closes.
    pub fn put(fault: Fault, number: impl FnOnce(&mut F), out: &mut Out<'_>) -> Result<Flow> {
        out.judge(fault.status());
        note_fault(fault.status());
        let mut reply = fault.into_error_reply()?;
        number(&mut reply);
        out.put(&reply)?;
        Ok(Flow::Continue)
    }
}

/// [`Faults`] of a type that a fault cannot become.
pub trait NoFaults<F> {
    /// False: faults are not answered.
    const CAN: bool = false;

    /// Closes the connection.
    ///
    /// # Errors
    /// The fault.
    fn put(fault: Fault, _: impl FnOnce(&mut F), _: &mut Out<'_>) -> Result<Flow> {
        Err(fault.into())
    }
}

impl<F> NoFaults<F> for Faults<F> {}

/// The number that replies `F` to requests `Q` carry, if both have one of the same type.
#[derive(Debug)]
pub struct Numbers<Q, F>(PhantomData<fn() -> (Q, F)>);

impl<Q: Frame, F: Sequenced> Numbers<Q, F>
where
    for<'x> Q::At<'x>: Sequenced<Seq = F::Seq>,
{
    /// Returns the number of `request`.
    pub fn read(request: &Q::At<'_>) -> F::Seq {
        request.seq()
    }

    /// Sets the number of `reply`.
    pub fn set(reply: &mut F, number: F::Seq) {
        reply.set_seq(number);
    }
}

/// [`Numbers`] of types that have none in common.
pub trait NoNumbers<F> {
    /// Returns nothing.
    fn read<Q>(_: &Q) {}

    /// Sets nothing.
    fn set(_: &mut F, (): ()) {}
}

impl<Q, F> NoNumbers<F> for Numbers<Q, F> {}
