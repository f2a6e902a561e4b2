//! Real clients: `redis-cli` and `redis-benchmark`.

use std::{
    io::Write,
    process::{Command, Stdio},
};

use netpoll_examples::testing::real_client;

use crate::server::Server;

/// What `redis-cli` prints for these lines of input, without a terminal.
fn redis_cli(server: &Server, input: &str) -> Option<String> {
    let mut cli = Command::new(real_client("redis-cli")?)
        .args(["-p", server.port()])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    cli.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let output = cli.wait_with_output().unwrap();
    assert!(output.status.success(), "{output:?}");
    Some(String::from_utf8(output.stdout).unwrap())
}

#[test]
fn redis_cli_talks_to_it() {
    let server = Server::start(&[]);
    let input = "PING\nSET greeting 'hello world'\nGET greeting\nRPUSH l a b c\nLRANGE l 0 -1\n\
                 HSET h f v\nHGET h f\nINCR n\nINCR greeting\nEXPIRE n 100\nTTL n\nNOSUCH\n";
    let wanted = "PONG\nOK\nhello world\n3\na\nb\nc\n1\nv\n1\n\
                  ERR value is not an integer or out of range\n\n1\n100\n\
                  ERR unknown command 'NOSUCH', with args beginning with: \n\n";
    if let Some(printed) = redis_cli(&server, input) {
        assert_eq!(printed, wanted);
    }
}

#[test]
fn redis_benchmark_runs_without_an_error() {
    let Some(benchmark) = real_client("redis-benchmark") else { return };
    let server = Server::start(&[]);
    for pipeline in ["1", "32"] {
        let output = Command::new(&benchmark)
            .args(["-p", server.port(), "-n", "5000", "-c", "50", "-P", pipeline, "--csv"])
            .args(["-t", "ping,set,get,incr,lpush,lpop,sadd,hset,mset"])
            .output()
            .unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let (printed, errors) = (text(&output.stdout), text(&output.stderr));
        assert!(output.status.success(), "{printed}{errors}");
        assert!(!printed.contains("Error") && !errors.contains("Error"), "{printed}{errors}");
        for test in [
            "PING_INLINE",
            "PING_MBULK",
            "SET",
            "GET",
            "INCR",
            "LPUSH",
            "LPOP",
            "SADD",
            "HSET",
            "MSET (10 keys)",
        ] {
            let line = printed.lines().find(|line| line.starts_with(&format!("\"{test}\"")));
            let rate = line.and_then(|line| line.split('"').nth(3)?.parse::<f64>().ok());
            assert!(rate.is_some_and(|rate| rate > 0.0), "{test}: {printed}");
        }
    }
}
