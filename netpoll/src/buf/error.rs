//! Why bytes could not be read from a buffer.

use std::{error::Error as StdError, fmt, io};

use crate::{Error, ErrorKind};

/// The reason why a [`LinkBuffer`](super::LinkBuffer) could not be read; nothing was consumed.
/// Cheap to make, since too few bytes is what a reader meets every day. It becomes an [`Error`] by
/// `?`.
#[derive(Debug)]
#[non_exhaustive]
pub enum ReadError {
    /// Fewer bytes are there than were asked for.
    Short {
        /// Bytes asked for.
        wanted: usize,
        /// Bytes that are there.
        available: usize,
    },
    /// The delimiter does not occur in what is there.
    NoDelimiter {
        /// Bytes that were searched.
        searched: usize,
    },
    /// The bytes are not UTF-8.
    NotUtf8 {
        /// The number of bytes before the first that is not.
        valid: usize,
    },
    /// Bytes of several nodes need a block to be contiguous, and none was to be had.
    Memory(Error),
}

impl fmt::Display for ReadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Short { wanted, available } => {
                write!(f, "{wanted} bytes wanted, {available} available")
            }
            Self::NoDelimiter { searched } => write!(f, "no delimiter in {searched} bytes"),
            Self::NotUtf8 { valid } => write!(f, "not UTF-8 after {valid} bytes"),
            Self::Memory(e) => e.fmt(f),
        }
    }
}

impl StdError for ReadError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        match self {
            Self::Memory(e) => Some(e),
            _ => None,
        }
    }
}

impl From<ReadError> for Error {
    fn from(e: ReadError) -> Self {
        let kind = match &e {
            ReadError::Short { .. } | ReadError::NoDelimiter { .. } => ErrorKind::Eof,
            ReadError::NotUtf8 { .. } => ErrorKind::Malformed,
            ReadError::Memory(_) => ErrorKind::Limit,
        };
        match e {
            ReadError::Memory(e) => e,
            e => Error::new(kind, e.to_string()),
        }
    }
}

impl From<ReadError> for io::Error {
    fn from(e: ReadError) -> Self {
        Error::from(e).into()
    }
}

impl From<Error> for ReadError {
    fn from(e: Error) -> Self {
        Self::Memory(e)
    }
}
