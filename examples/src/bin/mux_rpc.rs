//! Calls side by side on one connection: TTHeader frames, and answers that find their call by number.
//!
//! The server's handler takes as long as the call says; a client beside it has many calls in flight and
//! gets their answers as they are ready. It ends by itself; with `--listen` it only serves.
//!
//! ```sh
//! cargo run --release -p netpoll-examples --bin mux_rpc
//! ```
//!
//! The same server and client talk through memory that both map:
//!
//! ```sh
//! cargo run --release -p netpoll-examples --bin mux_rpc -- --over shm:/tmp/mux_rpc
//! ```

use std::{
    error::Error,
    sync::{
        Arc,
        atomic::{AtomicU32, AtomicUsize, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use clap::Parser;
use netpoll::{Runtime, client::Client};
use netpoll_examples::{
    cli::{ServerOptions, TlsOptions},
    rpc::{Rpc, TtHeader},
    run,
};

/// Calls side by side on one connection.
#[derive(Parser)]
#[command(version)]
struct Options {
    /// Where to listen, to serve only: host:port, unix:/path, unix:@name or shm:/path
    #[arg(long, value_name = "ADDRESS")]
    listen: Option<String>,

    /// Where the server and the client beside it meet
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:0", conflicts_with = "listen")]
    over: String,

    /// How many calls the client makes
    #[arg(long, value_name = "N", default_value_t = 1000)]
    calls: u32,

    #[command(flatten)]
    server: ServerOptions,

    #[command(flatten)]
    tls: TlsOptions,
}

type Outcome<T> = Result<T, Box<dyn Error>>;

fn main() -> Outcome<()> {
    let options = Options::parse();
    let runtime = run::runtime(&options.server)?;
    let server = Rpc { longest: Duration::from_secs(1) }.builder().runtime(&runtime);
    if let Some(address) = options.listen {
        let server = match options.tls.server(&[])? {
            Some(tls) => server.tls(tls),
            None => server,
        };
        return Ok(run::until_signal(server.listen(address).bind()?)?);
    }
    if options.tls.server(&[])?.is_some() {
        return Err("TLS is for a server alone: give it --listen".into());
    }
    let server = server.listen(options.over.as_str()).bind()?;
    // One that was bound to a path of shared memory names its Unix socket.
    let address = match options.over.starts_with("shm:") {
        true => options.over,
        false => server.addresses()[0].to_string(),
    };
    let asked: Vec<u32> = (0..options.calls).map(|i| i * 7 % 20).collect();
    let start = Instant::now();
    let turned = call_all(&runtime, &address, &asked)?;
    let slept: u32 = asked.iter().sum();
    println!(
        "{} calls on one connection: they slept for {slept} ms in all, and took {} ms; \
         {turned} answers overtook an earlier call's",
        asked.len(),
        start.elapsed().as_millis(),
    );
    println!("{}", server.handle().shutdown(Duration::from_secs(5)));
    Ok(())
}

/// Makes a call for each of `asked`, all in flight; gives how many answers overtook an earlier one.
fn call_all(runtime: &Runtime, address: &str, asked: &[u32]) -> Outcome<usize> {
    let client = Client::<TtHeader<'static>, TtHeader<'static>>::mux(address);
    let client = client.runtime(runtime).build()?;
    let (newest, turned) = (Arc::new(AtomicU32::new(0)), Arc::new(AtomicUsize::new(0)));
    let calls: Vec<_> = (0..)
        .zip(asked.iter().copied())
        .map(|(nth, millis)| {
            let (client, newest, turned) = (client.clone(), newest.clone(), turned.clone());
            runtime.spawn(async move {
                let text = millis.to_string();
                let reply = client.call_async(TtHeader::call(text.as_bytes())).await?;
                if newest.fetch_max(nth, Relaxed) > nth {
                    turned.fetch_add(1, Relaxed);
                }
                let answer = reply.get()?;
                let right = format!("slept {millis} ms");
                Ok::<_, netpoll::Error>(!answer.has_failed() && answer.payload == right.as_bytes())
            })
        })
        .collect();
    for (nth, call) in calls.into_iter().enumerate() {
        if !netpoll::block_on(call)?? {
            return Err(format!("call {nth}: another answer than its own").into());
        }
    }
    Ok(turned.load(Relaxed))
}
