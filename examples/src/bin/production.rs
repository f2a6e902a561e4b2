//! A server as it runs in production: an echo service with limits, a log, an endpoint for operators, and a
//! drain at SIGTERM.
//!
//! ```sh
//! cargo run --release -p netpoll-examples --bin production -- --listen 127.0.0.1:9000 --admin 127.0.0.1:9100
//! curl http://127.0.0.1:9100/metrics
//! ```
//!
//! At SIGTERM `/readyz` answers 503 for `--drain-delay` seconds while the server still accepts, so that a
//! balancer has time to notice; then it takes the last clients of the accept queue, answers what it has
//! begun, and reports. A second signal ends it at once.

use std::time::Duration;

use clap::Parser;
use netpoll::{EventLoop, Frame, Result, admin, frame::Auto, service::Free, signal};

/// Echoes frames: four bytes of length, big-endian, then so many bytes.
#[derive(Parser)]
#[command(version)]
struct Options {
    /// Where to listen: host:port, unix:/path or unix:@name; may be given several times
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:9000")]
    listen: Vec<String>,

    /// Serves also the listeners that systemd hands over (LISTEN_FDS)
    #[arg(long)]
    inherit: bool,

    /// Where operators look: /metrics, /healthz, /readyz, /connections, /runtime, and a page at /
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:9100")]
    admin: String,

    /// Most connections at once
    #[arg(long, value_name = "N", default_value_t = 10_000)]
    max_connections: usize,

    /// Seconds after which an idle connection is closed
    #[arg(long, value_name = "SECONDS", default_value_t = 300)]
    idle_timeout: u64,

    /// Seconds between "not ready" and the drain
    #[arg(long, value_name = "SECONDS", default_value_t = 0)]
    drain_delay: u64,

    /// Seconds after which a drain cuts what is left
    #[arg(long, value_name = "SECONDS", default_value_t = 30)]
    drain_timeout: u64,
}

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

fn main() -> Result<()> {
    let options = Options::parse();
    tracing_subscriber::fmt().with_writer(std::io::stderr).init();
    netpoll::raise_fd_limit()?;
    let seconds = Duration::from_secs;
    let mut server = EventLoop::builder(Free::<echo>::new())
        .max_connections(options.max_connections)
        .max_frame(1 << 20)
        .frame_timeout(seconds(10))
        .idle_timeout(seconds(options.idle_timeout))
        .request_timeout(seconds(10))
        .drain_delay(seconds(options.drain_delay))
        .drain_timeout(seconds(options.drain_timeout));
    for address in options.listen {
        server = server.listen(address);
    }
    if options.inherit {
        server = server.inherit();
    }
    let server = server.bind()?;
    let admin = admin::serve(options.admin, "echo", &server.handle())?;
    for address in server.addresses() {
        println!("listening on {address}");
    }
    println!("operators look at http://{}", admin.addresses()[0]);
    println!("{}", server.serve_until(signal::shutdown())?);
    Ok(())
}
