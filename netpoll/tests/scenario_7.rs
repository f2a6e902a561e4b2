//! Scenario 7, no progress: a handler that consumes nothing is called again only when more has come,
//! and nothing spins.

mod common;

use std::{
    io::{Read, Write},
    net::{Shutdown, TcpListener},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
        mpsc,
    },
    thread,
    time::Duration,
};

use common::{
    Client, Echo, client, descriptors, dialer, frame, runtime,
    scenario::{self, length, rounds},
    serve_on, wait_until,
};
use netpoll::{Call, Connection, ConnectionOptions, Dispatch, Flow, In, Result, Runtime, Service};

/// CPU time of this process so far.
fn cpu() -> Duration {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let after = stat.rsplit_once(')').unwrap().1;
    let ticks = after.split_whitespace().skip(11).take(2).map(|n| n.parse::<u64>().unwrap());
    Duration::from_millis(10 * ticks.sum::<u64>())
}

/// Nothing happens for a while: under 5% of a core, and few turns.
#[track_caller]
fn quiet(runtime: &Runtime) {
    let pause = Duration::from_millis(length(600, 5000) as u64);
    let (cpu_before, turns) = (cpu(), runtime.stats().turns);
    thread::sleep(pause);
    let used = cpu() - cpu_before;
    assert!(used <= pause / 20, "{used:?} of CPU in {pause:?}");
    let turns = runtime.stats().turns - turns;
    assert!(turns <= 2, "{turns} turns");
}

/// Consumes nothing.
struct Stares<const ASYNC: bool>(Arc<AtomicUsize>);

impl<const ASYNC: bool> Service for Stares<ASYNC> {
    type Session = ();
    type Request = In<'static>;
    const DISPATCH: Dispatch = if ASYNC { Dispatch::Async } else { Dispatch::Sync };

    async fn on_connect(&self, _: &Connection) -> Result<()> {
        Ok(())
    }

    async fn on_request<'a>(&'a self, _: Call<'a, ()>, input: In<'a>) -> Result<Flow> {
        assert!(!input.is_empty());
        self.0.fetch_add(1, SeqCst);
        Ok(Flow::Continue)
    }
}

fn consumes_nothing<const ASYNC: bool>(runtime: &Runtime) {
    const ARRIVALS: usize = 5;
    let calls = Arc::new(AtomicUsize::new(0));
    let server = serve_on(runtime, Stares::<ASYNC>(calls.clone()), |b| b);
    let mut client = client(&server);
    for _ in 0..ARRIVALS {
        client.write_all(b"look at me").unwrap();
        thread::sleep(Duration::from_millis(10));
    }
    quiet(runtime);
    assert!((1..=ARRIVALS + 1).contains(&calls.load(SeqCst)), "{} calls", calls.load(SeqCst));
    drop(client);
    wait_until(|| server.live() == 0);
    assert!(calls.load(SeqCst) <= ARRIVALS + 2, "{} calls", calls.load(SeqCst));
    server.shutdown(Duration::from_secs(1));
}

fn swapped_with_data_waiting(runtime: &Runtime) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let peer = thread::spawn(move || Client::accepted(listener.accept().unwrap().0).unwrap());
    let conn = dialer(runtime).dial(&address).unwrap();
    let mut peer = peer.join().unwrap();
    let calls = Arc::new(AtomicUsize::new(0));
    let count = calls.clone();
    conn.set_on_request(move |_, _| {
        count.fetch_add(1, SeqCst);
        Ok(())
    })
    .unwrap();
    peer.write_all(b"waits").unwrap();
    wait_until(|| calls.load(SeqCst) >= 1);
    quiet(runtime);
    let (tell, told) = mpsc::channel();
    conn.set_on_request(move |_, input| {
        let n = input.len();
        tell.send(input.read_string(n)?).unwrap();
        Ok(())
    })
    .unwrap();
    assert_eq!(told.recv_timeout(Duration::from_secs(10)).unwrap(), "waits");
    assert!(calls.load(SeqCst) <= 2);
    quiet(runtime);
}

fn output_full_and_the_peer_half_closed(runtime: &Runtime) {
    let mut options = ConnectionOptions::default();
    (options.write_high, options.write_low) = (64 << 10, 16 << 10);
    let server = serve_on(runtime, Echo::default(), |b| b.options(options));
    let mut peer = client(&server);
    const FRAMES: usize = 100;
    let payload = vec![5; 100_000];
    let mut writer = peer.try_clone().unwrap();
    let bytes = frame(&payload);
    let writes = thread::spawn(move || {
        (0..FRAMES).for_each(|_| writer.write_all(&bytes).unwrap());
        writer.shutdown(Shutdown::Write).unwrap();
    });
    // Nobody reads: the server stops reading too.
    thread::sleep(Duration::from_millis(100));
    quiet(runtime);
    let mut all = Vec::new();
    peer.read_to_end(&mut all).unwrap();
    writes.join().unwrap();
    scenario::same(&all, &frame(&payload).repeat(FRAMES));
    wait_until(|| server.live() == 0);

    // The same with output so small that all the input was read before the half-close.
    let mut peer = client(&server);
    let bytes = frame(&vec![5; 6_000_000]);
    peer.write_all(&bytes).unwrap();
    peer.shutdown(Shutdown::Write).unwrap();
    thread::sleep(Duration::from_millis(100));
    quiet(runtime);
    let mut all = Vec::new();
    peer.read_to_end(&mut all).unwrap();
    scenario::same(&all, &bytes);
    wait_until(|| server.live() == 0);
    server.shutdown(Duration::from_secs(1));
}

#[test]
fn what_makes_no_progress_costs_nothing() {
    for pollers in [1, 2] {
        for _ in rounds(1, 5, 2) {
            let baseline = descriptors();
            let runtime = runtime(pollers);
            consumes_nothing::<false>(&runtime);
            consumes_nothing::<true>(&runtime);
            swapped_with_data_waiting(&runtime);
            output_full_and_the_peer_half_closed(&runtime);
            scenario::ends(runtime, baseline);
            // Two that consumed nothing, one swapped, two half-closed.
            scenario::faults(5);
        }
    }
    scenario::tell();
}
