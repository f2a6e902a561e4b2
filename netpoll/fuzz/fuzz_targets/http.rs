//! The web server of the examples, end to end: whatever a client sends, in whatever pieces.
#![no_main]

#[allow(dead_code, reason = "its `main` is another program's")]
#[path = "../../../examples/src/bin/http.rs"]
mod server;
mod support;

use libfuzzer_sys::fuzz_target;

/// The statuses of requests that are refused for their form.
const REFUSALS: [&[u8]; 7] = [b"400", b"413", b"414", b"417", b"431", b"501", b"505"];

fuzz_target!(|bytes: &[u8]| support::same_in_pieces(
    bytes,
    server::server,
    |_| true,
    undated,
    |rest| rest
        .strip_prefix(b"HTTP/1.1 ")
        .is_some_and(|rest| { REFUSALS.iter().any(|status| rest.starts_with(status)) })
));

/// `answers` without their dates: the second may have changed meanwhile.
fn undated(mut answers: Vec<u8>) -> Vec<u8> {
    const FIELD: &[u8] = b"\r\ndate: ";
    let mut from = 0;
    while let Some(at) = answers[from..].windows(FIELD.len()).position(|bytes| bytes == FIELD) {
        let value = from + at + FIELD.len();
        let end = answers.len().min(value + "Sun, 06 Nov 1994 08:49:37 GMT".len());
        answers[value..end].fill(b'x');
        from = end;
    }
    answers
}
