//! The results of calls, as a client decodes them.

use std::{error::Error as StdError, fmt};

use serde::de::DeserializeOwned;

use super::{fault::Fault, payload::PayloadFormat};
use crate::{
    client::Received,
    error::{Error, ErrorKind, Result},
    frame::{Judged, Status},
    rpc::Answer,
};

/// Decodes the result of a call, or an item of a stream.
pub(super) fn result<F, T, E>(
    received: Result<Received<Answer<'static>>>,
) -> Result<T, CallError<E>>
where
    F: PayloadFormat,
    T: DeserializeOwned,
    E: CallFailure,
{
    let received = received.map_err(CallError::Connection)?;
    let answer = received.get().map_err(CallError::Connection)?;
    let malformed = |fault: Fault| {
        let why = format!("the answer's payload: {}", fault.message());
        CallError::Connection(Error::new(ErrorKind::Malformed, why))
    };
    match answer.status() {
        Status::Ok => F::decode(answer.payload).map_err(malformed),
        Status::Failed if !answer.payload.is_empty() => {
            E::decode::<F>(answer.payload).map_or_else(|fault| Err(malformed(fault)), Err)
        }
        status => Err(CallError::Fault(Fault::new(status, answer.message.to_owned()))),
    }
}

/// An error of a call: the method's own, a fault of the server's, or one of the connection's.
#[derive(Debug)]
pub enum CallError<E> {
    /// The method returned this error.
    Method(E),
    /// The server answered without a result: a deadline, a panic, malformed arguments, an unknown method.
    Fault(Fault),
    /// There is no answer, or none that can be read.
    Connection(Error),
}

impl<E: fmt::Display> fmt::Display for CallError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Method(error) => error.fmt(f),
            Self::Fault(fault) => fault.fmt(f),
            Self::Connection(error) => error.fmt(f),
        }
    }
}

impl<E: fmt::Debug + fmt::Display> StdError for CallError<E> {}

/// The error type of a method, as its client decodes it.
pub trait CallFailure: Sized {
    /// Decodes the error that the method returned.
    ///
    /// # Errors
    /// The payload is not of the format.
    fn decode<F: PayloadFormat>(payload: &[u8]) -> Result<CallError<Self>, Fault>;
}

#[diagnostic::do_not_recommend]
impl<E: DeserializeOwned> CallFailure for E {
    fn decode<F: PayloadFormat>(payload: &[u8]) -> Result<CallError<Self>, Fault> {
        F::decode(payload).map(CallError::Method)
    }
}

impl CallFailure for Fault {
    fn decode<F: PayloadFormat>(_: &[u8]) -> Result<CallError<Self>, Fault> {
        Ok(CallError::Fault(Self::new(Status::Failed, "the method failed")))
    }
}

/// The error of methods that return none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoError {}

impl fmt::Display for NoError {
    fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {}
    }
}

impl CallFailure for NoError {
    fn decode<F: PayloadFormat>(_: &[u8]) -> Result<CallError<Self>, Fault> {
        Err(Fault::malformed())
    }
}
