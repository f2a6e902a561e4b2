//! The errors of frames: their [kind](FrameErrorKind), the byte offset, the field's path.

use std::{fmt, ops::Deref};

use crate::{Error, ErrorKind};

/// The ways in which a frame, or a value that is to become one, breaks its format.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum FrameErrorKind {
    /// The frame is, or declares to be, longer than it may be: `size` and `max` in bytes.
    TooLarge {
        /// Bytes that it has or declares.
        size: usize,
        /// Bytes that it may have.
        max: usize,
    },
    /// A length or count that cannot be: negative, or less than what must be there.
    Length(i128),
    /// The bytes end within a field, this many too early.
    Truncated(usize),
    /// This many bytes are left over after the last field.
    Trailing(usize),
    /// A constant of the format is not there.
    Magic,
    /// A condition of the format does not hold; its source text.
    Check(&'static str),
    /// A tag that no variant has.
    Tag(i128),
    /// A byte that is neither 0 nor 1 where a `bool` stands.
    Bool(u8),
    /// Text that is not UTF-8.
    Utf8,
    /// Digits that are not a number of the field's type.
    Digits,
    /// A variable-length integer that does not end, or that its type cannot hold.
    Varint,
    /// Nested deeper than this.
    Depth(usize),
    /// A checksum that differs: what the frame says, and what its bytes give.
    Checksum {
        /// The checksum that the frame carries.
        stored: u64,
        /// The checksum of the frame's bytes.
        computed: u64,
    },
    /// A value that does not fit its place on the wire.
    Range(i128),
    /// An optional field that is absent where its condition says present, or the other way round.
    Presence,
    /// An encoder that wrote another number of bytes than it had declared.
    Size {
        /// Bytes that it had declared.
        declared: usize,
        /// Bytes that it wrote.
        written: usize,
    },
    /// A field that is read through a function, and has none that would write it.
    OneWay,
    /// The connection ended within a frame.
    Eof,
    /// No memory for the frame.
    Memory,
    /// A function of the format panicked; the panic's text.
    Panic(String),
    /// Anything else, in the words of the function that found it.
    Other(String),
}

impl fmt::Display for FrameErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLarge { size, max } => write!(f, "{size} bytes, at most {max} allowed"),
            Self::Length(n) => write!(f, "a length of {n} cannot be"),
            Self::Truncated(n) => write!(f, "ends {n} bytes too early"),
            Self::Trailing(n) => write!(f, "{n} bytes left over"),
            Self::Magic => f.write_str("not the constant of this format"),
            Self::Check(text) => write!(f, "`{text}` does not hold"),
            Self::Tag(n) => write!(f, "unknown tag {n} (0x{n:x})"),
            Self::Bool(n) => write!(f, "{n} is neither 0 nor 1"),
            Self::Utf8 => f.write_str("not UTF-8"),
            Self::Digits => f.write_str("not a decimal number in range"),
            Self::Varint => f.write_str("not a variable-length integer in range"),
            Self::Depth(n) => write!(f, "nested more than {n} deep"),
            Self::Checksum { stored, computed } => {
                write!(f, "checksum 0x{stored:x}, of the bytes 0x{computed:x}")
            }
            Self::Range(n) => write!(f, "{n} does not fit"),
            Self::Presence => f.write_str("present against its condition, or absent against it"),
            Self::Size { declared, written } => {
                write!(f, "its size is {declared} bytes, and {written} were written")
            }
            Self::OneWay => f.write_str("can be read, not written: `unmap = path` is missing"),
            Self::Eof => f.write_str("the connection ended within a frame"),
            Self::Memory => f.write_str("no memory"),
            Self::Panic(text) | Self::Other(text) => f.write_str(text),
        }
    }
}

impl FrameErrorKind {
    /// Returns the kind of an [`Error`] of the crate that is made of it.
    fn error_kind(&self) -> ErrorKind {
        match self {
            Self::TooLarge { .. } => ErrorKind::FrameTooLarge,
            Self::Eof => ErrorKind::Eof,
            Self::Memory => ErrorKind::Limit,
            _ => ErrorKind::Malformed,
        }
    }
}

/// The kind of an error of a frame, the byte offset and the field's path.
///
/// [`ScanError`], [`DecodeError`] and [`EncodeError`] each hold one and dereference to it. A hook
/// that answers malformed frames finds it in the connection's error with [`of`](Self::of), no
/// matter whether a scanner or a decoder found the frame broken:
///
/// ```
/// use netpoll::{Error, frame::{DecodeError, FrameError, FrameErrorKind, ScanError}};
/// for error in [
///     Error::from(ScanError::new(FrameErrorKind::Digits, 1)),
///     Error::from(DecodeError::new(FrameErrorKind::Digits, 1)),
/// ] {
///     let malformed = FrameError::of(&error).expect("an error of a frame");
///     assert_eq!((malformed.kind(), malformed.at()), (&FrameErrorKind::Digits, 1));
/// }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FrameError {
    kind: FrameErrorKind,
    at: usize,
    field: String,
}

impl FrameError {
    /// Returns the kind of the error.
    pub fn kind(&self) -> &FrameErrorKind {
        &self.kind
    }

    /// Returns [`kind`](Self::kind), by its former name.
    #[deprecated(note = "renamed to `kind`")]
    pub fn fault(&self) -> &FrameErrorKind {
        &self.kind
    }

    /// Returns the byte offset, counted from the frame's start.
    pub fn at(&self) -> usize {
        self.at
    }

    /// Returns the field's path, such as `head.pairs[3].0`; empty where no field is concerned.
    pub fn field(&self) -> &str {
        &self.field
    }

    /// Returns the frame's error that `error` was made of: by a scan, a decoder or an encoder.
    pub fn of(error: &Error) -> Option<&Self> {
        let source = std::error::Error::source(error)?;
        (source.downcast_ref::<ScanError>().map(|e| &**e))
            .or_else(|| source.downcast_ref::<DecodeError>().map(|e| &**e))
            .or_else(|| source.downcast_ref::<EncodeError>().map(|e| &**e))
    }

    fn enter(&mut self, step: &str) {
        let joint = if self.field.is_empty() || self.field.starts_with('[') { "" } else { "." };
        self.field = format!("{step}{joint}{}", self.field);
    }
}

impl fmt::Display for FrameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.field.is_empty() {
            write!(f, "field `{}`, ", self.field)?;
        }
        write!(f, "byte {}: {}", self.at, self.kind)
    }
}

/// Declares one of the three errors; each is a pointer, since one is built at most once a frame.
macro_rules! frame_error {
    ($(#[$doc:meta])* $name:ident, $context:literal) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq)]
        pub struct $name(Box<FrameError>);

        impl $name {
            /// Makes an error at the byte `at`, counted from the frame's start.
            #[cold]
            #[inline(never)]
            pub fn new(kind: FrameErrorKind, at: usize) -> Self {
                Self(Box::new(FrameError { kind, at, field: String::new() }))
            }

            /// Prefixes the field's path with the name of the field around it.
            #[cold]
            #[inline(never)]
            #[must_use]
            pub fn in_field(mut self, name: &str) -> Self {
                self.0.enter(name);
                self
            }

            /// Prefixes the field's path with the index of the element around it.
            #[cold]
            #[inline(never)]
            #[must_use]
            pub fn in_element(mut self, index: usize) -> Self {
                self.0.enter(&format!("[{index}]"));
                self
            }
        }

        impl Deref for $name {
            type Target = FrameError;

            fn deref(&self) -> &FrameError {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self.0)
            }
        }

        impl std::error::Error for $name {}

        impl From<$name> for Error {
            fn from(e: $name) -> Error {
                Error::new(e.kind().error_kind(), e.to_string()).context($context).with_source(e)
            }
        }
    };
}

frame_error! {
    /// An error that loses the end of the frame: nothing that follows can be read.
    ///
    /// Its connection closes.
    ScanError, "frame's extent"
}

frame_error! {
    /// An error of a complete frame whose bytes break its format.
    ///
    /// Since the frame's end is known, it can be skipped.
    ///
    /// ```
    /// use netpoll::frame::{DecodeError, FrameErrorKind};
    /// let e = DecodeError::new(FrameErrorKind::Utf8, 21).in_element(3).in_field("names");
    /// assert_eq!(e.to_string(), "field `names[3]`, byte 21: not UTF-8");
    /// ```
    DecodeError, "frame"
}

frame_error! {
    /// An error of a value that its format cannot express; the byte is where it would have stood.
    EncodeError, "encoding a frame"
}
