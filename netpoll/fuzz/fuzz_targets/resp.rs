//! The key-value store of the examples, end to end: whatever a client sends, in whatever pieces.
#![no_main]

#[allow(dead_code, reason = "its `main` is another program's")]
#[path = "../../../examples/src/bin/resp.rs"]
mod server;
mod support;

use std::sync::Arc;

use libfuzzer_sys::fuzz_target;
use netpoll_examples::resp::Store;

/// Commands whose answers depend on the time, on the process, or on the order of a hash table.
const FREE: [&[u8]; 13] = [
    b"info",
    b"ttl",
    b"expire",
    b"keys",
    b"smembers",
    b"hgetall",
    b"hkeys",
    b"hvals",
    b"scan",
    b"random",
    b"spop",
    b"client",
    b"hello",
];

fuzz_target!(|bytes: &[u8]| {
    let lower = bytes.to_ascii_lowercase();
    let free = FREE.iter().any(|name| lower.windows(name.len()).any(|part| part == *name));
    support::same_in_pieces(
        bytes,
        || server::server(Arc::new(Store::new())),
        |_| !free,
        |answers| answers,
        |rest| rest.starts_with(b"-ERR Protocol error"),
    );
});
