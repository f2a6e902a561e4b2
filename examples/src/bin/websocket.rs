//! A WebSocket server: it echoes each message.
//!
//! ```sh
//! cargo run --release -p netpoll-examples --bin websocket -- --listen 127.0.0.1:8081
//! ```
//!
//! In a browser's console: `ws = new WebSocket("ws://127.0.0.1:8081"); ws.onmessage = m => console.log(m.data)`,
//! then `ws.send("hello")`.

use clap::Parser;
use netpoll::{Flow, Result};
use netpoll_examples::{
    cli::ServerOptions,
    run,
    websocket::{Event, Output, WebSocket},
};

/// A WebSocket server: it echoes each message.
#[derive(Parser)]
#[command(version)]
struct Options {
    /// Where to listen: host:port, unix:/path or unix:@name; may be given several times
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8081")]
    listen: Vec<String>,

    #[command(flatten)]
    server: ServerOptions,
}

struct Echo;

#[netpoll::server(codec = WebSocket, max_frame = 17 << 20, idle_timeout = "5m")]
impl Echo {
    #[on_request]
    fn handle<'a>(&self, event: Event<'a>) -> Flow<Output<'a>> {
        match event {
            Event::Upgrade(accept) => Flow::Reply(accept),
            Event::Refused(response) => Flow::CloseAfter(Output::Http(response)),
            Event::Text(text) => Flow::Reply(Output::Text(text)),
            Event::Binary(bytes) => Flow::Reply(Output::Binary(bytes)),
            Event::Ping(bytes) => Flow::Reply(Output::Pong(bytes)),
            Event::Nothing => Flow::Continue,
            Event::Close(close) => Flow::CloseAfter(Output::Close(close)),
        }
    }
}

fn main() -> Result<()> {
    let options = Options::parse();
    let runtime = run::runtime(&options.server)?;
    let mut server = Echo.builder().runtime(&runtime);
    for address in options.listen {
        server = server.listen(address);
    }
    run::until_signal(server.bind()?)
}
