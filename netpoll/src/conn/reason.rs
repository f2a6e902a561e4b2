//! Why a connection ended.

use std::fmt;

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
    /// A handler waited for bytes for longer than `read_timeout`.
    ReadTimeout,
    /// The peer took no byte of the pending output for `write_timeout`.
    WriteTimeout,
    /// A frame is larger than `max_frame`.
    FrameTooLarge,
    /// Bytes that are no frame.
    Malformed,
    /// The handler consumed nothing of what there is, and cannot be called again without progress.
    NoProgress,
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
    /// Whether the peer ended it.
    pub fn by_peer(self) -> bool {
        matches!(self, Self::Eof | Self::Reset)
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
            Self::ReadTimeout => "no bytes came within the read timeout",
            Self::WriteTimeout => "the peer took no bytes within the write timeout",
            Self::FrameTooLarge => "a frame is larger than max_frame",
            Self::Malformed => "bytes that are no frame",
            Self::NoProgress => "the handler consumed nothing",
            Self::HandlerError => "a handler returned an error",
            Self::Panic => "a handler panicked",
            Self::MemoryLimit => "the memory limit was reached",
            Self::Detached => "the handler was detached",
        })
    }
}
