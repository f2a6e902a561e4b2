//! The events that a server without hooks logs: visible at sensible levels, and never a flood.

mod common;

use std::{
    io::{Read, Write},
    time::Duration,
};

use common::{
    call, connect, frame,
    logged::{lines, log},
    runtime, wait_until,
};
use netpoll::{EventLoop, Frame, Runtime, ServerHandle, frame::Auto, service::Free};

const MS: Duration = Duration::from_millis(1);

#[derive(Debug, Frame)]
struct Message {
    #[frame(len(of = rest))]
    n: Auto<u32>,
    #[frame(rest)]
    body: Vec<u8>,
}

#[netpoll::on_request]
fn quiet(message: Message) -> Message {
    assert_ne!(message.body, b"panic", "asked to");
    message
}

fn server(runtime: &Runtime) -> (EventLoop, ServerHandle) {
    log();
    let builder = EventLoop::builder(Free::<quiet>::new()).runtime(runtime).listen("127.0.0.1:0");
    let server = builder.max_frame(1000).frame_timeout(200 * MS).bind().unwrap();
    let handle = server.handle();
    (server, handle)
}

#[test]
fn a_panic_is_an_error_with_its_connection_and_peer() {
    let runtime = runtime(1);
    let (_server, handle) = server(&runtime);
    let mut client = connect(&handle);
    let peer = client.local_addr().unwrap().to_string();
    client.write_all(&frame(b"panic")).unwrap();
    let _ = client.read_to_end(&mut Vec::new());
    wait_until(|| !lines(&["ERROR", "netpoll::server", "connection=", &peer]).is_empty());
}

#[test]
fn connections_are_told_of_at_debug_with_the_reason_of_their_end() {
    let runtime = runtime(1);
    let (_server, handle) = server(&runtime);
    let mut client = connect(&handle);
    let peer = format!("peer={}", client.local_addr().unwrap());
    assert_eq!(call(&mut client, b"x"), b"x");
    drop(client);
    wait_until(|| lines(&["DEBUG", "netpoll::server", &peer]).len() == 2);
    assert!(!lines(&["accepted a connection", &peer]).is_empty());
    assert!(!lines(&["closed a connection", "the peer closed the connection", &peer]).is_empty());
}

#[test]
fn protocol_errors_and_timeouts_are_warnings_of_which_one_a_second_is_logged() {
    let runtime = runtime(1);
    let (_server, handle) = server(&runtime);
    let began = std::time::Instant::now();
    let local = handle.addresses()[0].to_string();
    for _ in 0..50 {
        let mut client = connect(&handle);
        client.write_all(&20_971_520u32.to_be_bytes()).unwrap();
        let _ = client.read_to_end(&mut Vec::new());
    }
    let told = || lines(&["WARN", "netpoll::server", "a peer broke the protocol"]);
    wait_until(|| !told().is_empty());
    let most = began.elapsed().as_secs() as usize + 2;
    assert!(told().len() <= most, "{} lines for 50 errors at {local}", told().len());
    let mut client = connect(&handle);
    client.write_all(&[0, 0]).unwrap();
    let _ = client.read_to_end(&mut Vec::new());
    let peer = format!("peer={}", client.local_addr().unwrap());
    wait_until(|| !lines(&["WARN", "netpoll::server", "timeout", &peer]).is_empty());
}

/// The error that says what to change.
#[test]
fn a_frame_that_is_too_large_is_told_of_with_its_size_the_limit_and_the_peer() {
    let runtime = runtime(1);
    let (_server, handle) = server(&runtime);
    let mut client = connect(&handle);
    let peer = client.local_addr().unwrap().to_string();
    client.write_all(&20_971_520u32.to_be_bytes()).unwrap();
    let _ = client.read_to_end(&mut Vec::new());
    let text = format!("exceeds max_frame (1000) on {peer}");
    // Another test's line may be the one of this second.
    wait_until(|| {
        let mut again = connect(&handle);
        let own = again.local_addr().unwrap().to_string();
        again.write_all(&20_971_520u32.to_be_bytes()).unwrap();
        let _ = again.read_to_end(&mut Vec::new());
        let own = format!("exceeds max_frame (1000) on {own}");
        !lines(&["frame of 2097152", &text]).is_empty()
            || !lines(&["frame of 2097152", &own]).is_empty()
    });
}
