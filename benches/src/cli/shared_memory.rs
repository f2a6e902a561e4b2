//! `rpc address-peer`: echoes at any address that this project knows.

use std::io;

use clap::Args;

use crate::{peers, process};

#[derive(Debug, Args)]
pub(super) struct AddressPeerArgs {
    /// Where to listen: host:port, unix:/path or shm:/path
    #[arg(long)]
    listen: String,
}

impl AddressPeerArgs {
    pub(super) fn run(self) -> io::Result<()> {
        process::raise_file_limit()?;
        peers::serve_at(&self.listen)
    }
}
