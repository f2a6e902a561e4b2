//! The type of a server's session, its creation and its end.
//!
//! Each hook states the session that it takes ([`Wants`]): one of a type that it names, or none.
//! `#[server]` takes the first that is named ([`Choose`]).

use std::{any::Any, fmt, mem, sync::Arc};

use parking_lot::Mutex;

use super::Detach;
use crate::error::{Error, Result};

/// A hook that takes a session.
pub trait Wants {
    /// [`Named`], or [`Unnamed`].
    type Session: Kept;
}

/// A session of the type `T`.
#[derive(Debug)]
pub struct Named<T>(std::marker::PhantomData<T>);

/// A session that concurrent requests share and do not use.
#[derive(Debug)]
pub enum Shared {}

/// The value that `on_connect` created and no other hook uses. It lives as long as the connection.
#[derive(Clone, Default)]
pub struct Unnamed(Option<Arc<Mutex<Box<dyn Any + Send>>>>);

impl Unnamed {
    /// Keeps `value`.
    pub fn new<T: Send + 'static>(value: T) -> Self {
        // A value without bytes needs no memory, unless its drop does something.
        let nothing = size_of::<T>() == 0 && !std::mem::needs_drop::<T>();
        Self((!nothing).then(|| Arc::new(Mutex::new(Box::new(value) as Box<dyn Any + Send>))))
    }
}

impl fmt::Debug for Unnamed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Unnamed").finish_non_exhaustive()
    }
}

/// The common session of two hooks: the first that is named.
pub trait Choose {
    /// [`Named`], or [`Unnamed`].
    type Session: Kept;
}

impl<A: 'static, B> Choose for (Named<A>, B) {
    type Session = Named<A>;
}

impl<A: 'static> Choose for (Unnamed, Named<A>) {
    type Session = Named<A>;
}

impl Choose for (Unnamed, Unnamed) {
    type Session = Unnamed;
}

/// The common session of the request handler `R` and the `on_close` hook `C`.
pub type Chosen<R, C> = <(<R as Wants>::Session, <C as Wants>::Session) as Choose>::Session;

/// A choice, and the type that it stands for.
pub trait Kept {
    /// [`Service::Session`](super::Service::Session).
    type Session;

    /// See [`Service::detach`](super::Service::detach).
    fn detach(_session: &mut Self::Session) -> Option<Detach> {
        None
    }
}

impl<T: 'static> Kept for Named<T> {
    type Session = T;

    fn detach(session: &mut T) -> Option<Detach> {
        (session as &mut dyn Any).downcast_mut::<Detach>().map(mem::take)
    }
}

impl<A: 'static> Choose for (Shared, Named<A>) {
    type Session = Named<Arc<A>>;
}

impl Choose for (Shared, Unnamed) {
    type Session = Unnamed;
}

impl Kept for Shared {
    type Session = Unnamed;
}

impl Kept for Unnamed {
    type Session = Self;

    fn detach(session: &mut Self) -> Option<Detach> {
        let kept = session.0.as_ref()?;
        kept.lock().downcast_mut::<Detach>().map(mem::take)
    }
}

/// A return value of `on_connect` where the session is `W`: a [`Named`] `T`, or a `Result` of one. Where
/// no hook names the session it is `()`, or a `Result` of anything.
#[diagnostic::on_unimplemented(
    message = "`on_connect` gives `{Self}`, and the session is `{W}`",
    label = "not the session's type",
    note = "return the type that the other hooks take as their session, or a `Result` of it"
)]
pub trait IntoSession<W: Kept> {
    /// The session.
    ///
    /// # Errors
    /// There is none: the connection is refused.
    fn into_session(self) -> Result<W::Session>;
}

impl<T: 'static> IntoSession<Named<T>> for T {
    #[inline]
    fn into_session(self) -> Result<T> {
        Ok(self)
    }
}

impl<T: 'static, E: Into<Error>> IntoSession<Named<T>> for Result<T, E> {
    #[inline]
    fn into_session(self) -> Result<T> {
        self.map_err(Into::into)
    }
}

impl<T: 'static> IntoSession<Named<Arc<T>>> for T {
    fn into_session(self) -> Result<Arc<T>> {
        Ok(Arc::new(self))
    }
}

impl<T: 'static, E: Into<Error>> IntoSession<Named<Arc<T>>> for Result<T, E> {
    fn into_session(self) -> Result<Arc<T>> {
        self.map(Arc::new).map_err(Into::into)
    }
}

impl IntoSession<Unnamed> for () {
    fn into_session(self) -> Result<Unnamed> {
        Ok(Unnamed::default())
    }
}

impl IntoSession<Unnamed> for Detach {
    fn into_session(self) -> Result<Unnamed> {
        Ok(Unnamed::new(self))
    }
}

impl<T: Send + 'static, E: Into<Error>> IntoSession<Unnamed> for Result<T, E> {
    fn into_session(self) -> Result<Unnamed> {
        self.map(Unnamed::new).map_err(Into::into)
    }
}

/// A session that `on_close` is given as a `T`: itself, or what requests side by side shared.
#[diagnostic::on_unimplemented(
    message = "the session is `{Self}`, and `on_close` takes `{T}`",
    label = "not the session's type"
)]
pub trait IntoOwned<T> {
    /// The session, which nobody else has any more.
    fn into_owned(self) -> Option<T>;
}

impl<T> IntoOwned<T> for T {
    fn into_owned(self) -> Option<T> {
        Some(self)
    }
}

impl<T> IntoOwned<T> for Arc<T> {
    fn into_owned(self) -> Option<T> {
        Arc::into_inner(self)
    }
}
