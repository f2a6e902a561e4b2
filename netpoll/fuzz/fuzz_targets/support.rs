//! A server in memory, and a client that sends all in one piece and in several.

use std::{
    io::{Read, Write},
    sync::LazyLock,
};

use netpoll::{
    EventLoopBuilder, Runtime, Service,
    testing::{Link, MemoryPeer, Server},
};

static RUNTIME: LazyLock<Runtime> =
    LazyLock::new(|| Runtime::builder().pollers(1).max_workers(8).build().unwrap());

/// The sizes of the first pieces are the first bytes; what is left is sent.
const CUTS: usize = 4;

/// Sends the input to two fresh servers, at once and in pieces: both answer to the end, the same where
/// `compares` but for a `refusal` at the end, and nothing is left behind.
pub(crate) fn same_in_pieces<S: Service>(
    bytes: &[u8],
    server: impl Fn() -> EventLoopBuilder<S>,
    compares: impl Fn(&[u8]) -> bool,
    plain: impl Fn(Vec<u8>) -> Vec<u8>,
    is_refusal: impl Fn(&[u8]) -> bool,
) {
    let Some((sizes, sent)) = bytes.split_at_checked(CUTS) else { return };
    let mut cuts: Vec<_> = sizes.iter().map(|&n| usize::from(n).min(sent.len())).collect();
    cuts.sort_unstable();
    let at_once = plain(answers(server(), |peer| peer.write_all(sent)));
    let in_pieces = plain(answers(server(), |peer| peer.write_cut(sent, &cuts)));
    if !compares(sent) {
        return;
    }
    let (long, short) =
        if at_once.len() < in_pieces.len() { (in_pieces, at_once) } else { (at_once, in_pieces) };
    // The end may come before there are as many bytes as were asked for: nobody sees then that they
    // would be no request.
    let rest = long.strip_prefix(&short[..]).filter(|rest| rest.is_empty() || is_refusal(rest));
    assert!(
        rest.is_some(),
        "cut at {cuts:?}: \"{}\" and \"{}\"",
        long.escape_ascii(),
        short.escape_ascii()
    );
}

fn answers<S: Service>(
    server: EventLoopBuilder<S>,
    send: impl FnOnce(&mut MemoryPeer) -> std::io::Result<()>,
) -> Vec<u8> {
    let server = Server::start(server.runtime(&RUNTIME)).unwrap();
    // Room for all that one input can bring about, so that no answer waits for another's reader.
    let mut peer = server.connect_by(&Link::default().inbound(1 << 20)).unwrap();
    let sent = send(&mut peer);
    peer.shutdown_write();
    let mut answers = Vec::new();
    let end = peer.read_to_end(&mut answers);
    peer.wait_closed().unwrap();
    // A server that refuses what it read may close before all of it was sent, but never by a reset.
    assert!(end.is_ok(), "{end:?}, sent {sent:?}");
    drop(peer);
    let stats = RUNTIME.stats();
    assert_eq!(stats.panics, 0, "a handler panicked");
    answers
}
