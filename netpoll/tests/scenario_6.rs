//! Scenario 6: descriptors run out. The storm runs in a child process with a small RLIMIT_NOFILE, set
//! by the shell that starts it; its clients are here.

mod common;

use std::{
    io::{Read, Write},
    net::TcpStream,
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    thread,
    time::{Duration, Instant},
};

use common::{
    Client, Echo, call,
    child::Answering,
    reset,
    scenario::{self, lasting},
    serve_on,
};
use netpoll::Runtime;

const MS: Duration = Duration::from_millis(1);
const CLIENTS: usize = 200;
const CHILD: &str = "NETPOLL_SCENARIO_6";

/// Counts what the library logs.
struct Lines(Arc<AtomicUsize>);

impl Write for Lines {
    fn write(&mut self, line: &[u8]) -> std::io::Result<usize> {
        self.0.fetch_add(1, SeqCst);
        Ok(line.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// The child: serves, tells its port, and answers commands with what it measured.
fn server() {
    let lines = Arc::new(AtomicUsize::new(0));
    let counted = lines.clone();
    tracing_subscriber::fmt()
        .with_max_level(tracing_subscriber::filter::LevelFilter::INFO)
        .with_writer(move || Lines(counted.clone()))
        .init();
    let pollers = std::env::var(CHILD).unwrap().parse().unwrap();
    let runtime = Runtime::builder().pollers(pollers).max_workers(8).build().unwrap();
    let server = serve_on(&runtime, Echo::default(), |b| b);
    // The harness writes to stdout too, so that lines of ours have a mark.
    println!("\n> {}", server.addresses()[0].inet().unwrap());
    for command in std::io::stdin().lines() {
        match &*command.unwrap() {
            "tell" => {
                let lines = lines.load(SeqCst);
                // What was sent away is counted, and nothing else is lost.
                let stats = runtime.stats();
                println!("> {lines} {} {} {}", server.live(), stats.refused, stats.accepted);
            }
            _ => {
                let since = Instant::now();
                server.shutdown(Duration::ZERO);
                let took = since.elapsed();
                let left = runtime.shutdown(1000 * MS);
                println!("> {} {left}", took.as_millis());
                return;
            }
        }
    }
}

struct Storm(Answering);

impl Storm {
    fn start(pollers: usize) -> Self {
        Self(Answering::start(
            Command::new("sh")
                .args(["-c", "ulimit -n 64; exec \"$0\" --exact descriptors_run_out --nocapture"])
                .arg(std::env::current_exe().unwrap())
                .env(CHILD, pollers.to_string()),
        ))
    }

    fn ask(&mut self, command: &str) -> Vec<u64> {
        self.0.ask(command).split_whitespace().filter_map(|n| n.parse().ok()).collect()
    }

    /// CPU time of the child, which has no descriptor left to ask itself.
    fn cpu(&self) -> Duration {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.0.child.id())).unwrap();
        let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
        let ticks: u64 = fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap();
        Duration::from_millis(ticks * 10)
    }

    fn connect(&self) -> TcpStream {
        let client = TcpStream::connect(&self.0.address).unwrap();
        client.set_read_timeout(Some(5000 * MS)).unwrap();
        client
    }

    fn client(&self) -> std::io::Result<Client> {
        let client = Client::connect(self.0.address.parse().unwrap())?;
        client.set_read_timeout(Some(5000 * MS))?;
        Ok(client)
    }

    /// Whether a new client is served within `limit`.
    fn serves_within(&self, limit: Duration) -> bool {
        let until = Instant::now() + limit;
        while Instant::now() < until {
            if let Ok(mut client) = self.client() {
                client.set_read_timeout(Some(limit)).unwrap();
                let sent = client.write_all(&common::frame(b"in?")).is_ok();
                if sent && client.read(&mut [0]).is_ok_and(|n| n == 1) {
                    return true;
                }
            }
            thread::sleep(10 * MS);
        }
        false
    }
}

#[test]
fn descriptors_run_out() {
    if std::env::var_os(CHILD).is_some() {
        return server();
    }
    for pollers in [1, 2] {
        let mut storm = Storm::start(pollers);
        let mut old: Vec<_> = (0..5).map(|_| storm.client().unwrap()).collect();
        old.iter_mut().for_each(|client| drop(call(client, b"before")));
        let before = storm.cpu();
        let since = Instant::now();
        let lasts = lasting(1500 * MS, 10_000 * MS, 2);
        let mut others = Vec::new();
        let (mut echoes, mut resets) = (0, 0);
        while since.elapsed() < lasts {
            // Whoever was sent away comes again; some leave before they are accepted.
            others.retain(|client: &TcpStream| {
                client.set_nonblocking(true).unwrap();
                matches!(client.peek(&mut [0]), Err(e) if e.kind() == std::io::ErrorKind::WouldBlock)
            });
            while others.len() < CLIENTS {
                others.push(storm.connect());
            }
            (0..3).for_each(|_| reset(storm.connect()));
            resets += 3;
            for client in &mut old {
                scenario::same(&call(client, b"old ones still echo"), b"old ones still echo");
                echoes += 1;
            }
            thread::sleep(20 * MS);
        }
        let used = storm.cpu() - before;
        let told = storm.ask("tell");
        let [lines, live, refused, accepted] = told[..] else { panic!("{told:?}") };
        let share = 100.0 * used.as_secs_f64() / since.elapsed().as_secs_f64();
        println!(
            "{pollers} pollers: {share:.1}% of a core, {lines} lines, {live} live, {refused} sent \
             away, {accepted} accepted, {echoes} echoes"
        );
        assert!(share < 10.0, "{share}% of a core");
        assert!(lines < 20, "{lines} lines");
        assert!(refused > 0 && live > 30);
        scenario::connections(accepted as usize);
        scenario::faults((refused + resets) as usize);
        drop(others);
        assert!(storm.serves_within(1000 * MS), "accepts again when there are descriptors");
        // A shutdown while it waits.
        let others: Vec<_> = (0..CLIENTS).map(|_| storm.connect()).collect();
        thread::sleep(50 * MS);
        let told = storm.ask("stop");
        assert!(told[0] < 100 && told[1] == 0, "shutdown: {told:?}");
        assert!(storm.0.child.wait().unwrap().success());
        drop((old, others));
    }
    scenario::tell();
}
