//! Payloads: the arguments that a request carries and the result that a reply carries, in a format of
//! their own.

#[cfg(any(feature = "json", feature = "postcard", feature = "prost"))]
use std::ops::{Deref, DerefMut};

use super::fault::Fault;
use crate::frame::Chunks;
#[cfg(any(feature = "json", feature = "postcard"))]
use crate::frame::Status;

/// An argument that is decoded from a request's payload: `Json`, `Postcard`, `Prost`, the bytes as
/// a `Vec<u8>`, or `()` for none.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be decoded from a request's payload",
    label = "no payload",
    note = "take `Json<T>`, `Postcard<T>` or `Prost<T>` (features of netpoll), or `Vec<u8>`"
)]
pub trait FromPayload: Sized {
    /// Decodes the payload.
    ///
    /// # Errors
    /// [`Fault::malformed`]: the bytes are not of the format.
    fn from_payload(payload: &Chunks<'_>) -> Result<Self, Fault>;
}

/// A result that is encoded as a reply's payload.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be encoded as a reply's payload",
    label = "no payload",
    note = "return `Json<T>`, `Postcard<T>` or `Prost<T>` (features of netpoll), `Vec<u8>`, `()`, or a \
            `Result` of one with an error that becomes a `Fault`"
)]
pub trait IntoPayload {
    /// Encodes the payload.
    ///
    /// # Errors
    /// The value cannot be expressed in the format.
    fn into_payload(self) -> Result<Vec<u8>, Fault>;
}

impl FromPayload for Vec<u8> {
    fn from_payload(payload: &Chunks<'_>) -> Result<Self, Fault> {
        Ok(payload.to_vec())
    }
}

impl IntoPayload for Vec<u8> {
    fn into_payload(self) -> Result<Self, Fault> {
        Ok(self)
    }
}

impl FromPayload for () {
    fn from_payload(_: &Chunks<'_>) -> Result<Self, Fault> {
        Ok(())
    }
}

impl IntoPayload for () {
    fn into_payload(self) -> Result<Vec<u8>, Fault> {
        Ok(Vec::new())
    }
}

impl<T: IntoPayload, E: Into<Fault>> IntoPayload for Result<T, E> {
    fn into_payload(self) -> Result<Vec<u8>, Fault> {
        self.map_err(Into::into)?.into_payload()
    }
}

/// Calls `f` with the payload's bytes, contiguous: copied only if they lie in several pieces.
#[cfg(any(feature = "json", feature = "postcard", feature = "prost"))]
fn contiguous<T>(payload: &Chunks<'_>, f: impl FnOnce(&[u8]) -> T) -> T {
    f(&payload.to_contiguous())
}

/// A format that encodes values of any type that serde knows.
#[cfg(any(feature = "json", feature = "postcard"))]
pub trait PayloadFormat: Send + Sync + 'static {
    /// Encodes `value`.
    ///
    /// # Errors
    /// The value cannot be expressed in the format.
    fn encode<T: serde::Serialize + ?Sized>(value: &T) -> Result<Vec<u8>, Fault>;

    /// Decodes a value from all of `bytes`.
    ///
    /// # Errors
    /// The bytes are not of the format.
    fn decode<T: serde::de::DeserializeOwned>(bytes: &[u8]) -> Result<T, Fault>;
}

#[cfg(any(feature = "json", feature = "postcard"))]
#[cold]
fn inexpressible() -> Fault {
    Fault::new(Status::Failed, "the result cannot be encoded")
}

#[cfg(any(feature = "json", feature = "postcard", feature = "prost"))]
macro_rules! wrapper {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        pub struct $name<T = ()>(pub T);

        impl<T> Deref for $name<T> {
            type Target = T;
            fn deref(&self) -> &T {
                &self.0
            }
        }

        impl<T> DerefMut for $name<T> {
            fn deref_mut(&mut self) -> &mut T {
                &mut self.0
            }
        }
    };
}

#[cfg(any(feature = "json", feature = "postcard"))]
macro_rules! by_serde {
    ($name:ident) => {
        impl<T: serde::de::DeserializeOwned> FromPayload for $name<T> {
            fn from_payload(payload: &Chunks<'_>) -> Result<Self, Fault> {
                contiguous(payload, |bytes| <$name as PayloadFormat>::decode(bytes)).map(Self)
            }
        }

        impl<T: serde::Serialize> IntoPayload for $name<T> {
            fn into_payload(self) -> Result<Vec<u8>, Fault> {
                <$name as PayloadFormat>::encode(&self.0)
            }
        }
    };
}

#[cfg(feature = "json")]
mod json {
    use super::*;

    wrapper! {
        /// A payload in JSON: an argument or a result of a handler. Feature `json`.
        Json
    }
    by_serde!(Json);

    impl PayloadFormat for Json {
        fn encode<T: serde::Serialize + ?Sized>(value: &T) -> Result<Vec<u8>, Fault> {
            serde_json::to_vec(value).map_err(|_| inexpressible())
        }

        fn decode<T: serde::de::DeserializeOwned>(bytes: &[u8]) -> Result<T, Fault> {
            serde_json::from_slice(bytes).map_err(|_| Fault::malformed())
        }
    }
}
#[cfg(feature = "json")]
pub use json::Json;

#[cfg(feature = "postcard")]
mod postcards {
    use super::*;

    wrapper! {
        /// A payload in [Postcard](https://postcard.jamesmunns.com): an argument or a result of a handler.
        /// Feature `postcard`.
        Postcard
    }
    by_serde!(Postcard);

    impl PayloadFormat for Postcard {
        fn encode<T: serde::Serialize + ?Sized>(value: &T) -> Result<Vec<u8>, Fault> {
            postcard::to_stdvec(value).map_err(|_| inexpressible())
        }

        fn decode<T: serde::de::DeserializeOwned>(bytes: &[u8]) -> Result<T, Fault> {
            match postcard::take_from_bytes(bytes) {
                Ok((value, [])) => Ok(value),
                _ => Err(Fault::malformed()),
            }
        }
    }
}
#[cfg(feature = "postcard")]
pub use postcards::Postcard;

#[cfg(feature = "prost")]
mod protobuf {
    use super::*;

    wrapper! {
        /// A payload in Protocol Buffers: an argument or a result of a handler. Feature `prost`.
        Prost
    }

    impl<T: prost::Message + Default> FromPayload for Prost<T> {
        fn from_payload(payload: &Chunks<'_>) -> Result<Self, Fault> {
            contiguous(payload, |bytes| T::decode(bytes)).map(Self).map_err(|_| Fault::malformed())
        }
    }

    impl<T: prost::Message> IntoPayload for Prost<T> {
        fn into_payload(self) -> Result<Vec<u8>, Fault> {
            Ok(self.0.encode_to_vec())
        }
    }
}
#[cfg(feature = "prost")]
pub use protobuf::Prost;
