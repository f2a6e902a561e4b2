//! Every mark of a method, and layers in each form.

use std::time::Duration;

use netpoll::{
    EventLoop, Stream,
    layers::{AccessLog, ConcurrencyLimit, Ext, LoadShed, RateLimit, RequestMetrics, Trace},
    rpc::{Answer, Call},
};

#[netpoll::service]
trait Feed {
    #[stream]
    #[timeout = "1m"]
    async fn items(&self, below: u64) -> impl Stream<Item = u64>;
    #[stream]
    fn checked(&self) -> impl Stream<Item = Result<u64, String>>;
    #[oneway]
    fn log(&self, line: String);
    #[oneway]
    #[route = "v1.note"]
    async fn note(&self);
    #[idempotent]
    #[concurrent = 64]
    async fn get(&self, key: String) -> Option<Vec<u8>>;
}

#[derive(Clone)]
struct User;

struct Kv {
    metrics: RequestMetrics,
}

#[netpoll::server(
    frame = Call<'_>,
    reply = Answer<'_>,
    layers = [Trace, self.metrics.clone(), RateLimit::per_peer(10, Duration::from_secs(1))],
)]
impl Kv {
    #[on_request("get")]
    fn get(&self, _user: Ext<User>, bytes: Vec<u8>) -> Vec<u8> {
        bytes
    }
}

fn main() {
    let metrics = RequestMetrics::default();
    let _ = Kv { metrics: metrics.clone() }.builder().max_frame(1024);
    let _ = EventLoop::builder(Kv { metrics })
        .layers((AccessLog, (ConcurrencyLimit::new(9), LoadShed::after(Duration::from_secs(1)))))
        .layers(Trace);
}
