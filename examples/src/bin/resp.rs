//! A key-value store that Redis clients use.
//!
//! ```sh
//! cargo run --release -p netpoll-examples --bin resp -- --listen 127.0.0.1:6380
//! redis-cli -p 6380
//! ```

use std::{error::Error as _, sync::Arc, time::Duration};

use clap::Parser;
use netpoll::{
    Call, Connection, Error, EventLoop, Flow, Result, Service,
    buf::LinkBuffer,
    frame::{Fault, ScanError},
};
use netpoll_examples::{
    cli::ServerOptions,
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
}

/// The longest request: a value of 512 MiB, and what stands around it.
const MAX_REQUEST: usize = (512 << 20) + (1 << 20);

/// How long a key that is due may take up memory.
const SWEEP_EVERY: Duration = Duration::from_millis(100);

struct Resp(Arc<Store>);

impl Service for Resp {
    type Session = Session;
    type Request = Request<'static>;

    async fn on_connect(&self, _: &Connection) -> Result<Session> {
        Ok(Session::new(&self.0))
    }

    async fn on_request<'a>(
        &'a self,
        call: Call<'a, Session>,
        request: Request<'a>,
    ) -> Result<Flow> {
        Ok(match request.run(&self.0, call.session, call.out.buf)? {
            resp::Flow::Continue => Flow::Continue,
            resp::Flow::Close => Flow::Close,
        })
    }
    /// What is no request is answered before the connection closes.
    fn on_error(&self, conn: &Connection, error: &Error) {
        let scan = error.source().and_then(|source| source.downcast_ref::<ScanError>());
        if let Some(Fault::Other(why)) = scan.map(ScanError::fault) {
            let mut out = LinkBuffer::new();
            let answered = resp::refuse(why, &mut out).and_then(|()| {
                out.flush();
                conn.try_send(out)
            });
            // A client that takes no answer gets none.
            drop(answered);
        }
    }
}

/// Frees the keys whose deadline has passed, for as long as the runtime lives.
async fn sweep(store: Arc<Store>) {
    loop {
        netpoll::sleep(SWEEP_EVERY).await;
        store.sweep();
    }
}

fn main() -> Result<()> {
    let options = Options::parse();
    let runtime = run::runtime(&options.server)?;
    let store = Arc::new(Store::new());
    runtime.spawn(sweep(store.clone()));
    let mut server = EventLoop::builder(Resp(store)).runtime(&runtime).max_frame(MAX_REQUEST);
    for address in options.listen {
        server = server.listen(address);
    }
    run::until_signal(server.bind()?)
}
