//! The server as a program: transcripts, pipelines, hostile bytes, and its end.

use std::{
    io::{Read, Write},
    net::{Shutdown, TcpStream},
    thread,
    time::Duration,
};

use crate::{
    client::{Target, Wire},
    server::Server,
    transcript,
};

/// All that the server says to `bytes`, after which the client sends no more.
fn exchange(server: &Server, bytes: &[u8]) -> String {
    let mut stream = TcpStream::connect(server.address()).unwrap();
    stream.write_all(bytes).unwrap();
    stream.shutdown(Shutdown::Write).unwrap();
    let mut said = String::new();
    stream.read_to_string(&mut said).unwrap();
    said
}

#[test]
fn transcripts_hold_over_tcp() {
    for pollers in ["1", "2"] {
        let server = Server::start(&["--pollers", pollers]);
        for transcript in transcript::all() {
            let mut client = Wire::connect(&server.address());
            client.command("FLUSHALL");
            transcript.check(&mut client);
        }
    }
}

#[test]
fn a_pipeline_is_answered_in_order() {
    let server = Server::start(&[]);
    let mut requests = Vec::new();
    let mut wanted = String::new();
    for n in 0..10_000 {
        requests.extend_from_slice(format!("ECHO {n}\r\n").as_bytes());
        wanted += &format!("${}\r\n{n}\r\n", n.to_string().len());
    }
    assert_eq!(exchange(&server, &requests), wanted);
}

#[test]
fn quit_is_answered_and_ends_the_connection() {
    let server = Server::start(&[]);
    let mut stream = TcpStream::connect(server.address()).unwrap();
    stream.write_all(b"PING\r\nQUIT\r\nPING\r\n").unwrap();
    let mut said = String::new();
    stream.read_to_string(&mut said).unwrap();
    assert_eq!(said, "+PONG\r\n+OK\r\n");
}

/// What came before is answered, then the error, then the connection ends.
#[test]
fn what_is_no_request_is_answered_in_its_place() {
    let server = Server::start(&[]);
    let mut stream = TcpStream::connect(server.address()).unwrap();
    stream.write_all(b"PING\r\n*1\r\n+PING\r\nPING\r\n").unwrap();
    let mut said = String::new();
    stream.read_to_string(&mut said).unwrap();
    assert_eq!(said, "+PONG\r\n-ERR Protocol error: expected '$', got '+'\r\n");
}

/// What a header declares is refused, or waited for, before anything is allocated for it.
#[test]
fn declared_sizes_take_no_memory() {
    let server = Server::start(&["--pollers", "1"]);
    assert_eq!(exchange(&server, b"PING\r\n"), "+PONG\r\n");
    let [reserved, touched] = ["VmPeak", "VmHWM"].map(|name| server.status(name));
    for (header, wanted) in [
        ("*1000000000\r\n", "-ERR Protocol error: invalid multibulk length\r\n"),
        ("*1\r\n$1000000000\r\n", "-ERR Protocol error: invalid bulk length\r\n"),
        ("*1\r\n$9223372036854775807\r\n", "-ERR Protocol error: invalid bulk length\r\n"),
        // As many and as long as is allowed, of which nothing comes.
        ("*1048576\r\n", ""),
        ("*2\r\n$536870912\r\n", ""),
    ] {
        for _ in 0..10 {
            assert_eq!(exchange(&server, header.as_bytes()), wanted, "{header:?}");
        }
    }
    let reserved = server.status("VmPeak") - reserved;
    let touched = server.status("VmHWM") - touched;
    // A billion strings would be 16 GiB, the longest string 512 MiB. A thread that starts reserves 66 MiB
    // for its stack and its heap.
    assert!(reserved < 256 << 10 && touched < 4 << 10, "{reserved} KiB, {touched} KiB touched");
    assert_eq!(exchange(&server, b"PING\r\n"), "+PONG\r\n");
}

#[test]
fn a_value_of_many_megabytes_comes_back() {
    let server = Server::start(&[]);
    let mut client = Wire::connect(&server.address());
    let long = "0123456789abcdef".repeat(1 << 20);
    assert_eq!(client.command(&format!("SET long {long}")), ["+OK"]);
    let reply = client.command("GET long");
    assert_eq!(reply[0], format!("${}", long.len()));
    assert!(reply[1] == long, "16 MiB came back changed");
}

/// What is received, one copy, and nothing more: not the request put together, and the value once more.
#[test]
fn a_long_value_is_copied_once() {
    const SIZE: u64 = 256 << 20;
    let server = Server::start(&["--pollers", "1"]);
    let mut client = TcpStream::connect(server.address()).unwrap();
    let before = server.status("VmHWM");
    write!(client, "*3\r\n$3\r\nSET\r\n$4\r\nlong\r\n${SIZE}\r\n").unwrap();
    let piece = vec![b'x'; 1 << 20];
    for _ in 0..SIZE >> 20 {
        client.write_all(&piece).unwrap();
    }
    client.write_all(b"\r\nSTRLEN long\r\n").unwrap();
    let wanted = format!("+OK\r\n:{SIZE}\r\n");
    let mut said = vec![0; wanted.len()];
    client.read_exact(&mut said).unwrap();
    assert_eq!(String::from_utf8(said).unwrap(), wanted);
    let grown = (server.status("VmHWM") - before) << 10;
    assert!(grown < SIZE * 5 / 2, "{} MiB at most for {} MiB", grown >> 20, SIZE >> 20);
}

/// Values of which each is too small for a mapping of its own, set by many threads.
#[cfg(target_os = "linux")]
#[test]
fn what_is_removed_goes_back_to_the_system() {
    let server = Server::start(&[]);
    let mut client = Wire::connect(&server.address());
    let value = "x".repeat(100_000);
    for n in 0..2_000 {
        assert_eq!(client.command(&format!("SET key:{n} {value}")), ["+OK"]);
    }
    let full = server.status("VmRSS");
    assert!(full > 190 << 10, "{full} KiB");
    assert_eq!(client.command("FLUSHALL"), ["+OK"]);
    let back = (0..300).any(|_| {
        thread::sleep(Duration::from_millis(100));
        server.status("VmRSS") < full / 4
    });
    assert!(back, "{} KiB of {full} KiB after 30 s", server.status("VmRSS"));
}

/// Nobody comes to these keys again: the server frees them of itself.
#[test]
fn keys_that_are_due_are_freed_without_commands() {
    let server = Server::start(&[]);
    let requests: String = (0..20_000).map(|n| format!("SET key:{n} v PX 500\r\n")).collect();
    assert_eq!(exchange(&server, requests.as_bytes()), "+OK\r\n".repeat(20_000));
    let mut client = Wire::connect(&server.address());
    client.command("SET stays v");
    // A command frees 16 keys of a shard at most, and there are 16 shards: so many alone would not do.
    let freed = (0..60).any(|_| {
        thread::sleep(Duration::from_millis(100));
        client.command("DBSIZE") == [":1"]
    });
    assert!(freed, "{:?} keys after six seconds", client.command("DBSIZE"));
}

#[test]
fn signals_end_it_with_success() {
    for (signal, number) in [("INT", 2), ("TERM", 15)] {
        if is_ignored(number) {
            // A shell's background jobs ignore SIGINT, and what they start does so too.
            println!("skipped: SIG{signal} is ignored in this process and those that it starts");
            continue;
        }
        let server = Server::start(&[]);
        let mut idle = TcpStream::connect(server.address()).unwrap();
        assert_eq!(exchange(&server, b"PING\r\n"), "+PONG\r\n");
        let (code, said) = server.end_by(signal);
        assert_eq!(code, Some(0), "{signal}: {said}");
        assert_eq!(idle.read(&mut [0]).unwrap(), 0, "an idle connection is closed in order");
    }
}

/// Returns true if this process ignores the signal of that number (proc(5)).
fn is_ignored(number: u32) -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    mask.is_some_and(|mask| mask >> (number - 1) & 1 == 1)
}

#[test]
fn help_names_the_options_and_their_defaults() {
    let help = std::process::Command::new(env!("CARGO_BIN_EXE_resp")).arg("--help").output();
    let help = String::from_utf8(help.unwrap().stdout).unwrap();
    for wanted in ["--listen <ADDRESS>", "127.0.0.1:6380", "--pollers <N>", "--max-workers <N>"] {
        assert!(help.contains(wanted), "{wanted} in {help}");
    }
}
