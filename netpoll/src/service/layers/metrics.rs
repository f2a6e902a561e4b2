//! Counts of requests, by route.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use parking_lot::Mutex;

use super::{Incoming, Layer, Outcome};
use crate::{
    frame::{Route, Status},
    service::fault::Fault,
};

/// The most routes that are counted apart. Callers choose names: those past this many are counted under
/// `other`.
const ROUTES: usize = 1024;

/// Counts requests, their outcomes and times, by route. Clones count together: keep one to read.
///
/// ```
/// use netpoll::layers::RequestMetrics;
///
/// let metrics = RequestMetrics::default();
/// let for_server = metrics.clone(); // `layers = [..]`, or `builder.layers((for_server,))`
/// # let _ = for_server;
/// for (route, counts) in metrics.snapshot() {
///     println!("{route}: {} requests, {} faults", counts.requests, counts.faults);
/// }
/// ```
#[derive(Clone, Debug, Default)]
pub struct RequestMetrics(Arc<Mutex<BTreeMap<String, RequestCounts>>>);

/// The counts of one route.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct RequestCounts {
    /// Requests that have begun.
    pub requests: u64,
    /// Requests in progress.
    pub in_progress: u64,
    /// Requests that ended with another status than [`Ok`](Status::Ok).
    pub faults: u64,
    /// The sum of the times in which requests were handled.
    pub took: Duration,
    /// The longest time in which a request was handled.
    pub longest: Duration,
    /// The sum of the times that requests waited before they were handled.
    pub waited: Duration,
    /// Bytes of requests.
    pub received: u64,
    /// Bytes of the frames that answered them.
    pub sent: u64,
}

impl RequestMetrics {
    /// Returns the counts of all routes so far, by their names. Requests without a route are counted under
    /// the empty name.
    pub fn snapshot(&self) -> BTreeMap<String, RequestCounts> {
        self.0.lock().clone()
    }

    fn count(&self, route: &str, count: impl FnOnce(&mut RequestCounts)) {
        if let Some(counts) = self.0.lock().get_mut(route) {
            count(counts);
        }
    }
}

impl Layer for RequestMetrics {
    type State = String;
    const TIMED: bool = true;

    fn before(&self, request: &mut Incoming<'_>) -> Result<String, Fault> {
        let mut route = request.route().as_ref().map_or(String::new(), Route::to_string);
        let mut routes = self.0.lock();
        if routes.len() >= ROUTES && !routes.contains_key(&route) {
            route = "other".to_owned();
        }
        let counts = routes.entry(route.clone()).or_default();
        counts.requests += 1;
        counts.in_progress += 1;
        counts.received += request.size() as u64;
        Ok(route)
    }

    fn after(&self, route: String, outcome: &Outcome) {
        self.count(&route, |counts| {
            counts.in_progress -= 1;
            counts.faults += u64::from(outcome.status() != Status::Ok);
            counts.took += outcome.took();
            counts.longest = counts.longest.max(outcome.took());
            counts.waited += outcome.waited();
            counts.sent += outcome.bytes() as u64;
        });
    }
}
