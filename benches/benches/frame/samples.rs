//! A frame of each format, as bytes.

/// A length and 100 bytes.
pub(crate) fn bench() -> Vec<u8> {
    [&100u32.to_be_bytes()[..], &[7; 100]].concat()
}

/// A DATA frame of 100 bytes.
pub(crate) fn http2() -> Vec<u8> {
    [&b"\0\0\x64\0\x01\0\0\0\x05"[..], &[7; 100]].concat()
}

/// A request with a client's name and two tags.
pub(crate) fn kafka() -> Vec<u8> {
    let body = b"\0\x12\0\x03\0\0\0\x07\0\x06client\x02\x01\x02hi\xac\x02\x03abc";
    let rest = [7; 64];
    [&((body.len() + rest.len()) as u32).to_be_bytes()[..], body, &rest].concat()
}

/// A masked message of 300 bytes.
pub(crate) fn websocket() -> Vec<u8> {
    [&b"\x82\xfe\x01\x2c\x01\x02\x03\x04"[..], &[7; 300]].concat()
}

/// SET with a key and a value.
pub(crate) fn resp() -> Vec<u8> {
    b"*3\r\n$3\r\nSET\r\n$8\r\nkey:0001\r\n$16\r\n0123456789abcdef\r\n".to_vec()
}

/// Whether a Kafka request of this kind has tags in its header.
pub(crate) fn flexible(api: i16, version: i16) -> bool {
    api == 18 && version >= 3
}

/// The length of a WebSocket message.
pub(crate) fn ws_len(n7: u8, n16: Option<u16>, n64: Option<u64>) -> u64 {
    n64.or(n16.map(u64::from)).unwrap_or(n7.into())
}
