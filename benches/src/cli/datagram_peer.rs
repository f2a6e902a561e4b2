//! `rpc datagram-peer`: echoes datagrams as one of the peers written in Rust.

use std::io;
use std::net::SocketAddr;

use clap::Args;

use crate::udp::{self, PEERS};

#[derive(Debug, Args)]
pub(super) struct DatagramPeerArgs {
    /// The peer's name
    #[arg(value_parser = clap::builder::PossibleValuesParser::new(PEERS.iter().map(|it| it.name)))]
    name: String,
    /// The address to listen on
    #[arg(long, default_value = "127.0.0.1:0")]
    listen: SocketAddr,
}

impl DatagramPeerArgs {
    pub(super) fn run(self) -> io::Result<()> {
        udp::find(&self.name).expect("clap let only known names through").run(self.listen)
    }
}
