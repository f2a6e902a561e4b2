//! Marks: the parts of a frame that servers and clients act on, whatever the format is.
//!
//! | `#[frame(..)]` | trait | used for |
//! | --- | --- | --- |
//! | `seq` | [`Sequenced`](super::Sequenced) | finding a reply's request |
//! | `route` | [`Routed`] | finding a request's handler |
//! | `payload` | [`Carries`] | decoding arguments and encoding results |
//! | `status(..)` | [`Judged`] | telling success from faults |
//! | `last` | [`Streamed`] | ending a stream of replies |
//! | `deadline(ms)` | [`Timed`] | passing on the time that a caller has left |
//! | `metadata` | [`Annotated`] | facts about a request for layers: a token, a trace |
//! | `goodbye` | [`Goodbye`] | draining a connection |
//!
//! `#[derive(Frame)]` implements a trait for each mark, as [its grammar](super::Frame#marks)
//! describes; a frame by hand implements those it has.

use std::{fmt, time::Duration};

use bytes::Bytes;

use super::chunks::Chunks;
use crate::{
    Result,
    buf::{LinkBuffer, LinkSlice},
};

/// A request that names the method it is for: the mark `route`.
///
/// ```
/// use netpoll::frame::Routed;
///
/// #[derive(Default)]
/// struct Call<'a> {
///     method: &'a str,
/// }
///
/// impl<'a> Routed<'a> for Call<'a> {
///     type Route = str;
///     fn route(&self) -> &str {
///         self.method
///     }
///     fn set_route(&mut self, route: &'a str) {
///         self.method = route;
///     }
/// }
///
/// let mut call = Call::default();
/// call.set_route("add");
/// assert_eq!(call.route(), "add");
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not say which method it is for",
    label = "no field is marked `route`",
    note = "mark the field that names the method: `#[frame(route)]`"
)]
pub trait Routed<'a> {
    /// The type of a method's name: an integer, `str` or `[u8]`.
    type Route: ?Sized + Eq + fmt::Debug + 'static;

    /// Returns the name of the method.
    fn route(&self) -> &Self::Route;

    /// Sets the name of the method.
    fn set_route(&mut self, route: &'a Self::Route);
}

/// The name of a method, in the form that its format has.
///
/// ```
/// use netpoll::frame::Route;
///
/// assert_eq!(Route::Text("add").to_string(), "add");
/// assert_eq!(Route::Number(7).to_string(), "7");
/// assert_eq!(Route::Bytes(b"a\xff").to_string(), "a\\xff");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Route<'a> {
    /// A text; the name of a variant where the request is an enum.
    Text(&'a str),
    /// Bytes.
    Bytes(&'a [u8]),
    /// An integer.
    Number(i128),
}

impl fmt::Display for Route<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(name) => f.write_str(name),
            Self::Bytes(name) => name.escape_ascii().fmt(f),
            Self::Number(number) => number.fmt(f),
        }
    }
}

/// A request with named facts beside its arguments: the mark `metadata`.
///
/// ```
/// use netpoll::frame::Annotated;
///
/// struct Call<'a> {
///     token: &'a [u8],
/// }
///
/// impl Annotated for Call<'_> {
///     fn metadata(&self, name: &str) -> Option<&[u8]> {
///         (name == "token").then_some(self.token)
///     }
/// }
///
/// assert_eq!(Call { token: b"abc" }.metadata("token"), Some(&b"abc"[..]));
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` carries no metadata",
    label = "no field is marked `metadata`",
    note = "mark the list of entries: `#[frame(metadata, count_prefix = u8)]`"
)]
pub trait Annotated {
    /// Returns the value of the entry `name`, of the first one if there are several.
    fn metadata(&self, name: &str) -> Option<&[u8]>;
}

/// An element of a field that the mark `metadata` stands on: `Vec<E>`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no entry of metadata",
    label = "not an entry with a name and a value",
    note = "implement `netpoll::frame::MetadataEntry` for `{Self}`"
)]
pub trait MetadataEntry {
    /// Returns the name of the entry.
    fn name(&self) -> &str;

    /// Returns the value of the entry.
    fn value(&self) -> &[u8];
}

/// A frame with a payload, which a format of its own encodes: the mark `payload`.
///
/// ```
/// use netpoll::frame::{Carries, Chunks};
///
/// #[derive(Default)]
/// struct Reply<'a> {
///     body: &'a [u8],
/// }
///
/// impl<'a> Carries<'a> for Reply<'a> {
///     fn payload(&self) -> Chunks<'_> {
///         self.body.into()
///     }
///     fn set_payload(&mut self, payload: &'a [u8]) -> netpoll::Result<()> {
///         self.body = payload;
///         Ok(())
///     }
/// }
///
/// let mut reply = Reply::default();
/// reply.set_payload(b"42")?;
/// assert_eq!(reply.payload().as_contiguous(), Some(&b"42"[..]));
/// # Ok::<(), netpoll::Error>(())
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` carries no payload",
    label = "no field is marked `payload`",
    note = "mark the field of bytes that holds it: `#[frame(payload)]`"
)]
pub trait Carries<'a> {
    /// Returns the payload's bytes where they lie.
    fn payload(&self) -> Chunks<'_>;

    /// Sets the payload: by reference where the field borrows, else by a copy.
    ///
    /// # Errors
    /// [`Limit`](crate::ErrorKind::Limit): there is no memory for the copy.
    fn set_payload(&mut self, payload: &'a [u8]) -> Result<()>;
}

/// The outcome that a reply reports.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Status {
    /// The request was handled, and the payload is its result.
    Ok,
    /// The handler returned an error of its own, which the payload describes.
    Failed,
    /// The caller gave up.
    Cancelled,
    /// The arguments could not be decoded.
    Malformed,
    /// The time ran out.
    Timeout,
    /// The caller may not call this method.
    Denied,
    /// A limit refused the request.
    Limit,
    /// There is no such method.
    Unknown,
    /// The handler panicked.
    Panic,
    /// The server does not take requests at the moment.
    Unavailable,
    /// A code that the format gives no name to.
    Other,
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ok => "ok",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
            Self::Malformed => "malformed",
            Self::Timeout => "timeout",
            Self::Denied => "denied",
            Self::Limit => "limit",
            Self::Unknown => "unknown",
            Self::Panic => "panic",
            Self::Unavailable => "unavailable",
            Self::Other => "other",
        })
    }
}

/// A reply that says whether its request succeeded: the mark `status`.
///
/// Servers answer faults by it: a reply that is [`Default`] but for its status.
///
/// ```
/// use netpoll::frame::{Judged, Status};
///
/// #[derive(Default)]
/// struct Reply {
///     code: u8,
/// }
///
/// impl Judged for Reply {
///     fn status(&self) -> Status {
///         match self.code {
///             0 => Status::Ok,
///             4 => Status::Timeout,
///             _ => Status::Other,
///         }
///     }
///     fn set_status(&mut self, status: Status) -> bool {
///         self.code = match status {
///             Status::Ok => 0,
///             Status::Timeout => 4,
///             _ => return false,
///         };
///         true
///     }
/// }
///
/// assert_eq!(Reply::with_status(Status::Timeout).unwrap().code, 4);
/// assert!(Reply::with_status(Status::Panic).is_none());
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not say whether a request succeeded",
    label = "no field is marked `status`",
    note = "mark the field that says so: `#[frame(status(ok = 0, timeout = 4))]`"
)]
pub trait Judged: Sized {
    /// Returns the outcome; [`Status::Other`] if the format gives the code no name.
    fn status(&self) -> Status;

    /// Sets the outcome, if the format has a code for it; returns whether it has.
    fn set_status(&mut self, status: Status) -> bool;

    /// Creates a reply that is [`Default`] but for its outcome, if the format has a code for it.
    fn with_status(status: Status) -> Option<Self>
    where
        Self: Default,
    {
        let mut reply = Self::default();
        reply.set_status(status).then_some(reply)
    }
}

/// One of several replies to one request, which says whether it is the last: the mark `last`.
///
/// ```
/// use netpoll::frame::Streamed;
///
/// struct Item {
///     more: bool,
/// }
///
/// impl Streamed for Item {
///     fn is_last(&self) -> bool {
///         !self.more
///     }
///     fn set_last(&mut self, last: bool) {
///         self.more = !last;
///     }
/// }
///
/// let mut item = Item { more: true };
/// item.set_last(true);
/// assert!(item.is_last() && !item.more);
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not say whether it is the last reply of a stream",
    label = "no field is marked `last`",
    note = "mark the flag that says so: `#[frame(last)]`"
)]
pub trait Streamed {
    /// Returns whether no other reply to the same request follows.
    fn is_last(&self) -> bool;

    /// Sets whether no other reply to the same request follows.
    fn set_last(&mut self, last: bool);
}

/// A request that carries the time which its caller has left: the mark `deadline`.
///
/// ```
/// use std::time::Duration;
/// use netpoll::frame::Timed;
///
/// #[derive(Default)]
/// struct Call {
///     millis: u32, // 0: no deadline
/// }
///
/// impl Timed for Call {
///     fn remaining(&self) -> Option<Duration> {
///         (self.millis > 0).then(|| Duration::from_millis(self.millis.into()))
///     }
///     fn set_remaining(&mut self, remaining: Option<Duration>) {
///         let millis = remaining.map_or(0, |time| time.as_millis().max(1));
///         self.millis = millis.try_into().unwrap_or(u32::MAX);
///     }
/// }
///
/// let mut call = Call::default();
/// call.set_remaining(Some(Duration::from_secs(2)));
/// assert_eq!(call.millis, 2000);
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not carry its caller's remaining time",
    label = "no field is marked `deadline`",
    note = "mark the integer that holds it: `#[frame(deadline(ms))]`"
)]
pub trait Timed {
    /// Returns the time that the caller had left when it sent the request; `None` is no deadline.
    fn remaining(&self) -> Option<Duration>;

    /// Sets the time that the caller has left; `None` is no deadline.
    fn set_remaining(&mut self, remaining: Option<Duration>);
}

/// A frame by which a peer says that it drains the connection: the mark `goodbye`.
///
/// Who receives it sends no new request on the connection; requests in flight are still answered.
///
/// ```
/// use netpoll::frame::Goodbye;
///
/// #[derive(Default)]
/// struct Reply {
///     drains: bool,
/// }
///
/// impl Goodbye for Reply {
///     fn is_goodbye(&self) -> bool {
///         self.drains
///     }
///     fn goodbye() -> Option<Self> {
///         Some(Self { drains: true })
///     }
/// }
///
/// assert!(Reply::goodbye().unwrap().is_goodbye());
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` has no goodbye",
    label = "neither a variant nor a field is marked `goodbye`",
    note = "mark the variant or the flag that says so: `#[frame(goodbye)]`"
)]
pub trait Goodbye: Sized {
    /// Returns whether the frame's sender drains the connection.
    fn is_goodbye(&self) -> bool;

    /// Creates the frame that says so; `None` if the format is only read for it.
    fn goodbye() -> Option<Self>;
}

/// A type of a field that the mark `payload` stands on.
#[diagnostic::on_unimplemented(
    message = "a payload is bytes, not `{Self}`",
    label = "not bytes",
    note = "`&'a [u8]`, `Bytes`, `LinkSlice` or `Chunks<'a>`"
)]
pub trait Payload<'a>: Sized {
    /// Returns the bytes where they lie.
    fn chunks(&self) -> Chunks<'_>;

    /// Creates the payload of `bytes`: by reference where it borrows, else by a copy.
    ///
    /// # Errors
    /// [`Limit`](crate::ErrorKind::Limit): there is no memory for the copy.
    fn of(bytes: &'a [u8]) -> Result<Self>;
}

impl<'a> Payload<'a> for &'a [u8] {
    fn chunks(&self) -> Chunks<'_> {
        Chunks::from(*self)
    }

    fn of(bytes: &'a [u8]) -> Result<Self> {
        Ok(bytes)
    }
}

impl Payload<'_> for Bytes {
    fn chunks(&self) -> Chunks<'_> {
        Chunks::from(&**self)
    }

    fn of(bytes: &[u8]) -> Result<Self> {
        Ok(Self::copy_from_slice(bytes))
    }
}

impl Payload<'_> for LinkSlice {
    fn chunks(&self) -> Chunks<'_> {
        Chunks::from(self)
    }

    fn of(bytes: &[u8]) -> Result<Self> {
        Ok(LinkBuffer::try_from(bytes)?.into())
    }
}

impl<'a> Payload<'a> for Chunks<'a> {
    fn chunks(&self) -> Chunks<'_> {
        self.clone()
    }

    fn of(bytes: &'a [u8]) -> Result<Self> {
        Ok(bytes.into())
    }
}
