//! The one error of this crate: its [kind](ErrorKind), a message, and its source.

use std::{error::Error as StdError, fmt, io, sync::Arc};

/// A `Result` whose error is [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// The kind of an [`Error`], for code that reacts to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// This side has closed the connection, listener or runtime.
    Closed,
    /// The peer closed its side, and all bytes that it sent have been read.
    Eof,
    /// The wire ended before the peer's last word: a transport cannot tell whether something is missing.
    Truncated,
    /// A transport's handshake failed: no protocol in common, a certificate that is not trusted.
    Handshake,
    /// A deadline or timeout passed.
    TimedOut,
    /// The work was cancelled: its peer disconnected, or its runtime shuts down.
    Cancelled,
    /// A frame declares or reached more bytes than its limit.
    FrameTooLarge,
    /// Bytes that do not follow the declared format.
    Malformed,
    /// A bound was reached: memory, connections, workers, pending output.
    Limit,
    /// An address that cannot be parsed or resolved.
    Address,
    /// An option's value that cannot be used.
    Config,
    /// A handler panicked.
    Panic,
    /// An error of the application's own; see [`Error::other`].
    Application,
    /// Any other error that the operating system reports; see [`Error::io_kind`].
    Io,
}

/// An error with its [kind](Error::kind), a message that says where it happened, and its source.
///
/// Clones share the source.
///
/// ```
/// use netpoll::{Error, ErrorKind};
/// let e = Error::new(ErrorKind::Malformed, "length field: 5 bytes, at most 4");
/// assert_eq!(e.kind(), ErrorKind::Malformed);
/// assert_eq!(e.to_string(), "length field: 5 bytes, at most 4");
/// ```
#[derive(Clone)]
pub struct Error(Box<Inner>);

#[derive(Clone)]
struct Inner {
    kind: ErrorKind,
    message: String,
    source: Option<Arc<dyn StdError + Send + Sync>>,
}

impl Error {
    /// Creates an error of `kind`; `message` says where it happened and what to do.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self(Box::new(Inner { kind, message: message.into(), source: None }))
    }

    /// Creates an error of the kind [`Application`](ErrorKind::Application) from an error or a message of
    /// the application's own, with which it is displayed.
    ///
    /// ```
    /// use netpoll::{Error, ErrorKind};
    /// let parsed = "x".parse::<u8>().map_err(Error::other);
    /// assert_eq!(parsed.unwrap_err().to_string(), "invalid digit found in string");
    /// assert_eq!(Error::other("the account is closed").kind(), ErrorKind::Application);
    /// ```
    pub fn other(error: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        let source = error.into();
        Self::new(ErrorKind::Application, source.to_string()).with_source(source)
    }

    /// Sets the error that caused this one.
    #[must_use]
    pub fn with_source(mut self, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        self.0.source = Some(source.into().into());
        self
    }

    /// Prefixes the message with the operation that failed: `context: message`.
    #[must_use]
    pub fn context(mut self, context: impl fmt::Display) -> Self {
        self.0.message = format!("{context}: {}", self.0.message);
        self
    }

    /// Creates an error from an I/O error and the operation that failed. Its kind follows from the I/O
    /// error's own.
    pub fn io(context: impl fmt::Display, source: io::Error) -> Self {
        let kind = match source.kind() {
            io::ErrorKind::TimedOut => ErrorKind::TimedOut,
            io::ErrorKind::UnexpectedEof => ErrorKind::Eof,
            _ => ErrorKind::Io,
        };
        Self::new(kind, format!("{context}: {source}")).with_source(source)
    }

    /// Replaces the message.
    pub(crate) fn with_message(mut self, message: String) -> Self {
        self.0.message = message;
        self
    }

    /// Returns the kind of the error.
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// Returns the operating system's kind, if the source is an I/O error.
    pub fn io_kind(&self) -> Option<io::ErrorKind> {
        self.io_source().map(io::Error::kind)
    }

    /// Returns the source, if it is an I/O error.
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

/// An error that only says that the work ended becomes one that no caller repeats: `Cancelled` is
/// [`ConnectionAborted`](io::ErrorKind::ConnectionAborted), never `Interrupted`, which `std::io` retries.
impl From<Error> for io::Error {
    fn from(e: Error) -> Self {
        let kind = match e.kind() {
            ErrorKind::Closed => io::ErrorKind::NotConnected,
            ErrorKind::Eof | ErrorKind::Truncated => io::ErrorKind::UnexpectedEof,
            ErrorKind::TimedOut => io::ErrorKind::TimedOut,
            ErrorKind::Cancelled => io::ErrorKind::ConnectionAborted,
            ErrorKind::Malformed | ErrorKind::FrameTooLarge => io::ErrorKind::InvalidData,
            ErrorKind::Address | ErrorKind::Config => io::ErrorKind::InvalidInput,
            ErrorKind::Limit => io::ErrorKind::OutOfMemory,
            ErrorKind::Handshake => io::ErrorKind::ConnectionAborted,
            ErrorKind::Panic | ErrorKind::Application | ErrorKind::Io => {
                let kind = e.io_kind().filter(|kind| *kind != io::ErrorKind::Interrupted);
                kind.unwrap_or(io::ErrorKind::Other)
            }
        };
        io::Error::new(kind, e)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    /// A reader that fails with one error for ever.
    struct Fails(Error);

    impl Read for Fails {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            Err(self.0.clone().into())
        }
    }

    #[test]
    fn no_error_is_retried_by_std() {
        let interrupted = Error::io("reading", io::ErrorKind::Interrupted.into());
        let kinds = [ErrorKind::Cancelled, ErrorKind::Panic, ErrorKind::Application];
        let errors = kinds.map(|kind| Error::new(kind, "it ended"));
        for error in errors.into_iter().chain([interrupted]) {
            let shown = error.to_string();
            let failed = Fails(error).read_to_end(&mut Vec::new()).unwrap_err();
            assert_eq!(failed.to_string(), shown);
        }
    }

    #[test]
    fn a_clone_keeps_the_kind_the_message_and_the_source() {
        let source = io::Error::from_raw_os_error(libc::ECONNREFUSED);
        let clone = Error::io("connecting", source).context("dialling").clone();
        assert_eq!(clone.io_kind(), Some(io::ErrorKind::ConnectionRefused));
        assert!(clone.to_string().starts_with("dialling: connecting: "), "{clone}");
        let own = Error::other("no".parse::<u8>().unwrap_err()).clone();
        assert!(own.source().is_some_and(|source| source.is::<std::num::ParseIntError>()));
    }
}
