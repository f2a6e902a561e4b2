//! What connections cost in memory: 5,000 of which 4,000 idle while 1,000 echo 1 KiB each. The server
//! is a child process, so that its memory is measured alone.

mod common;

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    process::{Child, ChildStdout, Command, Stdio},
    time::Duration,
};

use common::{Echo, frame, read_frame, serve_on};
use netpoll::{Runtime, mem};

const CHILD: &str = "NETPOLL_IDLE_MEMORY";
const IDLE: usize = 4000;
const ACTIVE: usize = 1000;
/// The figure, for release builds. Unoptimised ones have more code and larger frames.
const MOST_KIB: u64 = if cfg!(debug_assertions) { 24 << 10 } else { 12 << 10 };

/// Serves; answers each line with its counters.
fn server() {
    let runtime = Runtime::builder().build().unwrap();
    let server = serve_on(&runtime, Echo::default(), |b| b);
    println!("\n> {}", server.addresses()[0].inet().unwrap());
    for _ in std::io::stdin().lines() {
        let stats = mem::stats();
        println!("> {} {} {}", server.live(), stats.out, stats.cached);
    }
    server.shutdown(Duration::ZERO);
}

struct Server {
    child: Child,
    answers: BufReader<ChildStdout>,
}

impl Server {
    fn answer(&mut self) -> String {
        loop {
            let mut line = String::new();
            assert!(self.answers.read_line(&mut line).unwrap() > 0, "the child ended");
            if let Some(answer) = line.strip_prefix("> ") {
                return answer.trim().to_owned();
            }
        }
    }

    /// Live connections, bytes of buffers out and cached.
    fn ask(&mut self) -> [usize; 3] {
        writeln!(self.child.stdin.as_mut().unwrap()).unwrap();
        let answer = self.answer();
        let mut numbers = answer.split(' ').map(|n| n.parse().unwrap());
        std::array::from_fn(|_| numbers.next().unwrap())
    }

    /// A figure of /proc/pid/status, in KiB.
    fn status(&self, name: &str) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find(|line| line.starts_with(name)).unwrap();
        line.split_whitespace().nth(1).unwrap().parse().unwrap()
    }
}

/// This test once more, where it may open enough descriptors.
fn with_descriptors() {
    let own = std::env::current_exe().unwrap();
    let enough = "ulimit -n 12000 && exec \"$0\" --exact connections_cost_little --nocapture";
    let status =
        Command::new("sh").args(["-c", enough]).arg(own).env(CHILD, "clients").status().unwrap();
    assert!(status.success());
}

#[test]
fn connections_cost_little() {
    match std::env::var(CHILD).as_deref() {
        Ok("server") => server(),
        Ok(_) => clients(),
        Err(_) => with_descriptors(),
    }
}

fn clients() {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "connections_cost_little", "--nocapture"])
        .env(CHILD, "server")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let answers = BufReader::new(child.stdout.take().unwrap());
    let mut server = Server { child, answers };
    let address = server.answer();
    let at_rest = server.status("VmRSS");
    let mut clients: Vec<_> = (0..IDLE + ACTIVE)
        .map(|_| {
            let client = TcpStream::connect(&address).unwrap();
            client.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
            client
        })
        .collect();
    // Each has spoken once: those that idle later too.
    let payload = [7; 1024];
    for part in clients.chunks_mut(200) {
        part.iter_mut().for_each(|client| client.write_all(&frame(&payload)).unwrap());
        part.iter_mut().for_each(|client| assert_eq!(read_frame(client), payload));
    }
    for _ in 0..20 {
        let active = &mut clients[..ACTIVE];
        active.iter_mut().for_each(|client| client.write_all(&frame(&payload)).unwrap());
        active.iter_mut().for_each(|client| assert_eq!(read_frame(client), payload));
    }
    let (peak, now) = (server.status("VmHWM"), server.status("VmRSS"));
    let [live, out, cached] = server.ask();
    assert_eq!(live, IDLE + ACTIVE);
    let each = (now - at_rest) * 1024 / live as u64;
    println!(
        "{live} connections: peak {peak} KiB, now {now} KiB, {at_rest} KiB before; \
         {each} bytes for each; buffers: {out} bytes in use, {cached} cached"
    );
    // At rest no connection holds a buffer: what is in use are the pollers' read blocks.
    assert!(out <= 8 * 64 * 1024 + 4096, "{out} bytes are in use");
    assert!(peak < MOST_KIB, "{peak} KiB");
    // One that has a part of a frame holds that part, and no block of the poller's.
    let before = server.ask()[1];
    for client in &mut clients[..100] {
        client.write_all(&frame(&payload)[..20]).unwrap();
    }
    std::thread::sleep(Duration::from_millis(100));
    let partial = server.ask()[1].saturating_sub(before);
    println!("100 partial frames of 20 bytes hold {partial} bytes");
    assert!(partial < 100 * 512 + 128 * 1024, "{partial} bytes");
    for client in &mut clients[..100] {
        client.write_all(&frame(&payload)[20..]).unwrap();
        assert_eq!(read_frame(client), payload);
    }
    drop(clients);
    drop(server.child.stdin.take());
    let mut rest = Vec::new();
    let _ = server.answers.read_to_end(&mut rest);
    assert!(server.child.wait().unwrap().success());
}
