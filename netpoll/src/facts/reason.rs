//! Why a connection ended.

use std::fmt;

use crate::error::{Error, ErrorKind};

/// Why a connection ended, as `on_disconnect` and `on_close` are told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum CloseReason {
    /// The peer closed its side, and all that it sent was handled.
    Eof,
    /// The peer reset the connection, or it broke.
    Reset,
    /// This side called `close` or `abort`, or returned `Flow::Close`.
    Local,
    /// The server or the runtime shuts down.
    Shutdown,
    /// Nothing was received for `idle_timeout`.
    IdleTimeout,
    /// A frame was not whole `frame_timeout` after its first byte.
    FrameTimeout,
    /// A transport's handshake was not complete within `handshake_timeout`.
    HandshakeTimeout,
    /// A transport's handshake failed.
    HandshakeFailed,
    /// The wire ended before the peer's last word, so that something may be missing.
    Truncated,
    /// A handler ran into a timeout: its request's, or of a read or write that it waited for.
    HandlerTimeout,
    /// The peer took no byte of the pending output for `write_timeout`.
    WriteTimeout,
    /// A frame is larger than `max_frame`.
    FrameTooLarge,
    /// Bytes that are no frame.
    Malformed,
    /// A handler returned an error.
    HandlerError,
    /// A handler panicked.
    Panic,
    /// Buffers' memory limit was reached.
    MemoryLimit,
    /// The handler was detached; the connection goes on without it.
    Detached,
}

impl CloseReason {
    /// The number of reasons.
    #[cfg_attr(
        not(feature = "metrics"),
        allow(dead_code, reason = "tables of metrics have as many places")
    )]
    pub(crate) const COUNT: usize = Self::Detached as usize + 1;

    /// Returns true if the peer ended the connection.
    pub fn by_peer(self) -> bool {
        matches!(self, Self::Eof | Self::Reset | Self::Truncated)
    }

    /// The reason of an end because of `error`, which what came or its transport gave.
    pub(crate) fn of(error: &Error) -> Self {
        match error.kind() {
            ErrorKind::FrameTooLarge => Self::FrameTooLarge,
            ErrorKind::Limit => Self::MemoryLimit,
            ErrorKind::Panic => Self::Panic,
            ErrorKind::Eof => Self::Eof,
            ErrorKind::Truncated => Self::Truncated,
            ErrorKind::Handshake => Self::HandshakeFailed,
            _ => Self::Malformed,
        }
    }

    /// Returns a short name for the reason, such as `idle_timeout`: the value of a metric's label.
    pub fn label(self) -> &'static str {
        match self {
            Self::Eof => "eof",
            Self::Reset => "reset",
            Self::Local => "local",
            Self::Shutdown => "shutdown",
            Self::IdleTimeout => "idle_timeout",
            Self::FrameTimeout => "frame_timeout",
            Self::HandshakeTimeout => "handshake_timeout",
            Self::HandshakeFailed => "handshake_failed",
            Self::Truncated => "truncated",
            Self::HandlerTimeout => "handler_timeout",
            Self::WriteTimeout => "write_timeout",
            Self::FrameTooLarge => "frame_too_large",
            Self::Malformed => "malformed",
            Self::HandlerError => "handler_error",
            Self::Panic => "panic",
            Self::MemoryLimit => "memory_limit",
            Self::Detached => "detached",
        }
    }
}

impl fmt::Display for CloseReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Eof => "the peer closed the connection",
            Self::Reset => "the connection was reset by its peer",
            Self::Local => "this side closed the connection",
            Self::Shutdown => "the server shuts down",
            Self::IdleTimeout => "nothing was received for the idle timeout",
            Self::FrameTimeout => "a frame was not whole within the frame timeout",
            Self::HandshakeTimeout => "the handshake was not complete within the handshake timeout",
            Self::HandshakeFailed => "the handshake failed",
            Self::Truncated => "the stream ended before the peer's last word",
            Self::HandlerTimeout => "a handler ran into a timeout",
            Self::WriteTimeout => "the peer took no bytes within the write timeout",
            Self::FrameTooLarge => "a frame is larger than max_frame",
            Self::Malformed => "bytes that are no frame",
            Self::HandlerError => "a handler returned an error",
            Self::Panic => "a handler panicked",
            Self::MemoryLimit => "the memory limit was reached",
            Self::Detached => "the handler was detached",
        })
    }
}
