//! A key-value store that Redis clients use.
//!
//! ```sh
//! cargo run --release -p netpoll-examples --bin resp -- --listen 127.0.0.1:6380
//! redis-cli -p 6380
//! ```
//!
//! Over TLS, with a certificate that `certs` makes for tests:
//!
//! ```sh
//! cargo run --release -p netpoll-examples --bin certs -- target/certs
//! cargo run --release -p netpoll-examples --bin resp -- --tls target/certs
//! redis-cli -p 6380 --tls --cacert target/certs/ca.pem
//! ```

use std::{mem, sync::Arc, time::Duration};

use clap::Parser;
use netpoll::{
    Connection, Error, EventLoopBuilder, Flow, Out, Result, Service, buf::LinkBuffer,
    frame::FrameError,
};
use netpoll_examples::{
    cli::{ServerOptions, TlsOptions},
    resp::{self, Request, Session, Store},
    run,
};

/// A key-value store that Redis clients use: strings, lists, sets, hashes, deadlines.
///
/// Nothing is written to a disk.
#[derive(Parser)]
#[command(version)]
struct Options {
    /// Where to listen: host:port, unix:/path or unix:@name; may be given several times
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:6380")]
    listen: Vec<String>,

    #[command(flatten)]
    server: ServerOptions,

    #[command(flatten)]
    tls: TlsOptions,
}

/// A store frees what threads that are idle by then have allocated: this allocator gives it back to the
/// system within seconds, whoever frees it. A fuzzer has an allocator of its own, which looks for errors.
#[cfg(all(target_os = "linux", not(fuzzing)))]
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// The longest request: a value of 512 MiB, and what stands around it.
const MAX_REQUEST: usize = (512 << 20) + (1 << 20);

/// How long a key that is due may take up memory.
const SWEEP_EVERY: Duration = Duration::from_millis(100);

struct Resp(Arc<Store>);

#[netpoll::server(listen = "127.0.0.1:6380", max_frame = MAX_REQUEST)]
impl Resp {
    #[on_connect]
    fn enter(&self) -> Session {
        Session::new(&self.0)
    }

    #[on_request]
    fn run(&self, session: &mut Session, out: Out<'_>, request: Request<'_>) -> Result<Flow> {
        match request.run(&self.0, session, out.buf)? {
            resp::Flow::Continue => return Ok(Flow::Continue),
            resp::Flow::Close => {}
            // Answers that wait are not for whoever sent this.
            resp::Flow::Abort => drop(mem::take(out.buf)),
        }
        Ok(Flow::Close)
    }

    /// What is no request is answered before the connection closes.
    #[on_error]
    fn refuse(&self, conn: &Connection, error: &Error) -> Result<()> {
        let Some(error) = FrameError::of(error) else { return Ok(()) };
        let mut out = LinkBuffer::new();
        resp::refuse(error, &mut out)?;
        out.flush();
        conn.try_send(out)
    }
}

/// Frees the keys whose deadline has passed, for as long as the runtime lives.
async fn sweep(store: Arc<Store>) {
    loop {
        netpoll::sleep(SWEEP_EVERY).await;
        store.sweep();
    }
}

/// The server, without its addresses.
pub(crate) fn server(store: Arc<Store>) -> EventLoopBuilder<impl Service> {
    Resp(store).builder()
}

fn main() -> Result<()> {
    let options = Options::parse();
    let runtime = run::runtime(&options.server)?;
    let store = Arc::new(Store::new());
    runtime.spawn(sweep(store.clone()));
    let mut server = server(store).runtime(&runtime);
    for address in options.listen {
        server = server.listen(address);
    }
    if let Some(tls) = options.tls.server(&[])? {
        server = server.tls(tls);
    }
    run::until_signal(server.bind()?)
}
