//! The sources of a client's endpoints.

use std::{
    fmt,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Arc,
};

use super::resolve::Resolve;
use crate::{
    addr::{Address, PeerAddress, ToAddress},
    error::Result,
};

/// A conversion into the endpoints of a client: one address or several (`"host:port"`,
/// `["a:1", "unix:/b"]`, a `SocketAddr`, a `Path`, a `Vec`), or a [`Resolve`].
///
/// A list does not change. A host's name in it is one endpoint: each dial resolves it, and tries its
/// addresses in turn. With [`SystemDns`](super::SystemDns) each of its addresses is an endpoint.
pub trait IntoEndpoints {
    /// Converts into a source of endpoints.
    fn into_endpoints(self) -> Source;
}

/// The endpoints of a client; see [`IntoEndpoints`].
#[non_exhaustive]
pub enum Source {
    /// A list of addresses; one that cannot be parsed is an error when the client is built.
    Listed(Vec<Result<Address>>),
    /// A resolver, which is asked again and again.
    Resolved(Arc<dyn Resolve>),
}

macro_rules! one_address {
    ($($type:ty),*) => {
        $(
            impl IntoEndpoints for $type {
                fn into_endpoints(self) -> Source {
                    Source::Listed(vec![self.to_address()])
                }
            }
        )*
    };
}

one_address!(&str, String, &String, Address, SocketAddr, PeerAddress, &PeerAddress, &Path, PathBuf);

impl<T: ToAddress, const N: usize> IntoEndpoints for [T; N] {
    fn into_endpoints(self) -> Source {
        self.as_slice().into_endpoints()
    }
}

impl<T: ToAddress> IntoEndpoints for &[T] {
    fn into_endpoints(self) -> Source {
        Source::Listed(self.iter().map(ToAddress::to_address).collect())
    }
}

impl<T: ToAddress> IntoEndpoints for Vec<T> {
    fn into_endpoints(self) -> Source {
        self.as_slice().into_endpoints()
    }
}

impl<R: Resolve> IntoEndpoints for R {
    fn into_endpoints(self) -> Source {
        Source::Resolved(Arc::new(self))
    }
}

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Listed(addresses) => addresses.fmt(f),
            Self::Resolved(_) => f.write_str("Resolved"),
        }
    }
}
