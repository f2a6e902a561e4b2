//! What tests set on a runtime.

use super::builder::Builder;
use crate::sys::testing::Faults;

impl Builder {
    /// What befalls this runtime's sockets and listeners. Default: nothing but what the system does.
    #[must_use]
    pub fn faults(mut self, faults: Faults) -> Self {
        self.0.faults = faults;
        self
    }
}
