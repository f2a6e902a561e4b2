//! The proxy, between real clients and servers, and between peers by hand.

use std::{
    io::{Read, Write},
    net::{Shutdown, TcpListener, TcpStream},
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use netpoll_examples::testing::{printed, real_client};

use crate::server::Server;

fn start(to: &str) -> Server {
    Server::start_with(env!("CARGO_BIN_EXE_proxy"), &["--to", to])
}

/// A session through the proxy: its two ends.
fn session() -> (Server, TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let proxy = start(&listener.local_addr().unwrap().to_string());
    let client = proxy.connect();
    let server = listener.accept().unwrap().0;
    server.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    (proxy, client, server)
}

fn rest(stream: &mut TcpStream) -> String {
    let mut rest = String::new();
    stream.read_to_string(&mut rest).unwrap();
    rest
}

#[test]
fn half_closes_pass_in_either_order() {
    for client_first in [true, false] {
        let (_proxy, client, server) = session();
        let (mut first, mut second) =
            if client_first { (client, server) } else { (server, client) };
        first.write_all(b"all that I have").unwrap();
        first.shutdown(Shutdown::Write).unwrap();
        assert_eq!(rest(&mut second), "all that I have");
        // The other direction is still open.
        second.write_all(b"an answer").unwrap();
        second.shutdown(Shutdown::Write).unwrap();
        assert_eq!(rest(&mut first), "an answer");
    }
}

#[test]
fn a_server_may_speak_first() {
    let (_proxy, mut client, mut server) = session();
    server.write_all(b"220 ready\r\n").unwrap();
    let mut greeting = [0; 11];
    client.read_exact(&mut greeting).unwrap();
    assert_eq!(&greeting, b"220 ready\r\n");
    client.write_all(b"QUIT").unwrap();
    let mut word = [0; 4];
    server.read_exact(&mut word).unwrap();
    drop(server);
    assert_eq!(rest(&mut client), "");
}

#[test]
fn a_client_of_a_server_that_is_away_is_told_by_an_end() {
    let gone = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let proxy = start(&gone.to_string());
    let mut client = proxy.connect();
    // An end or a reset.
    assert_eq!(client.read(&mut [0]).unwrap_or(0), 0);
}

#[test]
fn redis_clients_pass_the_proxy() {
    let Some(cli) = real_client("redis-cli") else { return };
    let store = Server::start(env!("CARGO_BIN_EXE_resp"));
    let proxy = start(&store.address);
    let (host, port) = proxy.address.rsplit_once(':').unwrap();
    let ask =
        |words: &[&str]| printed(Command::new(&cli).args(["-h", host, "-p", port]).args(words));
    assert_eq!(ask(&["set", "key", "value"]), "OK\n");
    assert_eq!(ask(&["get", "key"]), "value\n");
}

#[cfg(feature = "sql")]
#[test]
fn postgresql_is_the_same_through_the_proxy() {
    postgresql_is_the_same_through(env!("CARGO_BIN_EXE_proxy"));
}

#[cfg(feature = "sql")]
#[test]
fn postgresql_is_the_same_through_its_own_proxy() {
    postgresql_is_the_same_through(env!("CARGO_BIN_EXE_pg_proxy"));
}

#[cfg(feature = "sql")]
fn postgresql_is_the_same_through(program: &str) {
    use crate::postgresql::Postgres;

    let (Some(psql), Some(pgbench)) = (real_client("psql"), real_client("pgbench")) else { return };
    let Some(postgres) = Postgres::start() else { return };
    let socket = postgres.directory().join(".s.PGSQL.5432");
    let to = format!("unix:{}", socket.display());
    let proxy = Server::start_with(program, &["--to", &to]);
    let (host, port) = proxy.address.rsplit_once(':').unwrap();
    let at = ["-h", host, "-p", port, "-U", "postgres"];
    let sql = |statements: &[&str]| {
        let mut command = Command::new(&psql);
        command.args(at).args(["-XAtq"]);
        for statement in statements {
            command.args(["-c", statement]);
        }
        command
    };
    assert_eq!(printed(&mut sql(&["select 6 * 7"])), "42\n");
    let words = printed(&mut sql(&["listen news", "notify news, 'extra'", "select 1"]));
    assert!(words.contains("Asynchronous notification \"news\" with payload \"extra\""), "{words}");

    // COPY to the client, and from it.
    let rows = printed(&mut sql(&["copy (select generate_series(1, 20000)) to stdout"]));
    assert_eq!(rows.lines().count(), 20_000);
    printed(&mut sql(&["create table numbers (n int)"]));
    let mut copy = sql(&["copy numbers from stdin"]).stdin(Stdio::piped()).spawn().unwrap();
    copy.stdin.take().unwrap().write_all(rows.as_bytes()).unwrap();
    assert!(copy.wait().unwrap().success());
    assert_eq!(printed(&mut sql(&["select sum(n) from numbers"])), "200010000\n");

    // psql asks for a cancel over a connection of its own.
    let began = Instant::now();
    let sleeps = sql(&["select pg_sleep(60)"]).stderr(Stdio::piped()).spawn().unwrap();
    let busy = "select count(*) from pg_stat_activity where query = 'select pg_sleep(60)'";
    while postgres.ask(busy).is_none_or(|count| count != "1\n") {
        thread::sleep(Duration::from_millis(20));
    }
    let sent = Command::new("kill").args(["-s", "INT", &sleeps.id().to_string()]).status();
    assert!(sent.unwrap().success());
    let said = String::from_utf8(sleeps.wait_with_output().unwrap().stderr).unwrap();
    assert!(said.contains("canceling statement due to user request"), "{said}");
    assert!(began.elapsed() < Duration::from_secs(50));

    printed(Command::new(&pgbench).args(at).args(["-i", "-q", "-s", "1", "postgres"]));
    for mode in ["simple", "extended", "prepared"] {
        let load = ["-S", "-M", mode, "-c", "4", "-j", "1", "-t", "50", "postgres"];
        let told = printed(Command::new(&pgbench).args(at).args(load));
        assert!(told.contains("number of failed transactions: 0"), "{mode}: {told}");
    }
}
