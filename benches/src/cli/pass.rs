//! `rpc pass`: passes bytes on, as one of the proxies.

use std::io;
use std::net::SocketAddr;

use clap::Args;

use crate::process;
use crate::proxy::{self, PROXIES};

#[derive(Debug, Args)]
pub(super) struct PassArgs {
    /// The proxy's name
    #[arg(value_parser = clap::builder::PossibleValuesParser::new(PROXIES.iter().map(|it| it.name)))]
    name: String,
    /// The address to listen on
    #[arg(long, default_value = "127.0.0.1:0")]
    listen: SocketAddr,
    /// The address that the connections are passed to
    #[arg(long)]
    to: SocketAddr,
}

impl PassArgs {
    pub(super) fn run(self) -> io::Result<()> {
        process::raise_file_limit()?;
        let proxy = proxy::find(&self.name).expect("clap let only known names through");
        proxy.run(self.listen, self.to)
    }
}
