//! The main job: frames in, frames out, over a real socket.

mod common;

use std::{
    io::{Read, Write},
    net::{Shutdown, TcpStream},
    time::Duration,
};

use common::{Echo, connect, frame, read_frame, serve, wait_until};

#[test]
fn a_frame_comes_back() {
    let (runtime, server) = serve(Echo::default(), |b| b);
    let mut client = connect(&server);
    for n in [0, 1, 100, 4096, 70_000, 1 << 20] {
        let payload: Vec<u8> = (0..n).map(|i| (i * 7) as u8).collect();
        client.write_all(&frame(&payload)).unwrap();
        assert!(read_frame(&mut client) == payload, "{n} bytes");
    }
    drop(client);
    wait_until(|| server.live() == 0);
    assert_eq!(runtime.stats().connections, 0);
}

#[test]
fn pipelined_frames_leave_in_few_writes() {
    let (runtime, server) = serve(Echo::default(), |b| b);
    let mut client = connect(&server);
    client.write_all(&frame(b"first")).unwrap();
    read_frame(&mut client);
    let before = runtime.stats().syscalls.write;
    let batch: Vec<u8> = (0..100u8).flat_map(|i| frame(&[i; 50])).collect();
    client.write_all(&batch).unwrap();
    for i in 0..100u8 {
        assert_eq!(read_frame(&mut client), [i; 50]);
    }
    let writes = runtime.stats().syscalls.write - before;
    assert!(writes <= 3, "{writes} writes for 100 replies");
}

#[test]
fn bytes_one_at_a_time() {
    let (_runtime, server) = serve(Echo::default(), |b| b);
    let mut client = connect(&server);
    client.set_nodelay(true).unwrap();
    for byte in frame(b"slowly") {
        client.write_all(&[byte]).unwrap();
    }
    assert_eq!(read_frame(&mut client), b"slowly");
}

#[test]
fn what_was_sent_before_the_end_is_answered() {
    let (_runtime, server) = serve(Echo::default(), |b| b);
    let mut client = connect(&server);
    client.write_all(&[frame(b"one"), frame(b"two")].concat()).unwrap();
    client.shutdown(Shutdown::Write).unwrap();
    assert_eq!(read_frame(&mut client), b"one");
    assert_eq!(read_frame(&mut client), b"two");
    assert_eq!(client.read(&mut [0]).unwrap(), 0);
    wait_until(|| server.live() == 0);
}

#[test]
fn a_shutdown_drains() {
    let (_runtime, server) = serve(Echo::default(), |b| b);
    let mut clients: Vec<TcpStream> = (0..10).map(|_| connect(&server)).collect();
    for client in &mut clients {
        client.write_all(&frame(b"x")).unwrap();
        read_frame(client);
    }
    let report = server.shutdown(Duration::from_secs(2));
    assert_eq!((report.drained, report.cut.len()), (10, 0), "{report}");
    for client in &mut clients {
        assert_eq!(client.read(&mut [0]).unwrap(), 0);
    }
    let address = server.addresses()[0].inet().unwrap();
    assert!(TcpStream::connect(address).is_err(), "the listener is closed");
}
