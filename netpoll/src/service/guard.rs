//! Calls of a service's code under the [guard](crate::guard), whose panics become errors of the
//! connection.

use std::{
    ops::{Deref, DerefMut},
    task::{Context, Poll, Waker},
};

use super::done::Done;
use crate::{
    buf::LinkBuffer,
    conn::Connection,
    error::{Error, ErrorKind, Result},
    guard::{self, Panicked, Place},
    sched::BoxFuture,
};

/// Runs a hook; a panic becomes an error.
#[inline(always)] // as for the call that it guards
pub(super) fn guarded<T>(place: Place, f: impl FnOnce() -> Result<T>) -> Result<T> {
    guard::run(place, f).unwrap_or_else(|panicked| Err(panicked.into()))
}

/// Runs a decoder. Bytes on which it panics are malformed.
#[inline(always)] // as for the call that it guards
pub(super) fn decoded<T>(f: impl FnOnce() -> Result<T>) -> Result<T> {
    guard::run(Place::Decode, f).unwrap_or_else(|panicked| Err(malformed(panicked)))
}

/// The error of bytes on which a scanner or a decoder panicked.
#[cold]
pub(super) fn malformed(panicked: Panicked) -> Error {
    Error::new(ErrorKind::Malformed, panicked.to_string()).with_source(Error::from(panicked))
}

/// Polls a future of the connection, with a waker that schedules the connection's turn. A panic becomes
/// an error.
#[inline]
pub(super) fn poll<T: FromPanic>(
    place: Place,
    future: &mut BoxFuture<T>,
    conn: &Connection,
) -> Poll<T> {
    let waker = Waker::from(conn.conn.clone());
    let mut context = Context::from_waker(&waker);
    guard::poll(place, future.as_mut(), &mut context)
        .map(|done| done.unwrap_or_else(|panicked| T::from_panic(panicked.into())))
}

pub(super) trait FromPanic {
    fn from_panic(error: Error) -> Self;
}

impl<T> FromPanic for Result<T> {
    fn from_panic(error: Error) -> Self {
        Err(error)
    }
}

impl FromPanic for Done {
    fn from_panic(error: Error) -> Self {
        Self { out: LinkBuffer::new(), result: Err(error) }
    }
}

/// A value of the user's whose destructor runs under the guard, wherever the value is dropped.
pub(crate) struct Guarded<T> {
    place: Place,
    /// There until the drop.
    value: Option<T>,
}

impl<T> Guarded<T> {
    pub(crate) fn new(place: Place, value: T) -> Self {
        Self { place, value: Some(value) }
    }

    /// Takes the value out of the guard.
    pub(crate) fn into_inner(mut self) -> T {
        self.value.take().expect("it is there until the drop")
    }
}

impl<T> Deref for Guarded<T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        self.value.as_ref().expect("it is there until the drop")
    }
}

impl<T> DerefMut for Guarded<T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut T {
        self.value.as_mut().expect("it is there until the drop")
    }
}

impl<T> Drop for Guarded<T> {
    fn drop(&mut self) {
        guard::discard(self.place, self.value.take());
    }
}
