//! What connections cost in memory: 5,000 of which 4,000 idle while 1,000 echo 1 KiB each. The server
//! is a child process, so that its memory is measured alone.

mod common;

use std::{io::Write, net::TcpStream, time::Duration};

use common::{
    child::{self, Server},
    frame, read_frame,
};

const IDLE: usize = 4000;
const ACTIVE: usize = 1000;
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
    let mut clients: Vec<_> = (0..IDLE + ACTIVE)
        .map(|_| {
            let client = TcpStream::connect(&server.address).unwrap();
            client.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
            client
        })
        .collect();
    // Each has spoken once: those that idle later too.
    let payload = [7; 1024];
    for part in clients.chunks_mut(200) {
        part.iter_mut().for_each(|client| client.write_all(&frame(&payload)).unwrap());
        part.iter_mut().for_each(|client| assert_eq!(read_frame(client), payload));
    }
    for _ in 0..20 {
        let active = &mut clients[..ACTIVE];
        active.iter_mut().for_each(|client| client.write_all(&frame(&payload)).unwrap());
        active.iter_mut().for_each(|client| assert_eq!(read_frame(client), payload));
    }
    let (peak, now) = (server.status("VmHWM"), server.status("VmRSS"));
    let [live, out, cached] = server.ask();
    assert_eq!(live, IDLE + ACTIVE);
    let each = (now - at_rest) * 1024 / live as u64;
    println!(
        "{live} connections: peak {peak} KiB, now {now} KiB, {at_rest} KiB before; \
         {each} bytes for each; buffers: {out} bytes in use, {cached} cached"
    );
    // At rest no connection holds a buffer: what is in use are the pollers' read blocks.
    assert!(out <= 8 * 64 * 1024 + 4096, "{out} bytes are in use");
    assert!(peak < MOST_KIB, "{peak} KiB");
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
