//! Faults: the outcome of a request that has no result, as its caller is told of it.

use std::{borrow::Cow, error::Error as StdError, fmt};

use super::reply::IntoErrorReply;
use crate::{
    error::{Error, ErrorKind, Result},
    frame::{Judged, Status},
};

/// The reason why a request has no result, as a reply to its caller: a status and a message.
///
/// A handler may return it as its error. It becomes a reply where the protocol has a
/// [`status` mark](crate::frame::Judged), or by an [`IntoErrorReply`] for it that the protocol's author
/// writes. Elsewhere it closes the connection, as any [`Error`] does.
///
/// The library answers by faults itself: malformed arguments, an unknown method, a panic, a deadline. Their
/// messages show nothing of the server's insides.
///
/// ```
/// use netpoll::{Fault, frame::Status};
///
/// let fault = Fault::new(Status::Denied, "the token has expired");
/// assert_eq!(fault.status(), Status::Denied);
/// assert_eq!(fault.to_string(), "denied: the token has expired");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    status: Status,
    message: Cow<'static, str>,
}

impl Fault {
    /// Creates a fault with a status and a message for people.
    pub fn new(status: Status, message: impl Into<Cow<'static, str>>) -> Self {
        Self { status, message: message.into() }
    }

    /// The fault of arguments that cannot be decoded.
    pub fn malformed() -> Self {
        Self::new(Status::Malformed, "the arguments cannot be decoded")
    }

    /// The fault of a request whose deadline has passed.
    pub fn timeout() -> Self {
        Self::new(Status::Timeout, "the time has run out")
    }

    /// The fault of a handler that panicked.
    pub fn panic() -> Self {
        Self::new(Status::Panic, "the handler failed")
    }

    /// The fault of a request for a method that does not exist.
    pub fn unknown() -> Self {
        Self::new(Status::Unknown, "there is no such method")
    }

    /// Returns the status.
    pub fn status(&self) -> Status {
        self.status
    }

    /// Returns the message.
    pub fn message(&self) -> &str {
        &self.message
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.status)?;
        if self.message.is_empty() { Ok(()) } else { write!(f, ": {}", self.message) }
    }
}

impl StdError for Fault {}

impl From<Fault> for Error {
    fn from(fault: Fault) -> Self {
        let kind = match fault.status {
            Status::Malformed => ErrorKind::Malformed,
            Status::Timeout => ErrorKind::TimedOut,
            Status::Cancelled => ErrorKind::Cancelled,
            Status::Limit | Status::Unavailable => ErrorKind::Limit,
            Status::Panic => ErrorKind::Panic,
            _ => ErrorKind::Config,
        };
        Self::new(kind, fault.to_string()).with_source(fault)
    }
}

/// A protocol with a `status` mark answers faults by a reply that is [`Default`] but for its status.
#[diagnostic::do_not_recommend]
impl<R: Judged + Default> IntoErrorReply<R> for Fault {
    fn into_error_reply(self) -> Result<R> {
        R::with_status(self.status).ok_or_else(|| self.into())
    }
}
