//! README's first server runs as it is printed.

use std::{
    io::{Read, Write},
    os::unix::net::UnixStream,
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

    // A path of its own: the printed port may be taken.
    let path = std::env::temp_dir().join(format!("netpoll-readme-{}", std::process::id()));
    let program = env!("CARGO_BIN_EXE_readme");
    let address = format!("unix:{}", path.display());
    let mut server = Running(Command::new(program).arg(address).spawn().unwrap());
    let until = Instant::now() + Duration::from_secs(20);
    let mut client = loop {
        if let Ok(client) = UnixStream::connect(&path) {
            break client;
        }
        assert!(Instant::now() < until, "it does not listen");
        assert!(server.0.try_wait().unwrap().is_none(), "it has ended");
        thread::sleep(Duration::from_millis(10));
    };
    client.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    client.write_all(b"\0\0\0\x05hello").unwrap();
    let mut answer = [0; 9];
    client.read_exact(&mut answer).unwrap();
    assert_eq!(&answer, b"\0\0\0\x05hello");
    drop(server);
    std::fs::remove_file(path).unwrap();
}
