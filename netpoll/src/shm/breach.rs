//! [`Breach`]: shared memory that does not hold together.

use std::fmt;

/// Something in shared memory, or on its socket, that no sound peer writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Breach {
    /// The file is too short for what it declares, or declares what cannot be.
    Layout(&'static str),
    /// More elements than the queue has places, or fewer than none.
    Queue {
        /// The number that its indices make.
        elements: u32,
        /// The number that it can have.
        places: u32,
    },
    /// No slice begins there.
    Offset(u32),
    /// The slice's bytes begin or end beyond it.
    Extent {
        /// The offset of the slice in the file.
        offset: u32,
        /// The position of its first byte.
        start: u32,
        /// The number of its bytes.
        size: u32,
    },
    /// The slice is this side's already: it was given twice, or its chain is a circle.
    Held(u32),
}

impl fmt::Display for Breach {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("shared memory that its peer broke: ")?;
        match self {
            Self::Layout(what) => f.write_str(what),
            Self::Queue { elements, places } => {
                write!(f, "a queue of {places} places with {elements} elements")
            }
            Self::Offset(offset) => write!(f, "no slice begins at offset {offset}"),
            Self::Extent { offset, start, size } => {
                write!(f, "the slice at {offset} has {size} bytes from its byte {start} on")
            }
            Self::Held(offset) => write!(f, "the slice at {offset} was given twice"),
        }
    }
}
