//! Waiting for news of a connection.

use std::{
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

pub(crate) use super::waiters::News;
use super::{
    core::Conn,
    waiters::{Entry, Until},
};
use crate::{
    error::{Error, ErrorKind, Result},
    sched::block_on,
};

impl Conn {
    /// Wakes those that wait for one of `news`, so that each looks at its condition. Call it under no lock. Costs a look at the word where
    /// nobody waits.
    pub(crate) fn wake_waiters(&self, word: u32, news: u8) {
        self.waiters.wake(&self.state_word, word, news);
    }

    /// Ready when `condition` gives something. It is looked at again after each event of the kind `news`.
    pub(crate) fn until<T, F>(
        &self,
        news: News,
        mut condition: F,
    ) -> Until<'_, impl FnMut() -> Option<T> + use<'_, T, F>>
    where
        F: FnMut(&Conn) -> Option<T>,
    {
        self.waiters.until(&self.state_word, news, move || condition(self))
    }

    /// Parks this thread until `condition` gives something; a worker gives its poller away first.
    ///
    /// # Errors
    /// `TimedOut` after `timeout`; `what` says what for.
    pub(crate) fn block_until<T, F>(
        &self,
        timeout: Option<Duration>,
        what: &str,
        news: News,
        condition: F,
    ) -> Result<T>
    where
        F: FnMut(&Conn) -> Option<T> + Unpin,
    {
        let deadline = timeout.map(|timeout| self.shard.clock.after(timeout));
        block_on::wait_for(self.until(news, condition), deadline).ok_or_else(|| {
            let limit = timeout.unwrap_or_default();
            Error::new(ErrorKind::TimedOut, format!("{what}: nothing within {limit:?} ({self})"))
        })
    }
}

/// Waits for one kind of news of a connection, again and again, by polls.
pub(super) struct Waiting {
    conn: Arc<Conn>,
    entry: Entry,
}

impl Waiting {
    pub(super) fn new(conn: &Arc<Conn>, news: News) -> Self {
        Self { conn: conn.clone(), entry: Entry::new(news) }
    }

    /// Ready when `condition` gives something, as [`Conn::until`].
    pub(super) fn poll<T>(
        &mut self,
        cx: &Context<'_>,
        mut condition: impl FnMut(&Arc<Conn>) -> Option<T>,
    ) -> Poll<T> {
        let Self { conn, entry } = self;
        entry.poll(&conn.waiters, &conn.state_word, cx, || condition(conn))
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.entry.leave(&self.conn.waiters);
    }
}
