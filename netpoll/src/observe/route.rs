//! The names of routes: declared by code, and so bounded in number.

use std::{fmt, sync::OnceLock};

use parking_lot::RwLock;

use super::thread;

/// The names by their index; that of index 0 is empty.
static NAMES: RwLock<Vec<&'static str>> = RwLock::new(Vec::new());

/// The route of a request: a name that the server's code declares, or none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Route(u32);

impl Route {
    /// The route of a server without routes, and of a request that found none.
    pub const NONE: Self = Self(0);

    /// Returns the name; that of [`NONE`](Self::NONE) is empty.
    pub fn name(self) -> &'static str {
        match self.0.checked_sub(1) {
            None => "",
            Some(at) => NAMES.read().get(at as usize).copied().unwrap_or_default(),
        }
    }

    /// Returns the index of the name among all that the process has declared, from 1 on; 0 for none. It is for
    /// tables by route.
    pub fn index(self) -> usize {
        self.0 as usize
    }

    /// The route of the request that the thread of `record` handles.
    pub(crate) fn of(record: &thread::Record) -> Self {
        Self(record.route())
    }

    /// The route of the request that this thread handles, as far as it is known.
    pub(crate) fn current() -> Self {
        Self(thread::route())
    }

    /// Makes it the route of the request that this thread handles.
    #[inline]
    pub(crate) fn enter(self) {
        thread::set_route(self.0);
    }

    /// Notes that this thread handles a request of this route and `connection`, in whatever turn.
    pub(crate) fn resume(self, connection: u64) {
        thread::on_behalf(connection, self.0);
    }
}

impl fmt::Display for Route {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Returns the route of `name`, which `make` makes last for ever if it is new.
pub(super) fn intern(name: &str, make: impl FnOnce() -> &'static str) -> Route {
    let mut names = NAMES.write();
    let at = names.iter().position(|known| *known == name).unwrap_or_else(|| {
        names.push(make());
        names.len() - 1
    });
    Route(u32::try_from(at + 1).unwrap_or_default())
}

/// The declaration of a route's name, in a `static`.
///
/// The macros declare those of their handlers. A [`Service`](crate::Service) by hand names its requests itself:
///
/// ```
/// use netpoll::observe::RouteName;
///
/// static GET: RouteName = RouteName::new("get");
///
/// # fn handler() {
/// // In `on_request`, before it waits for anything:
/// GET.enter();
/// # }
/// # handler();
/// assert_eq!(GET.route().name(), "get");
/// ```
#[derive(Debug)]
pub struct RouteName {
    name: &'static str,
    route: OnceLock<Route>,
}

impl RouteName {
    /// Declares a name.
    pub const fn new(name: &'static str) -> Self {
        Self { name, route: OnceLock::new() }
    }

    /// Returns the route, which is the same for equal names.
    pub fn route(&self) -> Route {
        *self.route.get_or_init(|| intern(self.name, || self.name))
    }

    /// Names the request that this thread handles.
    #[inline]
    pub fn enter(&self) {
        self.route().enter();
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn equal_names_are_one_route() {
        static FIRST: RouteName = RouteName::new("observe::a");
        static SECOND: RouteName = RouteName::new("observe::a");
        static OTHER: RouteName = RouteName::new("observe::b");
        assert_eq!(FIRST.route(), SECOND.route());
        assert_ne!(FIRST.route(), OTHER.route());
        assert_eq!((OTHER.route().name(), Route::NONE.name()), ("observe::b", ""));
    }
}
