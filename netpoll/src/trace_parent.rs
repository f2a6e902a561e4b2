//! The context of a trace, as W3C's header `traceparent` carries it.

use std::{
    cell::Cell,
    fmt,
    hash::{BuildHasher, RandomState},
};

thread_local! {
    static CURRENT: Cell<Option<TraceParent>> = const { Cell::new(None) };
}

/// A span of a trace, by which what it causes elsewhere is found: the number of the trace, that of the span, and
/// whether the trace is recorded. Its `Display` is the value of W3C's `traceparent`, version 00.
///
/// ```
/// use netpoll::TraceParent;
///
/// let text = b"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
/// let caller = TraceParent::parse(text).unwrap();
/// assert_eq!(caller.to_string().as_bytes(), text);
/// let own = caller.child();
/// assert_eq!(own.trace_id(), caller.trace_id());
/// assert_ne!(own.span_id(), caller.span_id());
/// assert!(TraceParent::parse(b"00-0-0-01").is_none());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TraceParent {
    trace: u128,
    span: u64,
    flags: u8,
}

/// The name of the entry of metadata that carries it.
pub(crate) const ENTRY: &str = "traceparent";

/// A number that nobody can guess, and that is not zero.
fn random() -> u64 {
    RandomState::new().hash_one(0).max(1)
}

impl TraceParent {
    /// Begins a trace, which is recorded.
    pub fn root() -> Self {
        let trace = u128::from(random()) << 64 | u128::from(random());
        Self { trace, span: random(), flags: 1 }
    }

    /// Returns another span of the same trace.
    #[must_use]
    pub fn child(self) -> Self {
        Self { span: random(), ..self }
    }

    /// Reads the value of a `traceparent`. `None`: it is none, or one of zeros, or of the version 255. Of later
    /// versions what version 00 has is read.
    pub fn parse(text: &[u8]) -> Option<Self> {
        let version = hex(text.get(0..2)?)?;
        let whole = if version == 0 {
            text.len() == 55
        } else {
            text.len() == 55 || text.get(55) == Some(&b'-')
        };
        let dashes = [2, 35, 52].iter().all(|at| text.get(*at) == Some(&b'-'));
        if version == 0xFF || !whole || !dashes {
            return None;
        }
        let trace = hex(&text[3..35])?;
        let span = u64::try_from(hex(&text[36..52])?).ok()?;
        let flags = u8::try_from(hex(&text[53..55])?).ok()?;
        (trace != 0 && span != 0).then_some(Self { trace, span, flags: flags & 1 })
    }

    /// Returns the number of the trace.
    pub fn trace_id(self) -> u128 {
        self.trace
    }

    /// Returns the number of the span.
    pub fn span_id(self) -> u64 {
        self.span
    }

    /// Returns whether the trace is recorded.
    pub fn is_sampled(self) -> bool {
        self.flags & 1 != 0
    }

    /// Returns the span of the request that this thread handles, if a layer has begun one.
    pub fn current() -> Option<Self> {
        CURRENT.get()
    }

    /// Runs `f` with this as the current span.
    pub fn scope<T>(self, f: impl FnOnce() -> T) -> T {
        struct Restore(Option<TraceParent>);
        impl Drop for Restore {
            fn drop(&mut self) {
                CURRENT.set(self.0);
            }
        }
        let _restore = Restore(CURRENT.replace(Some(self)));
        f()
    }
}

/// Reads lower-case hexadecimal digits.
fn hex(digits: &[u8]) -> Option<u128> {
    digits.iter().try_fold(0, |value: u128, digit| {
        let digit = match digit {
            b'0'..=b'9' => digit - b'0',
            b'a'..=b'f' => digit - b'a' + 10,
            _ => return None,
        };
        Some(value << 4 | u128::from(digit))
    })
}

impl fmt::Display for TraceParent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "00-{:032x}-{:016x}-{:02x}", self.trace, self.span, self.flags)
    }
}
