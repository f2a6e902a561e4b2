//! A proxy of bytes: each connection that it accepts goes on to another address.
//!
//! Half-closes pass in either order, whoever speaks first; a reset of one side resets the other.
//!
//! ```sh
//! cargo run --release -p netpoll-examples --bin proxy -- --listen 127.0.0.1:5433 --to 127.0.0.1:5432
//! ```

use std::time::Duration;

use clap::Parser;
use netpoll::{Connection, Detach, Dialer, EventLoop, Result, copy_bidirectional};
use netpoll_examples::{
    cli::{ServerOptions, seconds},
    run,
};

/// Passes bytes on, between its clients and one server.
#[derive(Parser)]
#[command(version)]
struct Options {
    /// Where to listen: host:port, unix:/path or unix:@name; may be given several times
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:9000")]
    listen: Vec<String>,

    /// Where the connections go: host:port, unix:/path or unix:@name
    #[arg(long, value_name = "ADDRESS")]
    to: String,

    /// Ends a session in which no byte has moved for so many seconds [default: never]
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    idle_timeout: Option<Duration>,

    #[command(flatten)]
    server: ServerOptions,
}

struct Proxy {
    to: String,
    idle_timeout: Option<Duration>,
}

#[netpoll::server]
impl Proxy {
    #[on_connect]
    async fn enter(&self, client: &Connection) -> Result<Detach> {
        // A peer that pauses is no dead one: whoever wants a limit sets the idle time.
        let dialer = Dialer::new().beside(client).write_timeout(None);
        let server = dialer.dial_async(&self.to).await?;
        let (client, idle) = (client.clone(), self.idle_timeout);
        Ok(Detach::then(async move {
            let peer = client.peer().clone();
            match copy_bidirectional(&client, &server).idle_timeout(idle).await {
                Ok(copied) => {
                    tracing::debug!(%peer, copied.a_to_b, copied.b_to_a, "a session ended")
                }
                Err(error) => tracing::info!(%peer, %error, "a session was cut"),
            }
        }))
    }
}

fn main() -> Result<()> {
    let options = Options::parse();
    let runtime = run::runtime(&options.server)?;
    let proxy = Proxy { to: options.to, idle_timeout: options.idle_timeout };
    let mut server =
        EventLoop::builder(proxy).runtime(&runtime).keep_half_open(true).write_timeout(None);
    for address in options.listen {
        server = server.listen(address);
    }
    run::until_signal(server.bind()?)
}
