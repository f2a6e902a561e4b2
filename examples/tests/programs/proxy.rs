//! The proxy, between real clients and servers, and between peers by hand.

use std::{
    io::{ErrorKind, Read, Write},
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

#[test]
fn redis_itself_is_the_same_through_the_proxy() {
    let (Some(server), Some(cli)) = (real_client("redis-server"), real_client("redis-cli")) else {
        return;
    };
    let socket = std::env::temp_dir().join(format!("netpoll-redis-{}", std::process::id()));
    let mut redis = Command::new(server)
        .args(["--port", "0", "--save", "", "--unixsocket"])
        .arg(&socket)
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let until = Instant::now() + Duration::from_secs(30);
    while std::os::unix::net::UnixStream::connect(&socket).is_err() {
        assert!(Instant::now() < until, "redis-server does not answer");
        thread::sleep(Duration::from_millis(20));
    }
    let proxy = start(&format!("unix:{}", socket.display()));
    let (host, port) = proxy.address.rsplit_once(':').unwrap();
    let ask =
        |words: &[&str]| printed(Command::new(&cli).args(["-h", host, "-p", port]).args(words));
    assert_eq!(ask(&["set", "key", &"x".repeat(100_000)]), "OK\n");
    assert_eq!(ask(&["strlen", "key"]), "100000\n");
    // Pipelined, both ways at once.
    let mut pipe = Command::new(&cli)
        .args(["-h", host, "-p", port, "--pipe"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let commands: String = (0..20_000).map(|n| format!("SET key{n} {n}\r\n")).collect();
    pipe.stdin.take().unwrap().write_all(commands.as_bytes()).unwrap();
    let said = String::from_utf8(pipe.wait_with_output().unwrap().stdout).unwrap();
    assert!(said.contains("errors: 0, replies: 20000"), "{said}");
    assert_eq!(ask(&["get", "key19999"]), "19999\n");
    // The server's own end passes: there is no reply to this.
    let _ = Command::new(&cli).args(["-h", host, "-p", port, "shutdown", "nosave"]).output();
    redis.wait().unwrap();
    let _ = std::fs::remove_file(&socket);
}

/// A start-up message of PostgreSQL's, and a message that both proxies pass on unread.
const START_UP: [u8; 8] = [0, 0, 0, 8, 0, 3, 0, 0];

fn message(len: usize) -> Vec<u8> {
    let mut message = vec![b'd'];
    message.extend((len as u32 + 4).to_be_bytes());
    message.resize(5 + len, b'.');
    message
}

/// Clients that send to a server that reads nothing: no thread each, a bounded amount of memory each, and
/// other sessions go on.
fn stalled_sessions_cost_little(program: &str, threads_at_most: u64) {
    const EACH_KB: u64 = 1024;
    let full = std::env::var_os("NETPOLL_FULL").is_some();
    let sessions = if full { 1000 } else { 50 };
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let to = listener.local_addr().unwrap().to_string();
    // Fewer workers than sessions: were one of them held by each, nothing would go on.
    let workers = ["--pollers", "2", "--max-workers", "8"];
    let proxy = Server::start_with(program, &[&["--to", &to], &workers[..]].concat());
    let connect = || {
        let mut client = proxy.connect();
        client.write_all(&START_UP).unwrap();
        (client, listener.accept().unwrap().0)
    };
    let (mut client, mut server) = connect();
    let mut start_up = START_UP;
    server.read_exact(&mut start_up).unwrap();
    let mut round_trips = |n| {
        let (sent, mut came) = (message(100), message(100));
        let mut times: Vec<_> = (0..n)
            .map(|_| {
                let began = Instant::now();
                client.write_all(&sent).unwrap();
                server.read_exact(&mut came).unwrap();
                server.write_all(&came).unwrap();
                client.read_exact(&mut came).unwrap();
                began.elapsed()
            })
            .collect();
        times.sort();
        times[times.len() * 99 / 100]
    };
    let alone = round_trips(500);
    let (threads, memory) = (proxy.status("Threads:"), proxy.status("VmRSS:"));
    let stalled: Vec<_> = (0..sessions).map(|_| connect()).collect();
    let large = message(8 << 10);
    // Each client sends until nothing is taken any more, anywhere on the way.
    let mut waiting: Vec<(&TcpStream, usize)> =
        stalled.iter().map(|(client, _)| (client, 0)).collect();
    let mut quiet = 0;
    while quiet < 3 {
        let mut took = 0;
        for (client, sent) in &mut waiting {
            client.set_nonblocking(true).unwrap();
            while let Ok(n) = client.write(&large[*sent..]) {
                took += n;
                *sent = (*sent + n) % large.len();
            }
        }
        // Three rounds in a row in which nobody took anything, some time apart.
        quiet = if took == 0 { quiet + 1 } else { 0 };
        thread::sleep(Duration::from_millis(20));
    }
    let beside = round_trips(500);
    let (threads_now, memory_now) = (proxy.status("Threads:"), proxy.status("VmRSS:"));
    println!(
        "{sessions} stalled sessions: p99 {alone:?} before and {beside:?} beside them, {threads} and {threads_now} \
         threads, {memory} and {memory_now} kB"
    );
    assert!(threads_now <= threads_at_most, "{threads_now} threads, {threads} before");
    let most = memory + 20_000 + EACH_KB * sessions as u64;
    assert!(memory_now <= most, "{memory_now} kB, {memory} kB before");
    if full {
        assert!(beside <= alone * 10 + Duration::from_millis(50), "{beside:?}, {alone:?} before");
    }
}

#[test]
fn stalled_sessions_of_the_proxy_cost_little() {
    stalled_sessions_cost_little(env!("CARGO_BIN_EXE_proxy"), 20);
}

#[test]
fn stalled_sessions_of_the_proxy_of_messages_cost_little() {
    stalled_sessions_cost_little(env!("CARGO_BIN_EXE_pg_proxy"), 30);
}

#[test]
fn sessions_that_say_nothing_end_in_time() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let to = listener.local_addr().unwrap().to_string();
    for (limit, starts) in [("--start-timeout", false), ("--idle-timeout", true)] {
        let proxy =
            Server::start_with(env!("CARGO_BIN_EXE_pg_proxy"), &["--to", &to, limit, "0.2"]);
        let mut client = proxy.connect();
        let mut server = listener.accept().unwrap().0;
        server.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        if starts {
            client.write_all(&START_UP).unwrap();
            server.read_exact(&mut [0; 8]).unwrap();
        }
        for end in [&mut client, &mut server] {
            // An end or a reset, and not the time-out of this read.
            let ended = end.read(&mut [0]).map_err(|e| e.kind());
            assert!(matches!(ended, Ok(0) | Err(ErrorKind::ConnectionReset)), "{ended:?}");
        }
    }
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

    // Two connections of the replication protocol, one of which streams the log beside the copy.
    if let Some(basebackup) = real_client("pg_basebackup") {
        let copy =
            std::env::temp_dir().join(format!("netpoll-backup-{}-{port}", std::process::id()));
        let mut command = Command::new(basebackup);
        command.args(at).args(["-X", "stream", "-c", "fast", "--no-sync", "-D"]).arg(&copy);
        printed(&mut command);
        assert!(copy.join("PG_VERSION").is_file() && copy.join("backup_manifest").is_file());
        std::fs::remove_dir_all(&copy).unwrap();
    }

    printed(Command::new(&pgbench).args(at).args(["-i", "-q", "-s", "1", "postgres"]));
    for mode in ["simple", "extended", "prepared"] {
        let load = ["-S", "-M", mode, "-c", "4", "-j", "1", "-t", "50", "postgres"];
        let told = printed(Command::new(&pgbench).args(at).args(load));
        assert!(told.contains("number of failed transactions: 0"), "{mode}: {told}");
    }
}
