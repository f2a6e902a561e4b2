//! Clients: a pool that calls `echo`, and a mux that calls `mux_rpc`.
//!
//! Without addresses it starts both servers in itself. It ends by itself.
//!
//! ```sh
//! cargo run --release -p netpoll-examples --bin client
//! cargo run --release -p netpoll-examples --bin client -- --echo 127.0.0.1:9000 --callers 100
//! ```
//!
//! With `--tls DIRECTORY`, as `certs` writes one, both speak TLS: the client trusts its ca.pem, and the
//! servers that it starts show its server.pem.

use std::{
    error::Error,
    path::PathBuf,
    thread,
    time::{Duration, Instant},
};

use clap::Parser;
use netpoll::{
    Deadline, EventLoop, Frame,
    client::{CallOptions, Client},
    frame::Auto,
    service::Free,
    tls::{TlsClient, TlsServer},
};
use netpoll_examples::rpc::{Rpc, TtHeader};

/// Calls servers through a pool and through a mux.
#[derive(Parser)]
#[command(version)]
struct Options {
    /// Where `echo` listens; several addresses share the calls [default: one of its own]
    #[arg(long, value_name = "ADDRESS")]
    echo: Vec<String>,

    /// Where `mux_rpc --listen` listens; several share the calls [default: one of its own]
    #[arg(long, value_name = "ADDRESS")]
    mux: Vec<String>,

    /// How many threads call side by side
    #[arg(long, value_name = "N", default_value_t = 50)]
    callers: usize,

    /// How many calls each of them makes
    #[arg(long, value_name = "N", default_value_t = 20)]
    calls: usize,

    /// Connections of the pool at most, and of the mux to each address
    #[arg(long, value_name = "N", default_value_t = 8)]
    connections: usize,

    /// Speak TLS: a directory with ca.pem, and for servers of its own server.pem and server.key
    #[arg(long, value_name = "DIRECTORY")]
    tls: Option<PathBuf>,
}

/// The frame of `echo`.
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

type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

fn main() -> Outcome<()> {
    let mut options = Options::parse();
    let mut own = Vec::new();
    if options.echo.is_empty() {
        let mut server = EventLoop::builder(Free::<echo>::new()).listen("127.0.0.1:0");
        if let Some(tls) = options.served()? {
            server = server.tls(tls);
        }
        let server = server.bind()?;
        options.echo.push(server.addresses()[0].to_string());
        own.push(server.handle());
        thread::spawn(|| server.serve());
    }
    if options.mux.is_empty() {
        let mut server = Rpc { longest: Duration::from_secs(1) }.builder().listen("127.0.0.1:0");
        if let Some(tls) = options.served()? {
            server = server.tls(tls);
        }
        let server = server.bind()?;
        options.mux.push(server.addresses()[0].to_string());
        own.push(server.handle());
        thread::spawn(|| server.serve());
    }
    pooled(&options)?;
    shared(&options)?;
    own.iter().for_each(|server| drop(server.shutdown(Duration::from_secs(5))));
    Ok(())
}

impl Options {
    /// The TLS of the servers that it starts.
    fn served(&self) -> netpoll::Result<Option<TlsServer>> {
        let files = |from: &PathBuf| {
            TlsServer::from_pem_files(from.join("server.pem"), from.join("server.key"))
        };
        self.tls.as_ref().map(files).transpose()
    }

    /// The TLS with which it calls.
    fn calls_by(&self) -> netpoll::Result<Option<TlsClient>> {
        let trusting =
            |from: &PathBuf| TlsClient::builder().roots_file(from.join("ca.pem")).build();
        self.tls.as_ref().map(trusting).transpose()
    }
}

/// One call at a time on each connection, by threads that block.
fn pooled(options: &Options) -> Outcome<()> {
    let mut client = Client::<Message<'static>, Message<'static>>::pool(&options.echo[..])
        .max_connections(options.connections)
        .timeout(Duration::from_secs(5));
    if let Some(tls) = options.calls_by()? {
        client = client.tls(tls);
    }
    let client = client.build()?;
    let start = Instant::now();
    side_by_side(options.callers, |caller| {
        for call in 0..options.calls {
            let body = format!("call {call} of {caller}");
            let request = Message { length: Auto::default(), body: body.as_bytes() };
            let reply = client.call(request)?;
            if reply.get()?.body != body.as_bytes() {
                return Err("another answer than its own".into());
            }
        }
        Ok(())
    })?;
    tell("pool", options, start.elapsed(), client.stats());
    client.close(Duration::from_secs(5));
    Ok(())
}

/// Many calls on each connection: each thread has all of its own in flight.
fn shared(options: &Options) -> Outcome<()> {
    let mut client = Client::<TtHeader<'static>, TtHeader<'static>>::mux(&options.mux[..])
        .connections(options.connections);
    if let Some(tls) = options.calls_by()? {
        client = client.tls(tls);
    }
    let client = client.build()?;
    let start = Instant::now();
    side_by_side(options.callers, |_| {
        // All calls of a thread have one deadline.
        let all = CallOptions::new().deadline(Deadline::after(Duration::from_secs(5)));
        let calls: Vec<_> = (0..options.calls)
            .map(|call| {
                let (client, millis) = (client.clone(), (call * 7 % 20).to_string());
                netpoll::Runtime::global().spawn(async move {
                    let request = TtHeader::call(millis.as_bytes());
                    let reply = client.call_async_with(request, all).await?;
                    let answer = reply.get()?;
                    let right = format!("slept {millis} ms");
                    let own = !answer.has_failed() && answer.payload == right.as_bytes();
                    Ok::<_, netpoll::Error>(own)
                })
            })
            .collect();
        for call in calls {
            if !netpoll::block_on(call)?? {
                return Err("another answer than its own".into());
            }
        }
        Ok(())
    })?;
    tell("mux", options, start.elapsed(), client.stats());
    client.close(Duration::from_secs(5));
    Ok(())
}

/// Runs `calls` on so many threads; fails as the first of them that does.
fn side_by_side(callers: usize, calls: impl Fn(usize) -> Outcome<()> + Sync) -> Outcome<()> {
    thread::scope(|scope| {
        let calls = &calls;
        let threads: Vec<_> =
            (0..callers).map(|caller| scope.spawn(move || calls(caller))).collect();
        for thread in threads {
            thread.join().map_err(|_| "a caller panicked")??;
        }
        Ok(())
    })
}

fn tell(kind: &str, options: &Options, took: Duration, stats: netpoll::client::ClientStats) {
    println!(
        "{kind}: {} calls of {} callers over {} connections took {} ms; {} dials, {} of them failed",
        options.callers * options.calls,
        options.callers,
        stats.connections,
        took.as_millis(),
        stats.dials,
        stats.failed_dials,
    );
}
