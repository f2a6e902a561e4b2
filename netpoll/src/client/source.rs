//! The sources of a client's endpoints.

use std::{fmt, sync::Arc};

use super::resolve::Resolve;

/// A conversion into the endpoints of a client: one address or several (`"host:port"`,
/// `["a:1", "unix:/b"]`, a `Vec`), or a [`Resolve`].
///
/// A list does not change. A host's name in it is one endpoint: each dial resolves it, and tries its
/// addresses in turn. With [`SystemDns`](super::SystemDns) each of its addresses is an endpoint.
pub trait IntoEndpoints {
    /// Converts into a source of endpoints.
    fn into_endpoints(self) -> Source;
}

/// The endpoints of a client, before they are parsed; see [`IntoEndpoints`].
pub enum Source {
    /// A list of addresses in text form.
    Listed(Vec<String>),
    /// A resolver, which is asked again and again.
    Resolved(Arc<dyn Resolve>),
}

impl IntoEndpoints for &str {
    fn into_endpoints(self) -> Source {
        Source::Listed(vec![self.to_owned()])
    }
}

impl IntoEndpoints for String {
    fn into_endpoints(self) -> Source {
        Source::Listed(vec![self])
    }
}

impl<T: ToString, const N: usize> IntoEndpoints for [T; N] {
    fn into_endpoints(self) -> Source {
        self.as_slice().into_endpoints()
    }
}

impl<T: ToString> IntoEndpoints for &[T] {
    fn into_endpoints(self) -> Source {
        Source::Listed(self.iter().map(ToString::to_string).collect())
    }
}

impl<T: ToString> IntoEndpoints for Vec<T> {
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
            Self::Listed(texts) => texts.fmt(f),
            Self::Resolved(_) => f.write_str("Resolved"),
        }
    }
}
