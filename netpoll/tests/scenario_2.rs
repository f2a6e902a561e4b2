//! Scenario 2, hang-up as the handler returns: exactly one disconnect each, and nothing stays.

mod common;

use std::{
    io::Write,
    os::unix::net::UnixStream,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    thread,
};

use common::{
    Bench, Client, descriptors, frame, over, random, read_frame, runtime,
    scenario::{self, rounds},
    wait_until,
};
use netpoll::{Call, CloseReason, Connection, Dispatch, EventLoop, Flow, Result, Service};

/// Echoes at once, then takes its time to return.
struct Lingers<const ASYNC: bool>(Arc<[AtomicUsize; 4]>);

impl<const ASYNC: bool> Service for Lingers<ASYNC> {
    type Session = u32;
    type Request = Bench<'static>;
    const DISPATCH: Dispatch = if ASYNC { Dispatch::Async } else { Dispatch::Sync };

    async fn on_connect(&self, _: &Connection) -> Result<u32> {
        self.0[0].fetch_add(1, SeqCst);
        Ok(0)
    }

    async fn on_request<'a>(&'a self, mut call: Call<'a, u32>, req: Bench<'a>) -> Result<Flow> {
        self.0[1].fetch_add(1, SeqCst);
        call.out.put(&req)?;
        call.out.flush()?;
        for _ in 0..u32::from_be_bytes(req.0.try_into().unwrap()) {
            std::hint::spin_loop();
        }
        Ok(Flow::Continue)
    }

    fn on_disconnect(&self, _: &Connection, _: CloseReason) {
        self.0[2].fetch_add(1, SeqCst);
    }

    async fn on_close(&self, _: &Connection, _: u32, reason: CloseReason) {
        assert!(reason.by_peer(), "{reason}");
        self.0[3].fetch_add(1, SeqCst);
    }
}

fn hang_up<const ASYNC: bool>(pollers: usize) {
    const THREADS: usize = 8;
    let baseline = descriptors();
    let counts = Arc::new([const { AtomicUsize::new(0) }; 4]);
    let runtime = runtime(pollers);
    let address = format!("unix:@netpoll-scenario-2-{}", std::process::id());
    let server = over::serve(EventLoop::builder(Lingers::<ASYNC>(counts.clone())))
        .runtime(&runtime)
        .listen(&address)
        .bind()
        .unwrap();
    let handle = server.handle();
    let clients: Vec<_> = (0..THREADS)
        .map(|thread| {
            thread::spawn(move || {
                use std::os::linux::net::SocketAddrExt;
                let name = format!("netpoll-scenario-2-{}", std::process::id());
                let address =
                    std::os::unix::net::SocketAddr::from_abstract_name(name.as_bytes()).unwrap();
                let mut seed = scenario::seed() + thread as u64;
                let mut calls = 0;
                for _ in rounds(200, 25_000, 4) {
                    let socket = UnixStream::connect_addr(&address).unwrap();
                    let mut client = Client::over_unix(socket).unwrap();
                    let linger = random(&mut seed, 20_000) as u32;
                    let request = frame(&linger.to_be_bytes());
                    client.write_all(&request).unwrap();
                    scenario::same(&read_frame(&mut client), &linger.to_be_bytes());
                    calls += 1;
                }
                calls
            })
        })
        .collect();
    let all = clients.into_iter().map(|client| client.join().unwrap()).sum();
    scenario::faults(all);
    wait_until(|| runtime.stats().connections == 0 && handle.live() == 0);
    assert_eq!(counts.each_ref().map(|n| n.load(SeqCst)), [all; 4]);
    drop((handle, server));
    scenario::ends(runtime, baseline);
}

#[test]
fn each_connection_disconnects_once() {
    for pollers in [1, 2] {
        hang_up::<false>(pollers);
        hang_up::<true>(pollers);
    }
    scenario::tell();
}
