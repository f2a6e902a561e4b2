//! Handlers that block, and the requests beside them.
//!
//! A server answers lines. Its handler sleeps at some of them, as one that asks a database would, and
//! nothing tells the library which. A client on many connections measures how long the other requests
//! take: without such lines, with one in a hundred, and with one in a hundred where the handlers are
//! declared to be `Inline`, so that nobody takes over while they sleep.
//!
//! ```sh
//! cargo run --release -p netpoll-examples --bin heavy_handlers
//! ```

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    thread,
    time::{Duration, Instant},
};

use clap::Parser;
use netpoll::{
    Call, Connection, Dialer, Dispatch, EventLoop, Flow, In, Result, Runtime, ServerHandle, Service,
};
use parking_lot::Mutex;

/// Measures what handlers that block do to the requests beside them.
///
/// A server and its client run in this process, over loopback, and end by themselves.
#[derive(Parser)]
#[command(version)]
struct Options {
    /// How many connections ask, each one request at a time
    #[arg(long, value_name = "N", default_value_t = 100)]
    connections: usize,

    /// For how long each of the three measurements runs, in milliseconds
    #[arg(long, value_name = "MS", default_value_t = 2000)]
    millis: u64,

    /// For how long a handler blocks, in milliseconds
    #[arg(long, value_name = "MS", default_value_t = 20)]
    block: u64,
}

/// Answers each line with itself; blocks at `heavy`.
struct Lines<const INLINE: bool> {
    block: Duration,
}

impl<const INLINE: bool> Service for Lines<INLINE> {
    type Session = ();
    type Request = In<'static>;
    const DISPATCH: Dispatch = if INLINE { Dispatch::Inline } else { Dispatch::Sync };

    async fn on_connect(&self, _: &Connection) -> Result<()> {
        Ok(())
    }

    async fn on_request<'a>(&'a self, call: Call<'a, ()>, mut input: In<'a>) -> Result<Flow> {
        let line = input.until(b'\n')?;
        if line == HEAVY {
            // No mark, no other thread pool: just a function that takes its time.
            thread::sleep(self.block);
        }
        call.out.buf.write(line)?;
        Ok(Flow::Continue)
    }
}

/// One connection of the client: asks again as soon as it is answered.
struct Asker {
    /// Every so manieth line is heavy; none if 0.
    heavy_every: usize,
    progress: Mutex<Progress>,
}

struct Progress {
    asked: usize,
    at: Instant,
    /// How long the light requests took, in nanoseconds.
    took: Vec<u64>,
}

impl Asker {
    fn new(heavy_every: usize, first: usize) -> Self {
        let progress = Progress { asked: first, at: Instant::now(), took: Vec::new() };
        Self { heavy_every, progress: Mutex::new(progress) }
    }

    fn is_heavy(&self, asked: usize) -> bool {
        self.heavy_every > 0 && asked.is_multiple_of(self.heavy_every)
    }

    fn ask(&self, conn: &Connection) -> Result<()> {
        let progress = &mut *self.progress.lock();
        progress.asked += 1;
        progress.at = Instant::now();
        let line = if self.is_heavy(progress.asked) { HEAVY } else { LIGHT };
        conn.write(line)
    }

    fn answered(&self) {
        let progress = &mut *self.progress.lock();
        if !self.is_heavy(progress.asked) {
            progress.took.push(progress.at.elapsed().as_nanos() as u64);
        }
    }
}

/// Starts a server, asks it for a while on many connections, ends it; prints what the client saw.
fn measure<const INLINE: bool>(options: &Options, heavy_every: usize) -> Result<()> {
    let block = Duration::from_millis(options.block);
    let (runtime, client) = (Runtime::builder().build()?, Runtime::builder().pollers(1).build()?);
    let server = EventLoop::builder(Lines::<INLINE> { block })
        .runtime(&runtime)
        .listen("127.0.0.1:0")
        .bind()?;
    let handle = server.handle();
    let serving = thread::spawn(move || server.serve());

    let over = Arc::new(AtomicBool::new(false));
    let askers = connect(&handle, &client, options.connections, heavy_every, &over)?;
    let before = runtime.stats().handovers_by_monitor;
    let start = Instant::now();
    for (conn, asker) in &askers {
        asker.ask(conn)?;
    }
    thread::sleep(Duration::from_millis(options.millis));
    over.store(true, Relaxed);
    let elapsed = start.elapsed().as_secs_f64();
    let mut took = Vec::new();
    for (conn, asker) in &askers {
        conn.close();
        took.append(&mut asker.progress.lock().took);
    }
    handle.shutdown(Duration::from_secs(5));
    serving.join().expect("serving does not panic")?;

    took.sort_unstable();
    let millis = |share: f64| {
        let at = (took.len() as f64 * share) as usize;
        took.get(at.min(took.len().saturating_sub(1))).map_or(0.0, |&nanos| nanos as f64 / 1e6)
    };
    println!(
        "{:>8} {:>8} {:>13.0} {:>9.2} ms {:>9.2} ms {:>11}",
        if heavy_every == 0 { "none".to_owned() } else { format!("1 in {heavy_every}") },
        if INLINE { "no" } else { "yes" },
        took.len() as f64 / elapsed,
        millis(0.5),
        millis(0.99),
        runtime.stats().handovers_by_monitor - before,
    );
    Ok(())
}

/// Connections that ask, once each of them is told to, until it is over.
fn connect(
    server: &ServerHandle,
    client: &Runtime,
    connections: usize,
    heavy_every: usize,
    over: &Arc<AtomicBool>,
) -> Result<Vec<(Connection, Arc<Asker>)>> {
    let address = server.addresses()[0].to_string();
    let dialer = Dialer::new().runtime(client);
    let connect = |i| {
        let conn = dialer.dial(&address)?;
        let asker = Arc::new(Asker::new(heavy_every, i));
        let (own, over) = (asker.clone(), over.clone());
        conn.set_on_request(move |conn, reader| {
            reader.until(b'\n')?;
            own.answered();
            if over.load(Relaxed) { Ok(()) } else { own.ask(conn) }
        })?;
        Ok((conn, asker))
    };
    (0..connections).map(connect).collect()
}

fn main() -> Result<()> {
    let options = Options::parse();
    println!(
        "{} connections, one request at a time each; a heavy one blocks its handler for {} ms\n",
        options.connections, options.block
    );
    println!("   heavy    taken  the light ones:");
    println!("requests     over    requests/s       median          p99  hand-overs");
    measure::<false>(&options, 0)?;
    measure::<false>(&options, 100)?;
    measure::<true>(&options, 100)
}

const LIGHT: &[u8] = b"light\n";
const HEAVY: &[u8] = b"heavy\n";
