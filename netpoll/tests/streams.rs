//! Connections as streams of bytes, by `std::io`, tokio's and futures' traits.

mod common;

use std::{
    future::poll_fn,
    io::{self, BufRead, BufReader, Read, Write},
    net::{Shutdown, TcpListener, TcpStream},
    pin::Pin,
    task::{Context, Poll, Waker},
    thread,
    time::{Duration, Instant},
};

use common::{Bench, Echo, call, connect, frame, reset, runtime, serve, serve_on, wait_until};
use netpoll::{
    ByteStream, Call, CloseReason, Connection, ConnectionOptions, Dialer, ErrorKind, Flow, Result,
    Runtime, Service, block_on, mem,
};

/// A connection and its peer.
fn pair_with(runtime: &Runtime, options: ConnectionOptions) -> (Connection, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let dialer = Dialer::new().runtime(runtime).options(options);
    let conn = dialer.dial(listener.local_addr().unwrap()).unwrap();
    let peer = listener.accept().unwrap().0;
    peer.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    (conn, peer)
}

fn pair(runtime: &Runtime) -> (ByteStream, TcpStream) {
    let (conn, peer) = pair_with(runtime, ConnectionOptions::default());
    (conn.into_stream().unwrap(), peer)
}

/// All that the peer reads up to the end.
fn rest(peer: &mut TcpStream) -> Vec<u8> {
    let mut all = Vec::new();
    peer.read_to_end(&mut all).unwrap();
    all
}

#[test]
fn bytes_that_came_before_are_the_streams_first() {
    let runtime = runtime(1);
    let (conn, mut peer) = pair_with(&runtime, ConnectionOptions::default());
    peer.write_all(b"one two").unwrap();
    assert_eq!(conn.reader().unwrap().next(4).unwrap(), b"one ");
    let mut stream = conn.into_stream().unwrap();
    let mut three = [0; 3];
    stream.read_exact(&mut three).unwrap();
    assert_eq!(&three, b"two");
}

/// Answers each line in upper case, until the end.
fn upper_case(peer: TcpStream) {
    let mut peer = BufReader::new(peer);
    let mut line = String::new();
    while peer.read_line(&mut line).unwrap() > 0 {
        peer.get_ref().write_all(line.to_uppercase().as_bytes()).unwrap();
        line.clear();
    }
}

/// Apart from the others, since methods of two traits have the same names.
mod lines {
    use netpoll::{Runtime, block_on};
    use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt};

    async fn talk(runtime: Runtime) {
        let (mut stream, peer) = super::pair(&runtime);
        let answers = std::thread::spawn(move || super::upper_case(peer));
        for n in 0..100 {
            stream.write_all(format!("line {n}\n").as_bytes()).await.unwrap();
            let mut line = String::new();
            stream.read_line(&mut line).await.unwrap();
            assert_eq!(line, format!("LINE {n}\n"));
        }
        stream.shutdown().await.unwrap();
        assert_eq!(stream.read(&mut [0; 9]).await.unwrap(), 0);
        answers.join().unwrap();
    }

    #[test]
    fn tokio_reads_and_writes_them_under_any_executor() {
        let runtime = super::runtime(1);
        block_on(talk(runtime.clone()));
        block_on(runtime.spawn(talk(runtime.clone()))).unwrap();
        let tokio = tokio::runtime::Builder::new_current_thread().build().unwrap();
        tokio.block_on(talk(runtime));
    }
}

#[test]
fn tokio_copies_both_ways_between_streams() {
    let runtime = runtime(2);
    let ((mut left, mut a), (mut right, mut b)) = (pair(&runtime), pair(&runtime));
    let copying = runtime
        .spawn(async move { tokio::io::copy_bidirectional(&mut left, &mut right).await.unwrap() });
    let up: Vec<u8> = (0..3_000_000u32).map(|i| (i / 3) as u8).collect();
    thread::scope(|scope| {
        scope.spawn(|| {
            a.write_all(&up).unwrap();
            a.shutdown(Shutdown::Write).unwrap();
        });
        assert!(rest(&mut b) == up);
    });
    // One direction has ended; the other goes on.
    b.write_all(b"late").unwrap();
    b.shutdown(Shutdown::Write).unwrap();
    assert_eq!(rest(&mut a), b"late");
    assert_eq!(block_on(copying).unwrap(), (3_000_000, 4));
}

#[test]
fn a_half_that_writes_ends_its_direction_alone() {
    let runtime = runtime(1);
    let (stream, mut peer) = pair(&runtime);
    let (mut read, mut write) = stream.into_split();
    let conn = read.connection().clone();
    write.write_all(b"asked").unwrap();
    drop(write);
    assert_eq!(rest(&mut peer), b"asked");
    peer.write_all(b"answered").unwrap();
    let mut answer = [0; 8];
    read.read_exact(&mut answer).unwrap();
    assert_eq!(&answer, b"answered");
    assert!(conn.is_active());
    drop(read);
    wait_until(|| !conn.is_active());
}

#[test]
fn a_half_that_reads_can_go_first_and_halves_come_together() {
    let runtime = runtime(1);
    let (stream, mut peer) = pair(&runtime);
    let (read, write) = stream.into_split();
    let (other, _peer) = pair(&runtime);
    let (foreign, other) = other.into_split();
    let (foreign, write) = *ByteStream::reunite(foreign, write).unwrap_err();
    let mut stream = ByteStream::reunite(read, write).unwrap();
    ByteStream::reunite(foreign, other).unwrap();
    stream.write_all(b"whole").unwrap();
    let (read, mut write) = stream.into_split();
    drop(read);
    write.write_all(b" half").unwrap();
    drop(write);
    assert_eq!(rest(&mut peer), b"whole half");
}

#[test]
fn a_stream_that_is_dropped_closes_whoever_else_has_a_handle() {
    let runtime = runtime(1);
    let (conn, mut peer) = pair_with(&runtime, ConnectionOptions::default());
    let mut stream = conn.clone().into_stream().unwrap();
    stream.write_all(&[7; 300_000]).unwrap();
    drop(stream);
    assert!(rest(&mut peer) == [7; 300_000]);
    assert_eq!(block_on(conn.closed()), CloseReason::Local);
    assert_eq!(conn.into_stream().unwrap_err().kind(), ErrorKind::Closed);
}

#[test]
fn a_flush_waits_for_a_peer_that_does_not_read() {
    use tokio::io::AsyncWrite;
    let runtime = runtime(1);
    let (mut stream, mut peer) = pair(&runtime);
    let mut nobody = Context::from_waker(Waker::noop());
    // Up to the high mark, past what the system takes.
    let mut sent = 0;
    while let Poll::Ready(n) = Pin::new(&mut stream).poll_write(&mut nobody, &[5; 100_000]) {
        sent += n.unwrap();
    }
    assert!(stream.connection().pending() > 0);
    let mut flush = || AsyncWrite::poll_flush(Pin::new(&mut stream), &mut nobody);
    assert!(flush().is_pending() && flush().is_pending());
    let reads = thread::spawn(move || rest(&mut peer));
    Write::flush(&mut stream).unwrap();
    assert_eq!(stream.connection().pending(), 0);
    drop(stream);
    assert!(reads.join().unwrap() == vec![5; sent]);
}

#[cfg(target_os = "linux")]
#[test]
fn streams_over_shared_memory_are_the_same() {
    let runtime = runtime(2);
    let path = std::env::temp_dir().join(format!("netpoll-streams-{}", std::process::id()));
    let address = format!("shm:{}", path.display());
    let _server = serve_on(&runtime, Echo::default(), |b| b.listen(address.as_str()));
    let mut stream = Dialer::new().dial(address).unwrap().into_stream().unwrap();
    for n in [0, 1, 70_000, 3_000_000] {
        let payload: Vec<u8> = (0..n).map(|i| (i / 3) as u8).collect();
        assert!(call(&mut stream, &payload) == payload, "{n}");
    }
    let (mut read, write) = stream.into_split();
    drop(write);
    assert_eq!(read.read(&mut [0]).unwrap(), 0, "the server answers an end by its own");
}

#[test]
fn a_read_ends_after_its_time_and_can_be_made_again() {
    let runtime = runtime(1);
    let options = ConnectionOptions::new().read_timeout(Duration::from_millis(1));
    let (conn, mut peer) = pair_with(&runtime, options);
    let mut stream = conn.into_stream().unwrap();
    let mut byte = [0];
    for _ in 0..2 {
        stream.set_read_timeout(Duration::from_millis(40));
        let start = Instant::now();
        assert_eq!(stream.read(&mut byte).unwrap_err().kind(), io::ErrorKind::TimedOut);
        assert!(start.elapsed() >= Duration::from_millis(40));
    }
    peer.write_all(b"x").unwrap();
    stream.set_read_timeout(Duration::from_secs(20));
    assert_eq!(stream.read(&mut byte).unwrap(), 1);
    // The connection's own read timeout does not count.
    stream.set_read_timeout(None);
    thread::spawn(move || {
        thread::sleep(Duration::from_millis(60));
        peer.write_all(b"y").unwrap();
        thread::sleep(Duration::from_millis(60));
    });
    assert_eq!(stream.read(&mut byte).unwrap(), 1);
}

#[test]
fn errors_say_who_ended_the_stream() {
    let runtime = runtime(1);
    let mut byte = [0];

    let (mut stream, peer) = pair(&runtime);
    reset(peer);
    let kind = stream.read(&mut byte).unwrap_err().kind();
    assert!(matches!(kind, io::ErrorKind::ConnectionReset | io::ErrorKind::ConnectionAborted));
    let failed = (0..1000).find_map(|_| stream.write(&byte).and_then(|_| stream.flush()).err());
    assert_eq!(failed.unwrap().kind(), io::ErrorKind::BrokenPipe);

    let (mut stream, mut peer) = pair(&runtime);
    block_on(tokio::io::AsyncWriteExt::shutdown(&mut stream)).unwrap();
    block_on(tokio::io::AsyncWriteExt::shutdown(&mut stream)).unwrap();
    assert_eq!(Write::write(&mut stream, &byte).unwrap_err().kind(), io::ErrorKind::BrokenPipe);
    Write::flush(&mut stream).unwrap();
    assert_eq!(rest(&mut peer), b"");

    let (mut stream, _peer) = pair(&runtime);
    let conn = stream.connection().clone();
    let closes = thread::spawn(move || {
        thread::sleep(Duration::from_millis(20));
        conn.close();
    });
    let read = Read::read(&mut stream, &mut byte);
    assert_eq!(read.unwrap_err().kind(), io::ErrorKind::ConnectionAborted);
    assert_eq!(Write::write(&mut stream, &byte).unwrap_err().kind(), io::ErrorKind::BrokenPipe);
    closes.join().unwrap();
}

#[test]
fn a_connection_that_is_read_by_others_is_no_stream() {
    let runtime = runtime(1);
    let (conn, _peer) = pair_with(&runtime, ConnectionOptions::default());
    let reader = conn.reader().unwrap();
    let refused = conn.clone().into_stream().unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Limit, "{refused}");
    drop(reader);
    conn.into_stream().unwrap();
}

#[test]
fn nothing_is_read_or_written_where_nothing_is_asked() {
    let runtime = runtime(1);
    let (mut stream, mut peer) = pair(&runtime);
    assert_eq!(Read::read(&mut stream, &mut []).unwrap(), 0);
    assert_eq!(Write::write(&mut stream, &[]).unwrap(), 0);
    assert_eq!(block_on(tokio::io::AsyncReadExt::read(&mut stream, &mut [])).unwrap(), 0);
    drop(stream);
    assert_eq!(rest(&mut peer), b"");
}

/// Detaches a connection at its first frame, and echoes what follows by tokio's traits.
struct Detaches;

impl Service for Detaches {
    type Session = ();
    type Request = Bench<'static>;

    async fn on_connect(&self, _: &Connection) -> Result<()> {
        Ok(())
    }

    async fn on_request<'a>(&'a self, _: Call<'a, ()>, _: Bench<'a>) -> Result<Flow> {
        Ok(Flow::Detach)
    }

    async fn on_close(&self, conn: &Connection, _: (), reason: CloseReason) {
        if reason == CloseReason::Detached {
            let stream = conn.clone().into_stream().unwrap();
            netpoll::spawn(async move {
                let (mut read, mut write) = tokio::io::split(stream);
                let _ = tokio::io::copy(&mut read, &mut write).await;
            });
        }
    }
}

#[test]
fn a_detached_connection_is_a_stream_that_its_drop_closes() {
    let (_runtime, server) = serve(Detaches, |b| b);
    let mut client = connect(&server);
    client.write_all(&[&frame(b"switch")[..], b"first"].concat()).unwrap();
    let mut echoed = [0; 5];
    client.read_exact(&mut echoed).unwrap();
    assert_eq!(&echoed, b"first");
    client.write_all(&[9; 200_000]).unwrap();
    let mut echoed = vec![0; 200_000];
    client.read_exact(&mut echoed).unwrap();
    assert!(echoed == [9; 200_000]);
    client.shutdown(Shutdown::Write).unwrap();
    assert_eq!(client.read(&mut [0]).unwrap(), 0, "the task ended, and dropped the stream");
}

#[test]
fn a_worker_that_reads_or_writes_gives_its_poller_away() {
    let runtime = runtime(1);
    let server = serve_on(&runtime, Echo::default(), |b| b);
    let address = server.addresses()[0].clone();
    let tasks: Vec<_> = (0..8)
        .map(|n: u8| {
            let dialer = Dialer::new().runtime(&runtime);
            let address = address.clone();
            runtime.spawn(async move {
                let conn = dialer.dial_async(address).await.unwrap();
                let mut stream = conn.into_stream().unwrap();
                // The answers come by the only poller.
                for _ in 0..20 {
                    assert_eq!(call(&mut stream, &[n; 1000]), [n; 1000]);
                }
                let large = vec![n; 3 << 20];
                assert!(call(&mut stream, &large) == large);
            })
        })
        .collect();
    for task in tasks {
        block_on(task).unwrap();
    }
}

#[test]
fn futures_traits_read_write_and_close() {
    use futures_io::{AsyncBufRead, AsyncRead, AsyncWrite};
    let runtime = runtime(1);
    let (mut stream, mut peer) = pair(&runtime);
    block_on(async {
        let parts = [io::IoSlice::new(b"one "), io::IoSlice::new(b""), io::IoSlice::new(b"two")];
        let n = poll_fn(|cx| Pin::new(&mut stream).poll_write_vectored(cx, &parts)).await.unwrap();
        assert_eq!(n, 7);
        poll_fn(|cx| AsyncWrite::poll_flush(Pin::new(&mut stream), cx)).await.unwrap();
        peer.write_all(b"three").unwrap();
        let mut byte = [0];
        let n = poll_fn(|cx| AsyncRead::poll_read(Pin::new(&mut stream), cx, &mut byte));
        assert_eq!((n.await.unwrap(), byte), (1, *b"t"));
        let mut came = Vec::<u8>::new();
        while came.len() < 4 {
            poll_fn(|cx| {
                AsyncBufRead::poll_fill_buf(Pin::new(&mut stream), cx)
                    .map_ok(|chunk| came.extend(chunk))
            })
            .await
            .unwrap();
            let n = came.len();
            AsyncBufRead::consume(Pin::new(&mut stream), n);
        }
        assert_eq!(came, b"hree");
        poll_fn(|cx| Pin::new(&mut stream).poll_close(cx)).await.unwrap();
    });
    assert_eq!(rest(&mut peer), b"one two");
}

/// The streams' process-wide memory is counted: in a test that tolerates what others hold.
#[test]
fn a_stream_that_waits_holds_no_buffer() {
    const STREAMS: usize = 200;
    let runtime = runtime(1);
    let mut ends: Vec<_> = (0..STREAMS).map(|_| pair(&runtime)).collect();
    for (stream, peer) in &mut ends {
        peer.write_all(&[1; 5000]).unwrap();
        let mut all = [0; 5000];
        stream.read_exact(&mut all).unwrap();
        stream.set_read_timeout(Duration::from_millis(1));
        assert_eq!(Read::read(stream, &mut all).unwrap_err().kind(), io::ErrorKind::TimedOut);
    }
    // 200 blocks of 4 KiB would be more; others' are freed in time.
    wait_until(|| mem::stats().out < STREAMS * 2048);
}
