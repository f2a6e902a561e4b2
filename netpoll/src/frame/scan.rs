//! Finding a frame's end: [`Scanner`], which resumes as bytes arrive and borrows nothing.

use super::{
    Wire,
    cursor::{Cursor, Stop},
    error::{FrameErrorKind, ScanError},
    input::Checkpoint,
    window::Window,
};

/// The result of a scan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// The frame is there, and has this many bytes.
    Ready(usize),
    /// The frame has at least this many bytes, counted from its start, and not all are there.
    ///
    /// Never more than the frame has: its sender may wait for the reply before it sends more.
    Need(usize),
}

/// Finds where a frame ends, from as few looks at its bytes as possible.
///
/// One scanner serves one frame: it starts as the default, and is called whenever bytes were added,
/// with all bytes from the frame's start on. Between two calls the bytes that it has seen stay, if
/// not where they lay (a [`Checkpoint`] finds them again); it keeps what it knows, so as not to
/// look at them again. It is not called again once it has answered [`Ready`](Progress::Ready) or an
/// error.
///
/// A derived frame's scanner is [`Scan`]. By hand, a length of four bytes and that many bytes:
///
/// ```
/// use netpoll::frame::{FrameErrorKind, Progress, ScanError, Scanner, Window};
///
/// #[derive(Default)]
/// struct Prefixed;
///
/// impl Scanner for Prefixed {
///     fn scan(&mut self, w: &Window<'_>, max: usize) -> Result<Progress, ScanError> {
///         let Some(length) = w.array(0) else { return Ok(Progress::Need(4)) };
///         let size = (u32::from_be_bytes(length) as usize).saturating_add(4);
///         if size > max {
///             return Err(ScanError::new(FrameErrorKind::TooLarge { size, max }, 0).in_field("length"));
///         }
///         Ok(if w.len() < size { Progress::Need(size) } else { Progress::Ready(size) })
///     }
/// }
///
/// let arrived = [0, 0, 0, 2, 7];
/// assert_eq!(Prefixed.scan(&Window::new(&arrived[..3]), 99)?, Progress::Need(4));
/// assert_eq!(Prefixed.scan(&Window::new(&arrived[..]), 99)?, Progress::Need(6));
/// # Ok::<(), ScanError>(())
/// ```
pub trait Scanner: Default + Send + 'static {
    /// Looks for the end of the frame in `w`; no frame may have more than `max` bytes.
    ///
    /// # Errors
    /// The frame's end cannot be told, or is beyond `max`, which is found out before any byte
    /// past its header has to arrive: the connection closes.
    fn scan(&mut self, w: &Window<'_>, max: usize) -> Result<Progress, ScanError>;

    /// Returns the frame's length where the end of the stream ends it, in a format that the close
    /// delimits; `None` where a frame never ends so.
    ///
    /// # Errors
    /// Those of [`scan`](Self::scan).
    fn at_eof(&mut self, w: &Window<'_>) -> Result<Option<usize>, ScanError> {
        let _ = w;
        Ok(None)
    }
}

/// The state that a scanner written over [`Cursor`] keeps to go on when more bytes have come,
/// beside the state of its own.
#[derive(Debug, Default)]
pub struct Resume {
    mark: Checkpoint,
    need: usize,
    examined: u64,
}

impl Resume {
    /// Passes the frame by `skip`, from the position that it committed last, once what it asked for
    /// is there.
    ///
    /// # Errors
    /// That of `skip`, or a frame longer than `max`.
    #[inline]
    pub fn scan(
        &mut self,
        w: &Window<'_>,
        max: usize,
        skip: impl FnOnce(&mut Cursor<'_>) -> Result<(), Stop>,
    ) -> Result<Progress, ScanError> {
        if w.len() < self.need {
            return Ok(Progress::Need(self.need));
        }
        let mut cursor = Cursor::resume(w, self.mark, max);
        let outcome = skip(&mut cursor);
        self.examined += cursor.examined();
        let max = cursor.max();
        let size = match &outcome {
            Ok(()) => cursor.pos(),
            Err(Stop::Need(size)) => *size,
            Err(Stop::Error(_)) => 0,
        };
        if size > max {
            return Err(ScanError::new(FrameErrorKind::TooLarge { size, max }, cursor.pos()));
        }
        match outcome {
            Ok(()) => Ok(Progress::Ready(size)),
            Err(Stop::Need(_)) => {
                self.mark = cursor.checkpoint();
                self.need = size;
                Ok(Progress::Need(size))
            }
            Err(Stop::Error(e)) => Err(e),
        }
    }
}

/// The scanner of a type that says by [`Wire::skip`] where it ends.
#[derive(Debug)]
pub struct Scan<T: Wire<'static>> {
    resume: Resume,
    state: T::Skip,
}

impl<T: Wire<'static>> Default for Scan<T> {
    #[inline]
    fn default() -> Self {
        Self { resume: Resume::default(), state: T::Skip::default() }
    }
}

impl<T: Wire<'static>> Scan<T> {
    /// Returns the number of bytes looked at so far, those looked at twice counted twice.
    pub fn examined(&self) -> u64 {
        self.resume.examined
    }
}

impl<T: Wire<'static> + 'static> Scanner for Scan<T> {
    #[inline]
    fn scan(&mut self, w: &Window<'_>, max: usize) -> Result<Progress, ScanError> {
        self.resume.scan(w, max, |cursor| T::skip(&mut self.state, cursor))
    }
}

/// The scanner of a frame that ends where its datagram ends, or with its stream:
/// `#[frame(datagram)]`.
#[derive(Clone, Copy, Debug, Default)]
pub struct ToEnd;

impl Scanner for ToEnd {
    #[inline]
    fn scan(&mut self, w: &Window<'_>, max: usize) -> Result<Progress, ScanError> {
        let size = w.len() + 1;
        if size > max {
            return Err(ScanError::new(FrameErrorKind::TooLarge { size, max }, w.len()));
        }
        Ok(Progress::Need(size))
    }

    #[inline]
    fn at_eof(&mut self, w: &Window<'_>) -> Result<Option<usize>, ScanError> {
        Ok(Some(w.len()))
    }
}
