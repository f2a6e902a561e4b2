//! Waiting for news of a connection.

use std::time::Duration;

pub(crate) use super::waiters::News;
use super::{core::Conn, waiters::Until};
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
