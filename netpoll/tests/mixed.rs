//! 100 connections in a closed loop, of whose requests 1% sleep 20 ms in their handler, unmarked: what
//! the others see. The server is a child process on one core; its clients are here, on the other.

mod common;

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    os::fd::AsFd,
    process::{Child, ChildStdout, Command, Stdio},
    time::{Duration, Instant},
};

use common::{Answer, Bench, frame, serve_on};
use netpoll::{
    Call, Flow, Runtime,
    poller::{Event, Events, Interest, Poller},
};

const CHILD: &str = "NETPOLL_MIXED";
const CONNECTIONS: usize = 100;
/// A round's length. Several rounds are tried, since others use this machine too.
const ROUND: Duration = Duration::from_millis(1500);
const ROUNDS: usize = 5;

/// Serves: a frame that begins with 1 sleeps.
fn server() {
    let runtime = Runtime::builder().pollers(1).build().unwrap();
    let service = Answer::by(|call: &mut Call<'_, u32>, frame: &[u8]| {
        if frame[0] == 1 {
            std::thread::sleep(Duration::from_millis(20));
        }
        call.out.put(&Bench(frame))?;
        Ok(Flow::Continue)
    });
    let server = serve_on(&runtime, service, |b| b);
    println!("\n> {}", server.addresses()[0].inet().unwrap());
    let _ = std::io::stdin().read(&mut [0]);
    let stats = runtime.stats();
    eprintln!(
        "{} turns, {} hand-overs by the monitor, {} workers",
        stats.turns, stats.handovers_by_monitor, stats.workers
    );
    server.shutdown(Duration::ZERO);
}

struct Server {
    child: Child,
    address: String,
    /// The child writes there until its end.
    _answers: BufReader<ChildStdout>,
}

impl Server {
    fn start() -> Self {
        let own = std::env::current_exe().unwrap();
        let mut child = Command::new("taskset")
            .args(["-c", "0"])
            .arg(own)
            .args(["--exact", "sleepers_hold_nobody_up", "--nocapture"])
            .env(CHILD, "1")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("taskset, of util-linux");
        let mut answers = BufReader::new(child.stdout.take().unwrap());
        let address = loop {
            let mut line = String::new();
            assert!(answers.read_line(&mut line).unwrap() > 0, "the child ended");
            if let Some(address) = line.strip_prefix("> ") {
                break address.trim().to_owned();
            }
        };
        Self { child, address, _answers: answers }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        let _ = self.child.wait();
    }
}

/// What a round gave.
struct Figures {
    /// 99 of 100 requests that do not sleep took no longer.
    p99: Duration,
    /// Requests in a second, of all.
    rate: f64,
}

/// Each connection sends its next request when it has the answer; every `nth` request sleeps.
fn round(address: &str, nth: Option<usize>) -> Figures {
    let poller = Poller::new().unwrap();
    let mut clients: Vec<_> = (0..CONNECTIONS)
        .map(|i| {
            let client = TcpStream::connect(address).unwrap();
            client.set_nodelay(true).unwrap();
            client.set_nonblocking(true).unwrap();
            poller.register(client.as_fd(), Interest::Stream, i).unwrap();
            (client, Instant::now(), false, 0)
        })
        .collect();
    let mut sent = 0;
    let mut times = Vec::with_capacity(1 << 20);
    let mut send = |client: &mut (TcpStream, Instant, bool, usize)| {
        sent += 1;
        // Spread over the connections by a step that has no factor in common with them.
        let sleeps = nth.is_some_and(|nth| sent % nth == nth / 2);
        let mut payload = [0; 1024];
        payload[0] = u8::from(sleeps);
        client.1 = Instant::now();
        client.2 = sleeps;
        client.0.write_all(&frame(&payload)).unwrap();
    };
    let began = Instant::now();
    clients.iter_mut().for_each(&mut send);
    let mut events = Events::with_capacity(256);
    let mut answer = [0; 4096];
    let mut answered = 0;
    while began.elapsed() < ROUND {
        poller.poll(&mut events, Some(Duration::from_millis(100))).unwrap();
        for (i, event) in events.drain() {
            let Event::Ready(_) = event else { continue };
            let client = &mut clients[i];
            while let Ok(n) = client.0.read(&mut answer) {
                assert!(n > 0, "the server closed a connection");
                client.3 += n;
                if client.3 == 1028 {
                    client.3 = 0;
                    answered += 1;
                    if !client.2 {
                        times.push(client.1.elapsed());
                    }
                    send(client);
                }
            }
        }
    }
    let rate = f64::from(answered) / began.elapsed().as_secs_f64();
    times.sort_unstable();
    Figures { p99: times[times.len() * 99 / 100], rate }
}

#[test]
fn sleepers_hold_nobody_up() {
    if std::env::var_os(CHILD).is_some() {
        return server();
    }
    // Unoptimised code is not what the figures are for; but where nobody takes a poller over, an eighth
    // of the requests is left.
    let (most_ms, least) = if cfg!(debug_assertions) { (20.0, 0.25) } else { (1.5, 0.5) };
    let mut told = String::new();
    for _ in 0..ROUNDS {
        let server = Server::start();
        // The first round of each makes workers and warms caches.
        round(&server.address, None);
        let without = round(&server.address, None);
        round(&server.address, Some(100));
        let with = round(&server.address, Some(100));
        let more = with.p99.saturating_sub(without.p99);
        let part = with.rate / without.rate;
        let figures = format!(
            "without sleepers p99 {:?}, {:.0} requests/s; with p99 {:?}, {:.0} requests/s: \
             {more:?} more, {:.0}% of the requests\n",
            without.p99,
            without.rate,
            with.p99,
            with.rate,
            100.0 * part
        );
        print!("{figures}");
        told += &figures;
        if more.as_secs_f64() * 1e3 <= most_ms && part >= least {
            return;
        }
    }
    panic!("no round reached the figures:\n{told}");
}
