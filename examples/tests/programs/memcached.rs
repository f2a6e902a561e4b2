//! The cache, asked by hand and by `pymemcache`.

use std::{
    io::{Read, Write},
    net::Shutdown,
};

use netpoll_examples::testing::{printed, python};

use crate::server::Server;

fn start(options: &[&str]) -> Server {
    Server::start_with(env!("CARGO_BIN_EXE_memcached"), options)
}

/// All that is answered to `sent`.
fn answers(server: &Server, sent: &[u8]) -> String {
    let mut client = server.connect();
    client.write_all(sent).unwrap();
    let _ = client.shutdown(Shutdown::Write);
    let mut all = String::new();
    client.read_to_string(&mut all).unwrap();
    all
}

/// The answers are memcached's.
#[test]
fn memcached_answers_each_command() {
    let server = start(&[]);
    for (sent, wanted) in [
        ("set a 5 0 5\r\nhello\r\nget a\r\n", "STORED\r\nVALUE a 5 5\r\nhello\r\nEND\r\n"),
        ("get a none a\r\n", "VALUE a 5 5\r\nhello\r\nVALUE a 5 5\r\nhello\r\nEND\r\n"),
        ("add a 0 0 1\r\nx\r\nadd b 0 0 1\r\ny\r\n", "NOT_STORED\r\nSTORED\r\n"),
        (
            "replace c 0 0 1\r\nx\r\nappend b 9 0 1\r\nz\r\nprepend b 9 0 1\r\nx\r\nget b\r\n",
            "NOT_STORED\r\nSTORED\r\nSTORED\r\nVALUE b 0 3\r\nxyz\r\nEND\r\n",
        ),
        (
            "set n 0 0 2\r\n41\r\nincr n 1\r\ndecr n 50\r\nincr b 1\r\nincr none 1\r\n",
            "STORED\r\n42\r\n0\r\nCLIENT_ERROR cannot increment or decrement non-numeric value\r\nNOT_FOUND\r\n",
        ),
        ("incr n x\r\n", "CLIENT_ERROR invalid numeric delta argument\r\n"),
        (
            "touch n 100\r\ntouch none 1\r\ngat 100 n\r\n",
            "TOUCHED\r\nNOT_FOUND\r\nVALUE n 0 1\r\n0\r\nEND\r\n",
        ),
        ("delete n\r\ndelete n\r\n", "DELETED\r\nNOT_FOUND\r\n"),
        ("cas none 0 0 1 7\r\nx\r\ncas a 0 0 1 999999\r\nx\r\n", "NOT_FOUND\r\nEXISTS\r\n"),
        (
            "set q 0 0 1 noreply\r\nx\r\nget q\r\ndelete q noreply\r\nget q\r\n",
            "VALUE q 0 1\r\nx\r\nEND\r\nEND\r\n",
        ),
        ("set e 0 -1 1\r\nx\r\nget e\r\n", "STORED\r\nEND\r\n"),
        ("set z 0 0 0\r\n\r\nget z\n", "STORED\r\nVALUE z 0 0\r\n\r\nEND\r\n"),
        ("set bin 0 0 6\r\n\r\nget \r\n", "STORED\r\n"),
        ("nothing\r\n\r\nget\r\nset a\r\n", "ERROR\r\nERROR\r\nERROR\r\nERROR\r\n"),
        ("set a 0 0 5\r\nhelloXXversion\r\n", "CLIENT_ERROR bad data chunk\r\nVERSION 0.1.0\r\n"),
        ("set a x 0 1\r\ny\r\n", "CLIENT_ERROR bad command line format\r\n"),
        ("set a 0 0 x\r\n", "CLIENT_ERROR bad command line format\r\n"),
        ("flush_all\r\nget a b\r\nverbosity 1\r\n", "OK\r\nEND\r\nOK\r\n"),
        ("version\r\nquit\r\nversion\r\n", "VERSION 0.1.0\r\n"),
    ] {
        assert_eq!(answers(&server, sent.as_bytes()), wanted, "{sent:?}");
    }
    let long_key = format!("get {}\r\n", "k".repeat(251));
    assert_eq!(answers(&server, long_key.as_bytes()), "CLIENT_ERROR bad command line format\r\n");
    assert_eq!(answers(&server, &[b'x'; 70_000]), "CLIENT_ERROR line too long\r\n");
    let stats = answers(&server, b"stats\r\n");
    assert!(stats.starts_with("STAT pid ") && stats.ends_with("END\r\n"), "{stats}");
}

/// A value that is refused is passed over: what stands in it are no commands.
#[test]
fn memcached_takes_no_value_for_commands() {
    let server = start(&[]);
    let value = "x\r\nset evil 0 0 1\r\ny\r\n".repeat(70_000);
    let refused = "SERVER_ERROR object too large for cache\r\n";
    let set = |size: usize| format!("set a 0 0 {size}\r\n{}\r\nversion\r\n", &value[..size]);
    let passed = answers(&server, set(1_100_000).as_bytes());
    assert_eq!(passed, format!("{refused}VERSION 0.1.0\r\n"));
    let long = "set a 0 0 100000000\r\nx\r\nset evil 0 0 1\r\ny\r\n";
    assert_eq!(answers(&server, long.as_bytes()), refused);
    let key = format!("set {} 0 0 19\r\nset evil 0 0 1\r\ny\r\n\r\n", "k".repeat(251));
    assert_eq!(answers(&server, key.as_bytes()), "CLIENT_ERROR bad command line format\r\n");
    assert_eq!(answers(&server, b"get evil\r\n"), "END\r\n");
}

#[test]
fn memcached_refuses_what_has_no_room() {
    let server = start(&["--memory", "1"]);
    let set = |key: &str| {
        let wire =
            [format!("set {key} 0 0 600000\r\n").as_bytes(), &[b'x'; 600_000], b"\r\n"].concat();
        answers(&server, &wire)
    };
    assert_eq!(set("a"), "STORED\r\n");
    assert_eq!(set("b"), "SERVER_ERROR out of memory storing object\r\n");
    assert_eq!(answers(&server, b"delete a\r\n"), "DELETED\r\n");
    assert_eq!(set("b"), "STORED\r\n");
}

const PYMEMCACHE: &str = r#"
import sys
from pymemcache.client.base import Client, PooledClient
host, port = sys.argv[1].split(":")
client = Client((host, int(port)), timeout=20, connect_timeout=20, no_delay=True, default_noreply=False)
assert client.set("a", b"1") and client.get("a") == b"1" and client.get("none") is None
assert client.set_many({f"key:{n}": b"x" * n for n in range(500)}) == []
assert client.get_many([f"key:{n}" for n in range(600)]) == {f"key:{n}": b"x" * n for n in range(500)}
assert client.set("large", b"y" * 1_000_000) and len(client.get("large")) == 1_000_000
assert client.incr("a", 41) == 42 and client.decr("a", 2) == 40
assert client.add("a", b"2") is False and client.append("a", b"!") and client.get("a") == b"40!"
value, number = client.gets("a")
assert client.cas("a", b"new", number) is True and client.cas("a", b"old", number) is False
assert client.touch("a", 100) and client.delete("a") and not client.delete("a")
client.set("quiet", b"1", noreply=True)
assert client.get("quiet") == b"1"
assert client.stats()[b"curr_items"] > 500
assert client.flush_all() and client.get("key:1") is None
client.quit()
pool = PooledClient((host, int(port)), max_pool_size=4, timeout=20)
for n in range(100):
    pool.set("p", str(n).encode(), noreply=False)
    assert pool.get("p") == str(n).encode()
print("done")
"#;

#[test]
fn pymemcache_uses_it() {
    let Some(mut client) = python("pymemcache", PYMEMCACHE) else { return };
    let server = start(&[]);
    assert_eq!(printed(client.arg(&server.address)), "done\n");
}
