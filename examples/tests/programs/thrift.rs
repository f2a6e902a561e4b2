//! The calculator, called by CloudWeGo's own codecs.

use std::process::Command;

use netpoll_examples::testing::{built_client, printed};

use crate::server::Server;

#[test]
fn thrift_is_what_cloudwego_speaks() {
    let Some(client) = built_client("thrift") else { return };
    let server = Server::start(env!("CARGO_BIN_EXE_thrift"));
    let said = printed(Command::new(client).arg(&server.address));
    assert_eq!(said, "8000 calls, 2000 exceptions\n");
}
