//! Requests that are refused for their form.

/// The answer to bytes that are no request, or none that is served.
///
/// Where the next request begins cannot be told any more: the connection closes after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The answer's status.
    pub status: u16,
    /// The reason, for a person.
    pub why: &'static str,
}

impl Refusal {
    pub(super) const TOO_LARGE: Self = Self { status: 413, why: "the request is too large" };
    pub(super) const LONG_TARGET: Self = Self { status: 414, why: "the request line is too long" };
    pub(super) const LONG_HEAD: Self = Self { status: 431, why: "the header fields are too long" };
    pub(super) const MANY_FIELDS: Self =
        Self { status: 431, why: "there are too many header fields" };

    /// A request that is malformed.
    pub(super) const fn bad(why: &'static str) -> Self {
        Self { status: 400, why }
    }

    /// A request that asks for what is not implemented.
    pub(super) const fn unknown(why: &'static str) -> Self {
        Self { status: 501, why }
    }
}
