//! Limits of requests in a time.

use std::{collections::HashMap, net::IpAddr, time::Duration};

use parking_lot::Mutex;

use super::{Incoming, Layer};
use crate::{frame::Status, sched, service::fault::Fault, timer::Moment};

/// The most peers that a limit remembers. Past them the ones that have used nothing lately are forgotten.
const PEERS: usize = 64 * 1024;

/// Refuses requests past a rate, of the whole server or of each peer's IP address. Peers without one, as on
/// Unix sockets, share one limit.
///
/// Each has a bucket of `requests` tokens that fills in the time `per`; a request takes one, or is answered
/// by [`Status::Limit`] if there is none. So a burst of `requests` is let in after a quiet time.
///
/// ```
/// use std::time::Duration;
/// use netpoll::layers::RateLimit;
///
/// // 1,000 requests a second for each client.
/// let limit = RateLimit::per_peer(1_000, Duration::from_secs(1));
/// # let _ = limit;
/// ```
#[derive(Debug)]
pub struct RateLimit {
    requests: f64,
    per: Duration,
    buckets: Buckets,
}

#[derive(Debug)]
enum Buckets {
    Server(Mutex<Option<Bucket>>),
    Peers(Mutex<HashMap<Option<IpAddr>, Bucket>>),
}

/// The tokens that were left at a moment.
#[derive(Clone, Copy, Debug)]
struct Bucket {
    tokens: f64,
    at: Moment,
}

impl RateLimit {
    /// Creates a limit of `requests` in the time `per`, of all peers together.
    ///
    /// # Panics
    /// If `requests` or `per` is zero.
    pub fn new(requests: u32, per: Duration) -> Self {
        Self::of(requests, per, Buckets::Server(Mutex::default()))
    }

    /// Creates a limit of `requests` in the time `per` for each peer's IP address.
    ///
    /// # Panics
    /// If `requests` or `per` is zero.
    pub fn per_peer(requests: u32, per: Duration) -> Self {
        Self::of(requests, per, Buckets::Peers(Mutex::default()))
    }

    fn of(requests: u32, per: Duration, buckets: Buckets) -> Self {
        assert!(requests > 0 && !per.is_zero(), "a rate limit of {requests} requests in {per:?}");
        Self { requests: requests.into(), per, buckets }
    }

    /// Returns the tokens of `bucket` at the moment `now`.
    fn tokens(&self, bucket: &Bucket, now: Moment) -> f64 {
        let filled = now.since(bucket.at).as_secs_f64() / self.per.as_secs_f64() * self.requests;
        (bucket.tokens + filled).min(self.requests)
    }

    /// Takes a token, if there is one; gives what is left.
    fn take(&self, bucket: Option<&Bucket>, now: Moment) -> (Bucket, bool) {
        let tokens = bucket.map_or(self.requests, |bucket| self.tokens(bucket, now));
        let enough = tokens >= 1.0;
        (Bucket { tokens: if enough { tokens - 1.0 } else { tokens }, at: now }, enough)
    }

    fn admits(&self, peer: Option<IpAddr>) -> bool {
        let now = sched::clock().now();
        match &self.buckets {
            Buckets::Server(bucket) => {
                let mut bucket = bucket.lock();
                let (left, enough) = self.take(bucket.as_ref(), now);
                *bucket = Some(left);
                enough
            }
            Buckets::Peers(buckets) => {
                let mut buckets = buckets.lock();
                if buckets.len() >= PEERS && !buckets.contains_key(&peer) {
                    // A full bucket is as good as none.
                    buckets.retain(|_, bucket| self.tokens(bucket, now) < self.requests);
                    if buckets.len() >= PEERS {
                        return false;
                    }
                }
                let (left, enough) = self.take(buckets.get(&peer), now);
                buckets.insert(peer, left);
                enough
            }
        }
    }
}

impl Layer for RateLimit {
    type State = ();

    fn before(&self, request: &mut Incoming<'_>) -> Result<(), Fault> {
        if self.admits(request.peer().inet().map(|peer| peer.ip())) {
            return Ok(());
        }
        Err(Fault::new(Status::Limit, "too many requests in this time"))
    }
}
