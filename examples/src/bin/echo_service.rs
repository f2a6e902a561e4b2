//! An echo server whose frame is by hand and whose service is generated: between `echo_by_hand` and
//! `echo`, it shows what each macro costs. `examples/compare-instructions` counts.

#[path = "echo_by_hand/message.rs"]
mod message;

use clap::Parser;
use message::Message;
use netpoll::{EventLoop, Result, service::Free};
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
    run::until_signal(server.bind()?)
}
