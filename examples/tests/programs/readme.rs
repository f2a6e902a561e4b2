//! README's first server runs as it is printed.

use std::{
    io::{Read, Write},
    net::TcpStream,
    process::{Child, Command},
    thread,
    time::{Duration, Instant},
};

const README: &str = include_str!("../../../README.md");
const PROGRAM: &str = include_str!("../../src/bin/readme.rs");

/// Killed when it is dropped.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn the_first_server_of_the_readme_runs() {
    let (_, rest) = README.split_once("```rust\n").expect("README has a program");
    let (printed, _) = rest.split_once("```\n").expect("the program ends");
    let (_, program) = PROGRAM.split_once("\n\n").expect("a line of documentation comes first");
    assert_eq!(printed, program, "examples/src/bin/readme.rs is README's first program");

    let mut server = Running(Command::new(env!("CARGO_BIN_EXE_readme")).spawn().unwrap());
    let until = Instant::now() + Duration::from_secs(20);
    let mut client = loop {
        if let Ok(client) = TcpStream::connect("127.0.0.1:9000") {
            break client;
        }
        assert!(Instant::now() < until, "it does not listen");
        assert!(server.0.try_wait().unwrap().is_none(), "it has ended");
        thread::sleep(Duration::from_millis(10));
    };
    client.write_all(b"\0\0\0\x05hello").unwrap();
    let mut answer = [0; 9];
    client.read_exact(&mut answer).unwrap();
    assert_eq!(&answer, b"\0\0\0\x05hello");
}
