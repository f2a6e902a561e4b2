//! [`Outcome`]: what came of a request.

use std::fmt;

use crate::error::ErrorKind;

/// The outcome of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Outcome {
    /// The handler has ended without an error.
    Ok,
    /// The handler returned an error.
    Error,
    /// The handler panicked.
    Panic,
    /// The deadline of the request has passed.
    TimedOut,
    /// The request or its arguments could not be decoded.
    Malformed,
    /// A limit refused the request.
    Limit,
    /// The caller may not make this request.
    Denied,
    /// There is no such route.
    Unknown,
    /// The server does not take requests at the moment.
    Unavailable,
    /// The connection ended before the handler did, and the handler was dropped.
    Cancelled,
}

impl Outcome {
    /// All outcomes.
    pub const ALL: [Self; 10] = [
        Self::Ok,
        Self::Error,
        Self::Panic,
        Self::TimedOut,
        Self::Malformed,
        Self::Limit,
        Self::Denied,
        Self::Unknown,
        Self::Unavailable,
        Self::Cancelled,
    ];

    /// Returns a short name, such as `timed_out`: the value of a metric's label.
    pub fn label(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Error => "error",
            Self::Panic => "panic",
            Self::TimedOut => "timed_out",
            Self::Malformed => "malformed",
            Self::Limit => "limit",
            Self::Denied => "denied",
            Self::Unknown => "unknown",
            Self::Unavailable => "unavailable",
            Self::Cancelled => "cancelled",
        }
    }

    /// The outcome of a handler whose error is of the kind `kind`.
    pub(crate) fn of(kind: ErrorKind) -> Self {
        match kind {
            ErrorKind::Panic => Self::Panic,
            ErrorKind::TimedOut => Self::TimedOut,
            ErrorKind::Malformed | ErrorKind::FrameTooLarge => Self::Malformed,
            ErrorKind::Limit => Self::Limit,
            ErrorKind::Cancelled => Self::Cancelled,
            _ => Self::Error,
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.label())
    }
}
