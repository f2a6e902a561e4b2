//! An echo server on nothing but the public traits: what `#[server]` and `#[derive(Frame)]` stand for.
//!
//! Its protocol is a length of four bytes, big-endian, then so many bytes; each frame comes back.
//!
//! ```sh
//! cargo run --release -p netpoll-examples --bin echo_by_hand -- --listen 127.0.0.1:9000
//! ```

mod message;

use clap::Parser;
use message::Message;
use netpoll::{Call, Connection, EventLoop, Flow, Result, Service};
use netpoll_examples::{cli::ServerOptions, run};

/// Echoes frames: four bytes of length, big-endian, then so many bytes.
#[derive(Parser)]
#[command(version)]
struct Options {
    /// Where to listen: host:port, unix:/path or unix:@name; may be given several times
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:9000")]
    listen: Vec<String>,

    #[command(flatten)]
    server: ServerOptions,
}

struct Echo;

impl Service for Echo {
    type Session = ();
    type Request = Message<'static>;

    async fn on_connect(&self, _: &Connection) -> Result<()> {
        Ok(())
    }

    async fn on_request<'a>(
        &'a self,
        mut call: Call<'a, ()>,
        message: Message<'a>,
    ) -> Result<Flow> {
        call.out.put(&message)?;
        Ok(Flow::Continue)
    }
}

fn main() -> Result<()> {
    let options = Options::parse();
    let runtime = run::runtime(&options.server)?;
    let mut server = EventLoop::builder(Echo).runtime(&runtime);
    for address in options.listen {
        server = server.listen(address);
    }
    run::until_signal(server.bind()?)
}
