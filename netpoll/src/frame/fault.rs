//! What can be wrong with a frame, and where: a [`Fault`], the byte offset, the field's path.

use std::fmt;

use crate::{Error, ErrorKind};

/// What is wrong with a frame, or with a value that is to become one.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fault {
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
        /// What the frame says.
        stored: u64,
        /// What its bytes give.
        computed: u64,
    },
    /// A value that does not fit its place on the wire.
    Range(i128),
    /// An optional field that is absent where its condition says present, or the other way round.
    Presence,
    /// A field that is read through a function, and has none that would write it.
    OneWay,
    /// The connection ended within a frame.
    Eof,
    /// No memory for the frame.
    Memory,
    /// Anything else, in the words of the function that found it.
    Other(String),
}

impl fmt::Display for Fault {
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
            Self::OneWay => f.write_str("can be read, not written: `unmap = path` is missing"),
            Self::Eof => f.write_str("the connection ended within a frame"),
            Self::Memory => f.write_str("no memory"),
            Self::Other(text) => f.write_str(text),
        }
    }
}

impl Fault {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::TooLarge { .. } => ErrorKind::FrameTooLarge,
            Self::Eof => ErrorKind::Eof,
            Self::Memory => ErrorKind::Limit,
            _ => ErrorKind::Malformed,
        }
    }
}

/// What the three errors hold; on the heap, since it is built at most once a frame.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Report {
    fault: Fault,
    at: usize,
    field: String,
}

impl Report {
    fn enter(&mut self, step: &str) {
        let joint = if self.field.is_empty() || self.field.starts_with('[') { "" } else { "." };
        self.field = format!("{step}{joint}{}", self.field);
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.field.is_empty() {
            write!(f, "field `{}`, ", self.field)?;
        }
        write!(f, "byte {}: {}", self.at, self.fault)
    }
}

macro_rules! report {
    ($(#[$doc:meta])* $name:ident, $what:literal) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq)]
        pub struct $name(Box<Report>);

        impl $name {
            /// An error at the byte `at`, counted from the frame's start.
            #[cold]
            #[inline(never)]
            pub fn new(fault: Fault, at: usize) -> Self {
                Self(Box::new(Report { fault, at, field: String::new() }))
            }

            /// What is wrong.
            pub fn fault(&self) -> &Fault {
                &self.0.fault
            }

            /// The byte, counted from the frame's start.
            pub fn at(&self) -> usize {
                self.0.at
            }

            /// The field's path, as `head.pairs[3].0`; empty where no field is concerned.
            pub fn field(&self) -> &str {
                &self.0.field
            }

            /// The same error, as seen from around the field `name`.
            #[cold]
            #[inline(never)]
            #[must_use]
            pub fn in_field(mut self, name: &str) -> Self {
                self.0.enter(name);
                self
            }

            /// The same error, as seen from around the element `index`.
            #[cold]
            #[inline(never)]
            #[must_use]
            pub fn in_element(mut self, index: usize) -> Self {
                self.0.enter(&format!("[{index}]"));
                self
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
                Error::new(e.fault().kind(), e.to_string()).context($what).with_source(e)
            }
        }
    };
}

report! {
    /// The end of a frame cannot be told any more: nothing that follows makes sense.
    ///
    /// Its connection closes.
    ScanError, "frame's extent"
}

report! {
    /// A complete frame whose bytes are not of its format; where, and in which field.
    ///
    /// Since the frame's end is known, it can be skipped.
    ///
    /// ```
    /// use netpoll::frame::{DecodeError, Fault};
    /// let e = DecodeError::new(Fault::Utf8, 21).in_element(3).in_field("names");
    /// assert_eq!(e.to_string(), "field `names[3]`, byte 21: not UTF-8");
    /// ```
    DecodeError, "frame"
}

report! {
    /// A value that its format cannot express; the byte is where it would have stood.
    EncodeError, "encoding a frame"
}
