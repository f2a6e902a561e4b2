//! `rpc peer`: serves as one of the peers written in Rust.

use std::io;
use std::net::SocketAddr;

use clap::Args;

use crate::peers::{self, PEERS, Setup};
use crate::process;

#[derive(Debug, Args)]
pub(super) struct PeerArgs {
    /// The peer's name
    #[arg(value_parser = clap::builder::PossibleValuesParser::new(PEERS.iter().map(|it| it.name)))]
    name: String,
    /// The address to listen on
    #[arg(long, default_value = "127.0.0.1:0")]
    listen: SocketAddr,
    /// Run the handlers of one connection side by side
    #[arg(long)]
    side_by_side: bool,
    /// Speak TLS, with the certificate and key in NETPOLL_BENCH_IDENTITY
    #[arg(long)]
    tls: bool,
}

impl PeerArgs {
    pub(super) fn run(self) -> io::Result<()> {
        process::raise_file_limit()?;
        let peer = peers::find(&self.name).expect("clap let only known names through");
        peer.run(self.listen, Setup { side_by_side: self.side_by_side, tls: self.tls })
    }
}
