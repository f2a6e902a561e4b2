//! Calls of users' code whose panics become errors of the connection.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    task::{Context, Poll, Waker},
};

use super::connection_handler::Done;
use crate::{
    buf::LinkBuffer,
    conn::Connection,
    error::{Error, Result},
    sched::{BoxFuture, panic_error},
};

/// Runs a hook; a panic becomes an error.
#[inline(always)] // as for what it guards
pub(super) fn guarded<T>(f: impl FnOnce() -> Result<T>) -> Result<T> {
    catch_unwind(AssertUnwindSafe(f)).unwrap_or_else(|payload| Err(panic_error(&*payload)))
}

/// Polls a future of the connection, with a waker that schedules the connection's turn. A panic becomes
/// an error.
#[inline]
pub(super) fn poll<T: FromPanic>(future: &mut BoxFuture<T>, conn: &Connection) -> Poll<T> {
    let waker = Waker::from(conn.conn.clone());
    let mut context = Context::from_waker(&waker);
    catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(&mut context)))
        .unwrap_or_else(|payload| Poll::Ready(T::from_panic(panic_error(&*payload))))
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
