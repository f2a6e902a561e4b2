//! Values that layers attach, as arguments of handlers.

use std::any::type_name;

use crate::{
    error::{Error, ErrorKind, Result},
    service::extract::{CallParts, FromCall},
};

/// A value that a layer has attached to the request ([`Incoming::attach`](super::Incoming::attach)), as an
/// argument of its handler: `Ext(user): Ext<User>`. The handler gets a clone.
///
/// If no layer has attached a `T` the request is not handled, and the connection closes with an error of
/// the kind `Config` that says so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ext<T>(pub T);

impl<S, T: Clone + 'static> FromCall<'_, S> for Ext<T> {
    fn from_call(parts: &mut CallParts<'_, S>) -> Result<Self> {
        parts.notes().and_then(|notes| notes.attached()).map(Ext).ok_or_else(|| {
            let value = type_name::<T>();
            let why = format!(
                "no layer has attached a `{value}`: add the layer that does to the server's `layers`"
            );
            Error::new(ErrorKind::Config, why)
        })
    }
}
