//! Scenario 5, send and then close: every byte arrives before the end, whoever closes, however slow
//! the other side, and with signals all the while.

mod common;

use std::{
    io::{ErrorKind, Read, Write},
    net::Shutdown,
    process::{Command, Stdio},
    sync::{
        Arc, LazyLock,
        atomic::{AtomicBool, Ordering::SeqCst},
        mpsc,
    },
    thread,
    time::Duration,
};

use common::{
    Client, client, descriptors, runtime,
    scenario::{self, length, rounds},
    serve_on, wait_until,
};
use netpoll::{Call, CloseReason, Connection, Dispatch, Flow, In, Result, ServerHandle, Service};
use parking_lot::Mutex;

/// What is sent: so that a byte tells its place.
static STREAM: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let period: Vec<u8> = (0..251).collect();
    period.repeat(length(13 << 20, 65 << 20) / period.len())
});

fn stream(n: usize) -> &'static [u8] {
    &STREAM[..n]
}

/// Reads what comes in small pieces, and tells at the end how much it was.
struct Sink<const ASYNC: bool>(Mutex<mpsc::Sender<usize>>);

impl<const ASYNC: bool> Service for Sink<ASYNC> {
    type Session = usize;
    type Request = In<'static>;
    const DISPATCH: Dispatch = if ASYNC { Dispatch::Async } else { Dispatch::Sync };

    async fn on_connect(&self, _: &Connection) -> Result<usize> {
        Ok(0)
    }

    async fn on_request<'a>(&'a self, call: Call<'a, usize>, mut input: In<'a>) -> Result<Flow> {
        if *call.session < 200_000 {
            // Slow at first, so that buffers fill and the end waits in the socket.
            let pause = Duration::from_micros(500);
            if ASYNC { netpoll::sleep(pause).await } else { thread::sleep(pause) }
        }
        for _ in 0..8 {
            let n = input.len().min(1 + *call.session % 5000);
            let bytes = input.next(n)?;
            scenario::same(bytes, &STREAM[*call.session..*call.session + n]);
            *call.session += n;
        }
        Ok(Flow::Continue)
    }

    async fn on_close(&self, _: &Connection, session: usize, reason: CloseReason) {
        assert_eq!(reason, CloseReason::Eof);
        self.0.lock().send(session).unwrap();
    }
}

/// Answers a request for n bytes with so many and closes, once the client has sent all that it will.
struct Spring<const ASYNC: bool>(Arc<AtomicBool>);

impl<const ASYNC: bool> Service for Spring<ASYNC> {
    type Session = ();
    type Request = In<'static>;
    const DISPATCH: Dispatch = if ASYNC { Dispatch::Async } else { Dispatch::Sync };

    async fn on_connect(&self, _: &Connection) -> Result<()> {
        Ok(())
    }

    async fn on_request<'a>(&'a self, call: Call<'a, ()>, mut input: In<'a>) -> Result<Flow> {
        input.fill_async(8).await?;
        let n = u64::from_be_bytes(input.next(8)?.try_into().unwrap());
        while !self.0.load(SeqCst) {
            thread::sleep(Duration::from_micros(100));
        }
        call.out.buf.write(stream(n as usize))?;
        Ok(Flow::Close)
    }
}

/// `large` is more than what sockets hold.
fn sizes(large: usize) -> [usize; 6] {
    [1, 8191, 8192, 8193, 1 << 20, length(large, 64 << 20)]
}

/// Stops and continues this process again and again: each time its waits are interrupted.
fn signals() -> std::process::Child {
    let script =
        "for i in $(seq 400); do kill -STOP $1 && kill -CONT $1 || exit; sleep 0.002; done";
    let pid = std::process::id().to_string();
    Command::new("sh").args(["-c", script, "sh", &pid]).stdin(Stdio::null()).spawn().unwrap()
}

/// As `Read::read`, whatever signals come.
fn read(client: &mut Client, into: &mut [u8]) -> usize {
    loop {
        match client.read(into) {
            Err(e) if e.kind() == ErrorKind::Interrupted => {}
            read => return read.unwrap(),
        }
    }
}

fn send_then_close(server: &ServerHandle, told: &mpsc::Receiver<usize>) {
    for n in sizes(2 << 20) {
        for half in [false, true] {
            let mut client = client(server);
            client.write_all(stream(n)).unwrap();
            if half {
                client.shutdown(Shutdown::Write).unwrap();
                assert_eq!(read(&mut client, &mut [0]), 0);
            }
            client.close();
            assert_eq!(told.recv_timeout(Duration::from_secs(60)).unwrap(), n);
            scenario::faults(1);
        }
    }
}

/// Reads all there is, in small pieces and with pauses.
fn slowly(client: &mut Client) -> Vec<u8> {
    let (mut all, mut piece) = (Vec::new(), [0; 10_000]);
    loop {
        match read(client, &mut piece) {
            0 => return all,
            n => all.extend(&piece[..n]),
        }
        if all.len() < 300_000 {
            thread::sleep(Duration::from_micros(500));
        }
    }
}

/// The client sends more than anybody reads: that must not become a reset.
fn answer_then_close(server: &ServerHandle, sent: &AtomicBool, unread: usize) {
    for n in sizes(12 << 20) {
        sent.store(false, SeqCst);
        let mut client = client(server);
        client.write_all(&[&(n as u64).to_be_bytes()[..], &vec![7; unread]].concat()).unwrap();
        sent.store(true, SeqCst);
        scenario::same(&slowly(&mut client), stream(n));
    }
}

fn run<const ASYNC: bool>(pollers: usize) {
    let baseline = descriptors();
    let runtime = runtime(pollers);
    let (tell, told) = mpsc::channel();
    let sink = serve_on(&runtime, Sink::<ASYNC>(Mutex::new(tell)), |b| b);
    send_then_close(&sink, &told);
    let sent = Arc::new(AtomicBool::new(false));
    let spring = serve_on(&runtime, Spring::<ASYNC>(sent.clone()), |b| b);
    answer_then_close(&spring, &sent, 0);
    answer_then_close(&spring, &sent, 400_000);
    wait_until(|| runtime.stats().connections == 0);
    for server in [sink, spring] {
        server.shutdown(Duration::from_secs(1));
    }
    scenario::ends(runtime, baseline);
}

#[test]
fn every_byte_arrives_before_the_end() {
    for pollers in [1, 2] {
        for _ in rounds(1, 1, 2) {
            let mut signals = signals();
            run::<false>(pollers);
            run::<true>(pollers);
            let _ = signals.kill();
            signals.wait().unwrap();
        }
    }
    scenario::tell();
}
