//! A cache that memcached's clients use: the text protocol.
//!
//! ```sh
//! cargo run --release -p netpoll-examples --bin memcached -- --listen 127.0.0.1:11211
//! printf 'set a 0 0 5\r\nhello\r\nget a\r\nquit\r\n' | nc 127.0.0.1 11211
//! ```

use clap::Parser;
use netpoll::{
    Connection, Error, Flow, Result,
    buf::LinkBuffer,
    frame::{self, FrameError},
};
use netpoll_examples::{
    cli::ServerOptions,
    memcached::{Cache, Command, Reply, Request},
    run,
};

/// A cache that memcached's clients use.
///
/// It forgets what has expired. What is alive it does not throw away: beyond its memory it refuses to
/// store more, as memcached does with `-M`.
#[derive(Parser)]
#[command(version)]
struct Options {
    /// Where to listen: host:port, unix:/path or unix:@name; may be given several times
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:11211")]
    listen: Vec<String>,

    /// Memory for keys and values, in MiB
    #[arg(long, value_name = "MIB", default_value_t = 64)]
    memory: usize,

    #[command(flatten)]
    server: ServerOptions,
}

struct Memcached(Cache);

#[netpoll::server(max_frame = 2 << 20)]
impl Memcached {
    #[on_request]
    fn run(&self, request: Request<'_>) -> Flow<Option<Reply>> {
        match Command::parse(&request) {
            Ok(Command::Quit) => Flow::Close,
            Ok(command) => Flow::Reply(self.0.run(command)),
            Err(reply) => Flow::Reply(Some(reply)),
        }
    }

    /// A line without an end, and a block that is too long to be passed over, are answered before the
    /// connection closes.
    #[on_error]
    fn refuse(&self, conn: &Connection, error: &Error) -> Result<()> {
        let Some(malformed) = FrameError::of(error) else { return Ok(()) };
        let reply = match malformed.field() {
            "line" => Reply::ClientError("line too long"),
            _ => Reply::ServerError("object too large for cache"),
        };
        let mut out = LinkBuffer::new();
        frame::encode(&reply, &mut out)?;
        out.flush();
        conn.try_send(out)
    }
}

fn main() -> Result<()> {
    let options = Options::parse();
    let runtime = run::runtime(&options.server)?;
    let cache = Cache::new(options.memory.saturating_mul(1 << 20));
    let mut server = Memcached(cache).builder().runtime(&runtime);
    for address in options.listen {
        server = server.listen(address);
    }
    run::until_signal(server.bind()?)
}
