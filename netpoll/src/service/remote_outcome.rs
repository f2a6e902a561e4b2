//! The outcomes of calls, as a server encodes them.

use std::fmt;

use serde::Serialize;

use super::{fault::Fault, payload::PayloadFormat};
use crate::frame::Status;

/// The outcome of a call, encoded.
#[derive(Debug)]
pub struct Outcome {
    pub(super) status: Status,
    pub(super) message: String,
    pub(super) payload: Vec<u8>,
}

impl Outcome {
    /// Encodes the value that a method returned.
    pub fn value<F: PayloadFormat, T: Serialize>(value: T) -> Self {
        match F::encode(&value) {
            Ok(payload) => Self { status: Status::Ok, message: String::new(), payload },
            Err(fault) => Self::fault(fault),
        }
    }

    /// Encodes the result that a method returned.
    pub fn result<F: PayloadFormat, T: Serialize, E: MethodError>(result: Result<T, E>) -> Self {
        match result {
            Ok(value) => Self::value::<F, T>(value),
            Err(error) => error.outcome::<F>(),
        }
    }

    /// The end of a stream.
    pub(super) fn end() -> Self {
        Self { status: Status::Ok, message: String::new(), payload: Vec::new() }
    }

    /// Returns whether it is the last one of a stream.
    pub(super) fn ends(&self) -> bool {
        self.status != Status::Ok
    }

    /// The outcome of a call that has no result.
    pub fn fault(fault: Fault) -> Self {
        Self { status: fault.status(), message: fault.message().to_owned(), payload: Vec::new() }
    }
}

/// An error that a method may return: any type that is [`Serialize`] and [`Display`](fmt::Display), or
/// [`Fault`].
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be the error of a service's method",
    label = "not an error that a caller can be told",
    note = "derive `serde::Serialize` and `serde::Deserialize` for it, and implement `Display`; or return \
            `netpoll::Fault`"
)]
pub trait MethodError {
    /// Encodes the error.
    fn outcome<F: PayloadFormat>(self) -> Outcome;
}

#[diagnostic::do_not_recommend]
impl<E: Serialize + fmt::Display> MethodError for E {
    fn outcome<F: PayloadFormat>(self) -> Outcome {
        match F::encode(&self) {
            Ok(payload) => Outcome { status: Status::Failed, message: self.to_string(), payload },
            Err(fault) => Outcome::fault(fault),
        }
    }
}

impl MethodError for Fault {
    fn outcome<F: PayloadFormat>(self) -> Outcome {
        Outcome::fault(self)
    }
}
