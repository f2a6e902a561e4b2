//! Real clients: `redis-cli`, `redis-benchmark`, and libraries with their defaults.

use std::{
    io::{Read, Write},
    process::{Command, Stdio},
};

use netpoll_examples::testing::{Certificates, built_client, node, printed, python, real_client};

use crate::server::Server;

/// What `redis-cli` prints for these lines of input, without a terminal.
fn redis_cli(server: &Server, options: &[&str], input: &str) -> Option<String> {
    let mut cli = Command::new(real_client("redis-cli")?)
        .args(["-p", server.port()])
        .args(options)
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
    if let Some(printed) = redis_cli(&server, &[], input) {
        assert_eq!(printed, wanted);
    }
}

#[test]
fn redis_cli_and_redis_benchmark_talk_to_it_over_tls() {
    let made = Certificates::by(env!("CARGO_BIN_EXE_certs"));
    let server = Server::start(&["--tls", &made.directory()]);
    let authority = made.file("ca.pem");
    let tls = ["--tls", "--cacert", &authority, "--sni", "localhost"];
    let value = "v".repeat(100_000);
    let input = format!("PING\nSET a {value}\nGET a\nRPUSH l a b c\nLRANGE l 0 -1\nINCR l\n");
    let fault = "WRONGTYPE Operation against a key holding the wrong kind of value";
    if let Some(printed) = redis_cli(&server, &tls, &input) {
        assert_eq!(printed, format!("PONG\nOK\n{value}\n3\na\nb\nc\n{fault}\n\n"));
    }
    let Some(benchmark) = real_client("redis-benchmark") else { return };
    for pipeline in ["1", "32"] {
        let mut benchmark = Command::new(&benchmark);
        benchmark.args(["-p", server.port(), "-n", "2000", "-c", "20", "-P", pipeline, "--csv"]);
        let said = printed(benchmark.args(["-t", "set,get"]).args(tls));
        assert!(said.contains("\"SET\"") && said.contains("\"GET\""), "{said}");
        assert!(!said.contains("Error"), "{said}");
    }
    // One who speaks no TLS is told nothing.
    let mut plain = std::net::TcpStream::connect(server.address()).unwrap();
    plain.write_all(b"PING\r\n").unwrap();
    let mut told = Vec::new();
    let _ = plain.read_to_end(&mut told);
    assert!(!told.windows(4).any(|bytes| bytes == b"PONG"), "{told:?}");
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

const REDIS_PY: &str = r#"
import sys, redis
r = redis.Redis(port=int(sys.argv[1]), decode_responses=True, socket_timeout=20)
assert r.set("a", "1") is True and r.get("a") == "1" and r.get("none") is None
assert r.incr("a") == 2 and r.lpop("none", 2) is None
assert r.hset("h", mapping={"f": "v", "g": "w"}) == 2 and r.hgetall("h") == {"f": "v", "g": "w"}
assert r.sadd("s", "x", "y") == 2 and r.smembers("s") == {"x", "y"}
assert r.config_get("save") == {"save": ""} and r.info("server")["server_name"] == "netpoll"
with r.pipeline(transaction=False) as many:
    for n in range(1000):
        many.rpush("l", n)
    assert many.execute() == list(range(1, 1001))
assert r.lrange("l", 0, -1) == [str(n) for n in range(1000)]
try:
    r.incr("l")
    assert False
except redis.ResponseError as error:
    assert "WRONGTYPE" in str(error)
connection = r.connection_pool.get_connection()
print("version", connection.protocol)
"#;

#[test]
fn redis_py_connects_with_its_defaults() {
    let Some(mut client) = python("redis", REDIS_PY) else { return };
    let server = Server::start(&[]);
    assert_eq!(printed(client.arg(server.port())), "version 3\n");
}

const NODE_REDIS: &str = r#"
const { createClient } = require("redis");
(async () => {
    const client = createClient({ url: process.argv[1] });
    client.on("error", (error) => {
        console.log(String(error));
        process.exit(1);
    });
    await client.connect();
    console.log(await client.set("a", "1"), await client.get("a"), await client.get("none"));
    console.log(await client.hSet("h", { f: "v" }), JSON.stringify(await client.hGetAll("h")));
    console.log(await client.sAdd("s", ["m"]), await client.sMembers("s"));
    const counted = await Promise.all([...Array(1000)].map(() => client.incr("n")));
    console.log(counted.length, counted[999]);
    await client.close();
})();
"#;

#[test]
fn node_redis_connects_with_its_defaults() {
    let Some(mut client) = node("redis", NODE_REDIS) else { return };
    let server = Server::start(&[]);
    let said = printed(client.arg(format!("redis://{}", server.address())));
    assert_eq!(said, "OK 1 null\n1 {\"f\":\"v\"}\n1 [ 'm' ]\n1000 1000\n");
}

#[test]
fn rueidis_connects_with_its_defaults() {
    let Some(client) = built_client("rueidis") else { return };
    let server = Server::start(&[]);
    let said = printed(Command::new(client).arg(server.address()));
    assert_eq!(said, "map[f:v] <nil>\n[m] <nil>\n");
}
