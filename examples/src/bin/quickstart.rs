//! A server of a dozen lines, measured.
//!
//! The server listens on a free port of the loopback interface. Clients in the same process ask it for
//! some seconds: first one request at a time on each connection, then many in flight. The end is a
//! table of throughput and latency.
//!
//! ```sh
//! cargo run --release -p netpoll-examples --bin quickstart
//! ```

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    thread,
    time::{Duration, Instant},
};

use clap::Parser;
use hdrhistogram::Histogram;
use indicatif::{ProgressBar, ProgressStyle};
use netpoll::{EventLoop, Frame, frame::Auto, service::Free};

/// Four bytes of length, big-endian, then so many bytes.
#[derive(Frame)]
struct Message<'a> {
    #[frame(len(of = rest))]
    length: Auto<u32>,
    #[frame(rest)]
    body: &'a [u8],
}

#[netpoll::on_request]
fn echo<'a>(message: Message<'a>) -> Message<'a> {
    message
}

/// Measures an echo server over loopback; ends by itself.
#[derive(Parser)]
#[command(version)]
struct Options {
    /// How many connections ask
    #[arg(long, value_name = "N", default_value_t = 50)]
    connections: usize,

    /// For how long each of the two measurements runs, in milliseconds
    #[arg(long, value_name = "MS", default_value_t = 2000)]
    millis: u64,

    /// How many bytes a request has
    #[arg(long, value_name = "BYTES", default_value_t = 128)]
    size: usize,
}

type Outcome<T> = Result<T, Box<dyn std::error::Error + Send + Sync>>;

fn main() -> Outcome<()> {
    let options = Options::parse();
    let server = EventLoop::builder(Free::<echo>::new()).listen("127.0.0.1:0").bind()?;
    let address = server.addresses()[0].inet().ok_or("no address")?;
    println!("an echo server on {address}, {} connections", options.connections);
    println!(
        "{:>20} {:>12} {:>10} {:>10} {:>10}",
        "requests in flight", "requests/s", "p50", "p99", "p99.9"
    );
    for depth in [1, 32] {
        let (rate, latency) = measure(address, &options, depth)?;
        let [p50, p99, p999] =
            [0.5, 0.99, 0.999].map(|q| format!("{} us", latency.value_at_quantile(q) / 1000));
        println!("{depth:>20} {rate:>12.0} {p50:>10} {p99:>10} {p999:>10}");
    }
    let report = server.handle().shutdown(Duration::from_secs(5));
    println!("{report}");
    Ok(())
}

/// Requests a second, and how many nanoseconds each batch of `depth` took.
fn measure(address: SocketAddr, options: &Options, depth: usize) -> Outcome<(f64, Histogram<u64>)> {
    let answered = AtomicU64::new(0);
    let start = Instant::now();
    let end = start + Duration::from_millis(options.millis);
    let bar = ProgressBar::new(options.millis)
        .with_style(ProgressStyle::with_template("{wide_bar} {msg} requests, {eta} left")?);
    let latency = thread::scope(|scope| -> Outcome<Histogram<u64>> {
        let ask = || client(address, options.size, depth, end, &answered);
        let clients: Vec<_> = (0..options.connections).map(|_| scope.spawn(ask)).collect();
        while Instant::now() < end {
            bar.set_position(u64::try_from(start.elapsed().as_millis())?);
            bar.set_message(answered.load(Relaxed).to_string());
            thread::sleep(Duration::from_millis(50));
        }
        let mut all = Histogram::new(3)?;
        for client in clients {
            all.add(client.join().map_err(|_| "a client panicked")??)?;
        }
        Ok(all)
    })?;
    bar.finish_and_clear();
    Ok((answered.load(Relaxed) as f64 / start.elapsed().as_secs_f64(), latency))
}

/// Asks on one connection until `end`, with `depth` requests in flight.
fn client(
    address: SocketAddr,
    size: usize,
    depth: usize,
    end: Instant,
    answered: &AtomicU64,
) -> Outcome<Histogram<u64>> {
    let mut server = TcpStream::connect(address)?;
    server.set_nodelay(true)?;
    let message = [&u32::try_from(size)?.to_be_bytes()[..], &vec![b'.'; size]].concat();
    let batch = message.repeat(depth);
    let mut answers = vec![0; batch.len()];
    let mut latency = Histogram::new(3)?;
    loop {
        let asked = Instant::now();
        if asked >= end {
            return Ok(latency);
        }
        server.write_all(&batch)?;
        server.read_exact(&mut answers)?;
        if answers != batch {
            return Err("the answer is not what was asked".into());
        }
        latency.record(u64::try_from(asked.elapsed().as_nanos())?)?;
        answered.fetch_add(depth as u64, Relaxed);
    }
}
