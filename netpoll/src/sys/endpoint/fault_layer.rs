//! [`FaultLayer`]: where faults are injected between a runtime and the system.

use std::{fmt, io, sync::Arc};

use super::Endpoint;

/// A check before each accept of one listener, whose error is the accept's.
pub(crate) type BeforeAccept = Box<dyn Fn() -> io::Result<()> + Send + Sync>;

/// Injects faults: implemented by the test kit.
pub(crate) trait Inject: fmt::Debug + Send + Sync {
    /// An error in place of the descriptor that a dial opens.
    fn before_open(self: Arc<Self>) -> io::Result<()>;

    /// The check of one more listener.
    fn before_accept(self: Arc<Self>) -> BeforeAccept;

    /// `endpoint` with faults around it.
    fn around(self: Arc<Self>, endpoint: Endpoint) -> Endpoint;
}

/// The faults of a runtime: none, unless a test says otherwise.
#[derive(Clone, Debug, Default)]
pub(crate) struct FaultLayer(Option<Arc<dyn Inject>>);

impl From<Arc<dyn Inject>> for FaultLayer {
    fn from(inject: Arc<dyn Inject>) -> Self {
        Self(Some(inject))
    }
}

impl FaultLayer {
    pub(super) fn before_open(&self) -> io::Result<()> {
        self.0.as_ref().map_or(Ok(()), |inject| inject.clone().before_open())
    }

    /// See [`Inject::before_accept`].
    pub(crate) fn before_accept(&self) -> Option<BeforeAccept> {
        self.0.as_ref().map(|inject| inject.clone().before_accept())
    }

    /// `endpoint` with faults around it, if it has none yet.
    pub(crate) fn around(&self, endpoint: Endpoint) -> Endpoint {
        match &self.0 {
            Some(inject) if !endpoint.is_faulty() => inject.clone().around(endpoint),
            _ => endpoint,
        }
    }
}
