//! Calls that handlers make: they give their poller away, and inherit the deadline of whoever waits.

mod common;

use std::{
    thread,
    time::{Duration, Instant},
};

use common::{Answer, Bench, serve, serve_on, sleepy, wait_until};
use netpoll::{
    Call, Connection, ErrorKind, Flow, Result, Runtime, Service,
    client::{CallOptions, Client},
};

type BenchClient = Client<Bench<'static>, Bench<'static>>;

/// Passes each request on, and its answer back.
struct Proxy {
    upstream: BenchClient,
    is_async: bool,
}

impl Service for Proxy {
    type Session = ();
    type Request = Bench<'static>;

    async fn on_connect(&self, _: &Connection) -> Result<()> {
        Ok(())
    }

    async fn on_request<'a>(&'a self, mut call: Call<'a, ()>, request: Bench<'a>) -> Result<Flow> {
        let options = CallOptions::new().deadline(call.deadline);
        let reply = match self.is_async {
            false => self.upstream.call_with(request, options),
            true => self.upstream.call_async_with(request, options).await,
        };
        match reply {
            Ok(reply) => call.out.put(&reply.get()?)?,
            Err(error) => call.out.put(&Bench(error.to_string().as_bytes()))?,
        }
        Ok(Flow::Continue)
    }
}

fn client(runtime: &Runtime, address: &str) -> BenchClient {
    BenchClient::pool(address).runtime(runtime).max_connections(8).build().unwrap()
}

/// One poller serves proxy, upstream and both clients: a caller that kept it would wait for ever.
#[test]
fn a_handler_that_calls_gives_its_poller_away() {
    for is_async in [false, true] {
        let runtime = Runtime::builder().pollers(1).max_workers(16).build().unwrap();
        let upstream = serve_on(&runtime, Answer::by(sleepy), |b| b);
        let upstream = client(&runtime, &upstream.addresses()[0].to_string());
        let proxy = serve_on(&runtime, Proxy { upstream, is_async }, |b| b);
        let client = client(&runtime, &proxy.addresses()[0].to_string());
        thread::scope(|scope| {
            for caller in 0..8 {
                let client = &client;
                scope.spawn(move || {
                    for n in 0..20 {
                        let text = format!("{caller} {n}");
                        let reply = client.call(Bench(text.as_bytes())).unwrap();
                        assert_eq!(reply.get().unwrap().0, text.as_bytes());
                    }
                });
            }
        });
    }
}

#[test]
fn a_call_inherits_its_handlers_deadline() {
    let (runtime, upstream) = serve(Answer::by(sleepy), |b| b);
    let address = upstream.addresses()[0].to_string();
    let upstream = client(&runtime, &address);
    let handlers = netpoll::Deadline::after(Duration::from_millis(30));
    let start = Instant::now();
    let options = CallOptions::new().deadline(handlers);
    let late = upstream.call_with(Bench(b"sleep 3000"), options).unwrap_err();
    assert_eq!(late.kind(), ErrorKind::TimedOut);
    let options = options.timeout(Duration::from_secs(20));
    let late = upstream.call_with(Bench(b"sleep 3000"), options).unwrap_err();
    assert_eq!(late.kind(), ErrorKind::TimedOut, "it had passed before");
    assert_eq!(upstream.stats().poisoned, 1, "nothing was sent");
    assert!(start.elapsed() < Duration::from_secs(2));
    wait_until(|| upstream.stats().connections == 0);
}

#[cfg(unix)]
#[test]
fn a_unix_socket_is_an_address_as_any() {
    let path = std::env::temp_dir().join(format!("netpoll-client-{}", std::process::id()));
    let address = format!("unix:{}", path.display());
    let runtime = common::runtime(1);
    let server = netpoll::EventLoop::builder(common::Echo::default())
        .runtime(&runtime)
        .listen(&*address)
        .bind()
        .unwrap();
    let handle = server.handle();
    let serves = thread::spawn(|| server.serve());
    let client = client(&runtime, &address);
    assert_eq!(client.call(Bench(b"here")).unwrap().get().unwrap().0, b"here");
    drop(client);
    handle.shutdown(Duration::from_secs(5));
    serves.join().unwrap().unwrap();
}
