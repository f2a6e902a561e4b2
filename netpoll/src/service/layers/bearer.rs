//! Requests with a known token.

use std::fmt;

use super::{Incoming, Layer};
use crate::{frame::Status, service::fault::Fault};

/// Lets requests in whose metadata entry `authorization` is a token that `check` knows, with or without
/// `Bearer ` before it, and attaches what `check` says about it: handlers take that as
/// [`Ext<U>`](super::Ext).
///
/// Other requests are answered by [`Status::Denied`]. Compare secrets by a function that takes the same
/// time for all.
///
/// ```
/// use netpoll::layers::BearerToken;
///
/// #[derive(Clone)]
/// struct User(&'static str);
///
/// let layer = BearerToken::new(|token: &[u8]| (token == b"s3cret").then_some(User("ann")));
/// # let _ = layer;
/// ```
pub struct BearerToken<C> {
    check: C,
    entry: &'static str,
}

impl<C> BearerToken<C> {
    /// Creates a layer that lets requests in for which `check` returns a user.
    pub fn new<U>(check: C) -> Self
    where
        C: Fn(&[u8]) -> Option<U>,
    {
        Self { check, entry: "authorization" }
    }

    /// Sets the name of the metadata entry.
    #[must_use]
    pub fn entry(mut self, entry: &'static str) -> Self {
        self.entry = entry;
        self
    }
}

impl<C> fmt::Debug for BearerToken<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BearerToken").field("entry", &self.entry).finish_non_exhaustive()
    }
}

impl<C, U> Layer for BearerToken<C>
where
    C: Fn(&[u8]) -> Option<U> + Send + Sync,
    U: Clone + Send + Sync + 'static,
{
    type State = ();

    fn before(&self, request: &mut Incoming<'_>) -> Result<(), Fault> {
        let entry = request.metadata(self.entry);
        let token = entry.map(|entry| entry.strip_prefix(b"Bearer ").unwrap_or(entry));
        let Some(user) = token.and_then(&self.check) else {
            return Err(Fault::new(Status::Denied, "no valid token"));
        };
        request.attach(user);
        Ok(())
    }
}
