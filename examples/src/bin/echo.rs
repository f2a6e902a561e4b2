//! An echo server: a frame, a function.
//!
//! Its protocol is a length of four bytes, big-endian, then so many bytes; each frame comes back.
//! `echo_by_hand` is the same without macros.
//!
//! ```sh
//! cargo run --release -p netpoll-examples --bin echo -- --listen 127.0.0.1:9000
//! ```
//!
//! Over TLS, with a certificate that `certs` makes for tests:
//!
//! ```sh
//! cargo run --release -p netpoll-examples --bin certs -- target/certs
//! cargo run --release -p netpoll-examples --bin echo -- \
//!     --tls-cert target/certs/server.pem --tls-key target/certs/server.key
//! cargo run --release -p netpoll-examples --bin client -- --tls target/certs
//! ```

use clap::Parser;
use netpoll::{EventLoop, Frame, Result, frame::Auto, service::Free};
use netpoll_examples::{
    cli::{ServerOptions, TlsOptions},
    run,
};

/// Echoes frames: four bytes of length, big-endian, then so many bytes.
#[derive(Parser)]
#[command(version)]
struct Options {
    /// Where to listen: host:port, unix:/path, unix:@name or shm:/path; may be given several times
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:9000")]
    listen: Vec<String>,

    #[command(flatten)]
    server: ServerOptions,

    #[command(flatten)]
    tls: TlsOptions,
}

/// The frame; its bytes lie where they were received.
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
    let runtime = run::runtime(&options.server)?;
    let mut server = EventLoop::builder(Free::<echo>::new()).runtime(&runtime);
    for address in options.listen {
        server = server.listen(address);
    }
    if let Some(tls) = options.tls.server(&[])? {
        server = server.tls(tls);
    }
    run::until_signal(server.bind()?)
}
