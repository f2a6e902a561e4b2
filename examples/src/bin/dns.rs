//! An authoritative DNS server for one small zone, over UDP and TCP.
//!
//! ```text
//! cargo run --release -p netpoll-examples --bin dns -- --listen 127.0.0.1:5353
//! dig @127.0.0.1 -p 5353 www.example.org
//! ```

use std::{fs, path::PathBuf};

use clap::Parser;
use netpoll::{Error, ErrorKind, EventLoop, Frame, Result, frame::Auto};
use netpoll_examples::{
    cli::ServerOptions,
    dns::{Limit, Zone, answer},
    run,
};

/// Serves a zone over UDP and TCP until SIGINT or SIGTERM.
#[derive(Parser)]
struct Options {
    /// Where to listen, for datagrams and for connections
    #[arg(long, value_name = "HOST:PORT", default_value = "127.0.0.1:5353")]
    listen: String,

    /// The zone's file [default: a zone example.org to try]
    #[arg(long, value_name = "FILE")]
    zone: Option<PathBuf>,

    #[command(flatten)]
    server: ServerOptions,
}

/// A message of a stream (RFC 1035, section 4.2.2).
#[derive(Frame)]
struct Message<'a> {
    #[frame(len(of = rest))]
    length: Auto<u16>,
    #[frame(rest)]
    message: &'a [u8],
}

/// Its answer.
#[derive(Frame)]
struct Answer {
    #[frame(len(of = rest))]
    length: Auto<u16>,
    #[frame(rest)]
    message: Vec<u8>,
}

struct Dns {
    zone: Zone,
}

#[netpoll::server(idle_timeout = "10s", max_datagram = 4096)]
impl Dns {
    #[on_datagram]
    fn datagram(&self, message: &[u8]) -> Option<Vec<u8>> {
        answer(&self.zone, message, Limit::Datagram)
    }

    #[on_request]
    fn stream(&self, query: Message<'_>) -> Option<Answer> {
        let message = answer(&self.zone, query.message, Limit::Stream)?;
        Some(Answer { length: Auto::default(), message })
    }

    #[on_error]
    fn fault(&self, error: &Error) {
        tracing::debug!(%error, "not answered");
    }
}

fn main() -> Result<()> {
    let options = Options::parse();
    let text = match &options.zone {
        Some(path) => fs::read_to_string(path)
            .map_err(|e| Error::io(format!("reading {}", path.display()), e))?,
        None => include_str!("../dns/example.zone").to_owned(),
    };
    let zone = Zone::parse(&text).map_err(|why| Error::new(ErrorKind::Config, why))?;
    let runtime = run::runtime(&options.server)?;
    let dns = || EventLoop::builder(Dns { zone: Zone::parse(&text).expect("it was parsed") });
    drop(zone);
    // The datagrams come to the port of the connections, also where the system chose it.
    let streams = dns().runtime(&runtime).listen(options.listen.as_str()).bind()?;
    let at = streams.addresses()[0].to_string();
    drop(streams);
    let server =
        dns().runtime(&runtime).listen(at.as_str()).listen(format!("udp://{at}")).bind()?;
    run::until_signal(server)
}
