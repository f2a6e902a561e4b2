//! The web server of the examples, end to end: whatever a client sends, in whatever pieces.
#![no_main]

#[allow(dead_code, reason = "its `main` is another program's")]
#[path = "../../../examples/src/bin/http.rs"]
mod server;
mod support;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| support::same_in_pieces(
    bytes,
    server::server,
    |_| true,
    b"HTTP/1.1 400"
));
