//! The programs on the macros, each run and asked.

mod browser;
mod dns;
mod http;
mod http_framing;
#[cfg(feature = "hyper")]
mod hyper;
mod memcached;
mod postgres;
#[cfg(feature = "sql")]
mod postgresql;
mod proxy;
mod pubsub;
mod readme;
mod server;
#[cfg(feature = "sql")]
mod sql;
mod thrift;
mod websocket;

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::Shutdown,
    process::Command,
};

use netpoll_examples::testing::Certificates;
use server::Server;

/// What a program prints that ends by itself.
fn printed(path: &str, args: &[&str]) -> String {
    let output = Command::new(path).args(args).output().unwrap();
    let printed = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{printed}\n{}", String::from_utf8_lossy(&output.stderr));
    printed
}

#[test]
fn quickstart_prints_a_table() {
    let args = ["--millis", "300", "--connections", "8"];
    let printed = printed(env!("CARGO_BIN_EXE_quickstart"), &args);
    let rows = printed.lines().filter_map(|line| {
        let words: Vec<_> = line.split_whitespace().collect();
        let depth = words.first()?.parse::<u32>().ok()?;
        Some((depth, words.get(1)?.parse::<f64>().ok()?))
    });
    let rows: Vec<_> = rows.collect();
    assert_eq!(rows.len(), 2, "{printed}");
    assert!(rows.iter().all(|(_, rate)| *rate > 100.0), "{printed}");
    assert!(printed.contains("8 "), "{printed}");
}

#[test]
fn echo_echoes() {
    for path in [
        env!("CARGO_BIN_EXE_echo"),
        env!("CARGO_BIN_EXE_echo_service"),
        env!("CARGO_BIN_EXE_echo_by_hand"),
    ] {
        let server = Server::start(path);
        let mut client = server.connect();
        let frames = [&b"\0\0\0\x05hello\0\0\0\0\0\x01\0\0"[..], &[7; 65_536]].concat();
        client.write_all(&frames).unwrap();
        client.shutdown(Shutdown::Write).unwrap();
        let mut back = Vec::new();
        client.read_to_end(&mut back).unwrap();
        assert_eq!(back, frames);
    }
}

#[test]
fn calculator_answers_its_own_client_and_python() {
    let server = Server::start(env!("CARGO_BIN_EXE_calculator"));
    let address = server.address.clone();
    assert_eq!(printed(env!("CARGO_BIN_EXE_calculator"), &[&address, "2", "40"]), "42\n");
    let late = Command::new(env!("CARGO_BIN_EXE_calculator"))
        .args([&address, "9223372036854775807", "1"])
        .output()
        .unwrap();
    assert!(!late.status.success());
    assert!(String::from_utf8_lossy(&late.stderr).contains("too large"));

    let Some(python) = netpoll_examples::testing::real_client("python3") else { return };
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/programs/calculator.py");
    let printed = printed(python.to_str().unwrap(), &[script, &address]);
    let mut lines: Vec<_> = printed.lines().collect();
    lines.sort_unstable();
    let too_large = "9223372036854775807 + 1 is too large";
    assert_eq!(
        lines,
        [
            "1|0||42",
            &format!("2|2|{too_large}|\"{too_large}\""),
            "3|3|the arguments cannot be decoded|",
            "4|12|there is no such method|",
        ]
    );
}

#[test]
fn mux_rpc_matches_answers_to_calls() {
    let printed = printed(env!("CARGO_BIN_EXE_mux_rpc"), &["--calls", "500"]);
    let words: Vec<u64> = printed.split_whitespace().filter_map(|word| word.parse().ok()).collect();
    let [500, slept, took, turned, ..] = words[..] else { panic!("{printed}") };
    assert!(took < slept, "side by side: {printed}");
    assert!(turned > 0, "{printed}");
}

#[test]
fn chat_tells_the_others() {
    let server = Server::start(env!("CARGO_BIN_EXE_chat"));
    let line = |lines: &mut BufReader<_>| {
        let mut line = String::new();
        lines.read_line(&mut line).unwrap();
        line
    };
    let enter = |name: &str| {
        let mut client = server.connect();
        let mut lines = BufReader::new(client.try_clone().unwrap());
        assert_eq!(line(&mut lines), "who are you?\n");
        writeln!(client, "{name}").unwrap();
        assert_eq!(line(&mut lines), format!("welcome, {name}\n"));
        (client, lines)
    };
    let (mut ann, mut to_ann) = enter("ann");
    let (mut bob, mut to_bob) = enter("bob");
    assert_eq!(line(&mut to_ann), "* bob is here\n");
    writeln!(ann, "hello").unwrap();
    assert_eq!(line(&mut to_bob), "ann: hello\n");
    writeln!(bob, "hi\nhow are you?").unwrap();
    assert_eq!(line(&mut to_ann), "bob: hi\n");
    assert_eq!(line(&mut to_ann), "bob: how are you?\n");
    writeln!(bob, "/quit").unwrap();
    assert_eq!(line(&mut to_bob), "");
    assert_eq!(line(&mut to_ann), "* bob is gone\n");
}

/// What `client` says of a pool and of a mux: calls, callers, connections, time, dials, failed ones.
fn clients_figures(args: &[&str]) -> Vec<[u64; 6]> {
    let printed = printed(env!("CARGO_BIN_EXE_client"), args);
    let lines: Vec<_> = printed.lines().collect();
    assert!(lines[0].starts_with("pool: ") && lines[1].starts_with("mux: "), "{printed}");
    let numbers = |line: &&str| {
        let words = line.split_whitespace().filter_map(|word| word.parse().ok());
        words.collect::<Vec<u64>>().try_into().unwrap()
    };
    lines.iter().map(numbers).collect()
}

#[test]
fn client_calls_servers_of_its_own() {
    let figures = clients_figures(&["--callers", "20", "--calls", "10", "--connections", "4"]);
    let [[200, 20, pooled, _, _, 0], [200, 20, shared, took, _, 0]] = figures[..] else {
        panic!("{figures:?}")
    };
    assert!((1..=4).contains(&pooled) && (1..=4).contains(&shared), "{figures:?}");
    let slept: u64 = 20 * (0..10).map(|call| call * 7 % 20).sum::<u64>();
    assert!(took < slept, "side by side: {figures:?}");
}

#[test]
fn client_calls_its_own_servers_and_others_over_tls() {
    let made = Certificates::by(env!("CARGO_BIN_EXE_certs"));
    let directory = made.directory();
    let tls = ["--tls", &directory];
    let few = ["--callers", "10", "--calls", "10", "--connections", "2", "--tls", &directory];
    let figures = clients_figures(&few);
    assert!(matches!(figures[..], [[100, 10, 1..=2, _, _, 0], [100, 10, 1..=2, _, _, 0]]));
    let echo = Server::start_with(env!("CARGO_BIN_EXE_echo"), &tls);
    let mux = Server::start_with(env!("CARGO_BIN_EXE_mux_rpc"), &tls);
    // By the name in the certificate.
    let at = |server: &Server| server.address.replace("127.0.0.1", "localhost");
    let (echo_at, mux_at) = (at(&echo), at(&mux));
    let figures = clients_figures(&[&few[..], &["--echo", &echo_at, "--mux", &mux_at]].concat());
    assert!(matches!(figures[..], [[100, 10, 1..=2, _, _, 0], [100, 10, 1..=2, _, _, 0]]));
}

#[test]
fn client_calls_the_servers_that_it_is_given() {
    let echoes = [(); 2].map(|()| Server::start(env!("CARGO_BIN_EXE_echo")));
    let mux = Server::start(env!("CARGO_BIN_EXE_mux_rpc"));
    let [first, second] = echoes.each_ref().map(|server| &*server.address);
    let args = ["--echo", first, "--echo", second, "--mux", &mux.address];
    let figures = clients_figures(&args);
    let [[1000, 50, pooled, ..], [1000, 50, shared, ..]] = figures[..] else {
        panic!("{figures:?}")
    };
    assert!((2..=8).contains(&pooled) && (1..=8).contains(&shared), "{figures:?}");
    // One that is gone costs no call.
    let gone = first.to_owned();
    let [first, second] = echoes;
    drop(first);
    let args = ["--echo", &gone, "--echo", &second.address, "--mux", &mux.address];
    assert_eq!(clients_figures(&args)[0][0], 1000);
}
