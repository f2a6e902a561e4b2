//! What connections cost in memory: 5,000 of which 4,000 idle while 1,000 echo 1 KiB each. The server
//! is a child process, so that its memory is measured alone.

mod common;

use std::{io::Write, time::Duration};

use common::{
    Client,
    child::{self, Server},
    frame, over, read_frame,
};

/// Connections that idle, and that do not: over TLS fewer, since each shakes hands.
fn connections() -> [usize; 2] {
    if over::is_on() { [800, 200] } else { [4000, 1000] }
}

/// Bytes of an idle connection over TLS: what rustls keeps, and no buffer of this library's.
const MOST_OVER_TLS: u64 = 20_000;
/// The figure, for release builds. Unoptimised ones have more code and larger frames.
const MOST_KIB: u64 = if cfg!(debug_assertions) { 24 << 10 } else { 12 << 10 };

#[test]
fn connections_cost_little() {
    if child::serves() {
        return;
    }
    netpoll::raise_fd_limit().unwrap();
    let mut server = Server::start("connections_cost_little");
    let at_rest = server.status("VmRSS");
    let [idle, active] = connections();
    let address = server.address.parse().unwrap();
    let mut clients: Vec<_> =
        (0..idle + active).map(|_| Client::connect(address).unwrap()).collect();
    // Each has spoken once: those that idle later too.
    let payload = [7; 1024];
    for part in clients.chunks_mut(200) {
        part.iter_mut().for_each(|client| client.write_all(&frame(&payload)).unwrap());
        part.iter_mut().for_each(|client| assert_eq!(read_frame(client), payload));
    }
    for _ in 0..20 {
        let active = &mut clients[..active];
        active.iter_mut().for_each(|client| client.write_all(&frame(&payload)).unwrap());
        active.iter_mut().for_each(|client| assert_eq!(read_frame(client), payload));
    }
    let (peak, now) = (server.status("VmHWM"), server.status("VmRSS"));
    let [live, out, cached] = server.ask();
    assert_eq!(live, idle + active);
    let each = (now - at_rest) * 1024 / live as u64;
    println!(
        "{live} connections: peak {peak} KiB, now {now} KiB, {at_rest} KiB before; \
         {each} bytes for each; buffers: {out} bytes in use, {cached} cached"
    );
    // At rest no connection holds a buffer: what is in use are the pollers' read blocks.
    assert!(out <= 8 * 64 * 1024 + 4096, "{out} bytes are in use");
    if over::is_on() {
        assert!(each <= MOST_OVER_TLS, "{each} bytes for each");
    } else {
        assert!(peak < MOST_KIB, "{peak} KiB");
    }
    // One that has a part of a frame holds that part, and no block of the poller's.
    let before = server.ask()[1];
    for client in &mut clients[..100] {
        client.write_all(&frame(&payload)[..20]).unwrap();
    }
    std::thread::sleep(Duration::from_millis(100));
    let partial = server.ask()[1].saturating_sub(before);
    println!("100 partial frames of 20 bytes hold {partial} bytes");
    assert!(partial < 100 * 512 + 128 * 1024, "{partial} bytes");
    for client in &mut clients[..100] {
        client.write_all(&frame(&payload)[20..]).unwrap();
        assert_eq!(read_frame(client), payload);
    }
    drop(clients);
    server.end();
}
