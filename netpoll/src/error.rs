//! The one error of this crate: what happened ([`ErrorKind`]), where, and its source.

use std::{error::Error as StdError, fmt, io};

/// A `Result` whose error is [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What happened, for code that reacts to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// This side closed the connection, listener or runtime before.
    Closed,
    /// The peer closed its side and all that it sent has been read.
    Eof,
    /// The wire ended before the peer's last word: a transport cannot tell whether something is missing.
    Truncated,
    /// A transport's handshake failed: no protocol in common, a certificate that is not trusted.
    Handshake,
    /// A deadline or timeout passed.
    TimedOut,
    /// The work was given up: its peer left, or its runtime shuts down.
    Cancelled,
    /// A frame declares or reached more bytes than its limit.
    FrameTooLarge,
    /// Bytes that are not of the declared format.
    Malformed,
    /// A bound was reached: memory, connections, workers, pending output.
    Limit,
    /// An address that cannot be parsed or resolved.
    Address,
    /// An option's value that cannot be used.
    Config,
    /// A handler panicked.
    Panic,
    /// Anything else that the operating system reports; see [`Error::io_kind`].
    Io,
}

/// An error with its [kind](Error::kind), a message that says where it happened, and its source.
///
/// ```
/// use netpoll::{Error, ErrorKind};
/// let e = Error::new(ErrorKind::Malformed, "length field: 5 bytes, at most 4");
/// assert_eq!(e.kind(), ErrorKind::Malformed);
/// assert_eq!(e.to_string(), "length field: 5 bytes, at most 4");
/// ```
pub struct Error(Box<Inner>);

struct Inner {
    kind: ErrorKind,
    message: String,
    source: Option<Box<dyn StdError + Send + Sync>>,
}

impl Error {
    /// An error of `kind`; `message` says where it happened and what to do.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self(Box::new(Inner { kind, message: message.into(), source: None }))
    }

    /// The same error, with what caused it.
    #[must_use]
    pub fn with_source(mut self, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        self.0.source = Some(source.into());
        self
    }

    /// The same error, its message prefixed with what was being done: `context: message`.
    #[must_use]
    pub fn context(mut self, context: impl fmt::Display) -> Self {
        self.0.message = format!("{context}: {}", self.0.message);
        self
    }

    /// An I/O error, with what was being done. The kind follows from the I/O error's own.
    pub fn io(context: impl fmt::Display, source: io::Error) -> Self {
        let kind = match source.kind() {
            io::ErrorKind::TimedOut => ErrorKind::TimedOut,
            io::ErrorKind::UnexpectedEof => ErrorKind::Eof,
            _ => ErrorKind::Io,
        };
        Self::new(kind, format!("{context}: {source}")).with_source(source)
    }

    /// The same error, for another who is to be told of it. Of its source, an I/O error alone is kept.
    pub(crate) fn copy(&self) -> Self {
        let copy = Self::new(self.0.kind, self.0.message.clone());
        let Some(source) = self.io_source() else { return copy };
        copy.with_source(match source.raw_os_error() {
            Some(code) => io::Error::from_raw_os_error(code),
            None => io::Error::from(source.kind()),
        })
    }

    /// The same error under another message.
    pub(crate) fn with_message(mut self, message: String) -> Self {
        self.0.message = message;
        self
    }

    /// What happened.
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// The operating system's kind, where an I/O error is the source.
    pub fn io_kind(&self) -> Option<io::ErrorKind> {
        self.io_source().map(io::Error::kind)
    }

    /// The I/O error that is the source, if one is.
    pub fn io_source(&self) -> Option<&io::Error> {
        self.0.source.as_ref()?.downcast_ref::<io::Error>()
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.message)
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {}", self.0.kind, self.0.message)
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0.source.as_ref().map(|s| &**s as &(dyn StdError + 'static))
    }
}

impl From<io::Error> for Error {
    fn from(e: io::Error) -> Self {
        Self::io("I/O", e)
    }
}

impl From<Error> for io::Error {
    fn from(e: Error) -> Self {
        let kind = match e.kind() {
            ErrorKind::Closed => io::ErrorKind::NotConnected,
            ErrorKind::Eof | ErrorKind::Truncated => io::ErrorKind::UnexpectedEof,
            ErrorKind::TimedOut => io::ErrorKind::TimedOut,
            ErrorKind::Cancelled => io::ErrorKind::Interrupted,
            ErrorKind::Malformed | ErrorKind::FrameTooLarge => io::ErrorKind::InvalidData,
            ErrorKind::Address | ErrorKind::Config => io::ErrorKind::InvalidInput,
            ErrorKind::Limit => io::ErrorKind::OutOfMemory,
            ErrorKind::Handshake => io::ErrorKind::ConnectionAborted,
            ErrorKind::Panic | ErrorKind::Io => e.io_kind().unwrap_or(io::ErrorKind::Other),
        };
        io::Error::new(kind, e)
    }
}
