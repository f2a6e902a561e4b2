//! Streams against a socket pair: at any split of the bytes, with reads and writes that are given up.

use std::{
    cell::Cell,
    future::poll_fn,
    io::{self, IoSlice, Read, Write},
    os::unix::net::{UnixListener, UnixStream},
    pin::Pin,
    sync::{
        atomic::{AtomicUsize, Ordering::Relaxed},
        mpsc,
    },
    task::{Context, Poll, Waker},
    thread,
};

use netpoll::{ByteStream, ConnectionOptions, Dialer, Runtime, block_on};
use proptest::prelude::*;

/// The traits by which a stream is used.
#[derive(Clone, Copy, Debug)]
enum Face {
    Std,
    Tokio,
    Futures,
}

const FACES: [Face; 3] = [Face::Std, Face::Tokio, Face::Futures];

impl Face {
    fn poll_read(
        self,
        stream: &mut ByteStream,
        cx: &mut Context<'_>,
        to: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        match self {
            Self::Std => Poll::Ready(Read::read(stream, to)),
            Self::Tokio => {
                let mut to = tokio::io::ReadBuf::new(to);
                tokio::io::AsyncRead::poll_read(Pin::new(stream), cx, &mut to)
                    .map_ok(|()| to.filled().len())
            }
            Self::Futures => futures_io::AsyncRead::poll_read(Pin::new(stream), cx, to),
        }
    }

    fn poll_write(
        self,
        stream: &mut ByteStream,
        cx: &mut Context<'_>,
        parts: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self {
            Self::Std => Poll::Ready(Write::write_vectored(stream, parts)),
            Self::Tokio => tokio::io::AsyncWrite::poll_write_vectored(Pin::new(stream), cx, parts),
            Self::Futures => {
                futures_io::AsyncWrite::poll_write_vectored(Pin::new(stream), cx, parts)
            }
        }
    }

    fn poll_flush(self, stream: &mut ByteStream, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Std => Poll::Ready(Write::flush(stream)),
            Self::Tokio => tokio::io::AsyncWrite::poll_flush(Pin::new(stream), cx),
            Self::Futures => futures_io::AsyncWrite::poll_flush(Pin::new(stream), cx),
        }
    }

    fn poll_shutdown(self, stream: &mut ByteStream, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            // `std::io` has no half-close.
            Self::Std | Self::Tokio => tokio::io::AsyncWrite::poll_shutdown(Pin::new(stream), cx),
            Self::Futures => futures_io::AsyncWrite::poll_close(Pin::new(stream), cx),
        }
    }
}

thread_local! {
    /// Polls of this thread's that were given up.
    static GIVEN_UP: Cell<usize> = const { Cell::new(0) };
}

/// Begins `poll`, which `give_up` times is given up where it is not ready, and then waits for it. `poll` is
/// told the attempt.
fn insist<T>(give_up: usize, mut poll: impl FnMut(usize, &mut Context<'_>) -> Poll<T>) -> T {
    for attempt in 0..give_up {
        // Nobody is woken: the next attempt is another future.
        if let Poll::Ready(done) = poll(attempt, &mut Context::from_waker(Waker::noop())) {
            return done;
        }
        GIVEN_UP.set(GIVEN_UP.get() + 1);
        thread::yield_now();
    }
    block_on(poll_fn(|cx| poll(give_up, cx)))
}

/// The sizes of pieces, one after the other, from the first again after the last.
fn pieces(sizes: &[usize], total: usize) -> Vec<usize> {
    let mut left = total;
    let cut = sizes.iter().cycle().map_while(|size| {
        let n = (*size).min(left);
        left -= n;
        (n > 0).then_some(n)
    });
    cut.collect()
}

fn bytes(total: usize) -> Vec<u8> {
    (0..total).map(|i| (i * 31 / 7) as u8).collect()
}

/// A stream with low marks, and its peer.
fn pair(runtime: &Runtime) -> (ByteStream, UnixStream) {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    let name = format!("netpoll-stream-{}-{}", std::process::id(), NEXT.fetch_add(1, Relaxed));
    let path = std::env::temp_dir().join(name);
    let listener = UnixListener::bind(&path).unwrap();
    let options = ConnectionOptions::new().write_high(20_000).write_low(5_000);
    let conn = Dialer::new().runtime(runtime).options(options).dial(&*path).unwrap();
    let peer = listener.accept().unwrap().0;
    std::fs::remove_file(path).unwrap();
    (conn.into_stream().unwrap(), peer)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_the_peer_sends_is_read(
        total in 0..150_000usize,
        sent in prop::collection::vec(1..40_000usize, 1..6),
        read in prop::collection::vec(1..70_000usize, 1..6),
        give_up in prop::collection::vec(0..4usize, 1..5),
    ) {
        let runtime = Runtime::builder().pollers(1).build().unwrap();
        for face in FACES {
            let (mut stream, mut peer) = pair(&runtime);
            let (data, cuts) = (bytes(total), pieces(&sent, total));
            let sending = thread::spawn(move || {
                let mut at = 0;
                for n in cuts {
                    peer.write_all(&data[at..at + n]).unwrap();
                    at += n;
                }
                peer.shutdown(std::net::Shutdown::Write).unwrap();
                peer
            });
            let (mut came, mut turn, mut room) = (Vec::new(), 0, vec![0; 70_000]);
            loop {
                let n = insist(give_up[turn % give_up.len()], |attempt, cx| {
                    // Another size each time.
                    let n = read[(turn + attempt) % read.len()];
                    face.poll_read(&mut stream, cx, &mut room[..n])
                });
                match n.unwrap() {
                    0 => break,
                    n => came.extend_from_slice(&room[..n]),
                }
                turn += 1;
            }
            prop_assert!(came == bytes(total), "{face:?}: {} of {total} bytes", came.len());
            drop(sending.join().unwrap());
        }
    }

    #[test]
    fn what_is_written_arrives_then_the_end_and_the_peer_can_answer(
        total in 0..800_000usize,
        written in prop::collection::vec(1..40_000usize, 1..6),
        read in prop::collection::vec(1..40_000usize, 1..6),
        give_up in prop::collection::vec(1..4usize, 1..5),
    ) {
        let runtime = Runtime::builder().pollers(1).build().unwrap();
        for face in FACES {
            GIVEN_UP.set(0);
            let (mut stream, mut peer) = pair(&runtime);
            let read = read.clone();
            let (begin, begun) = mpsc::channel();
            if matches!(face, Face::Std) {
                // What blocks cannot be given up.
                begin.send(()).unwrap();
            }
            let reading = thread::spawn(move || {
                begun.recv().unwrap();
                let (mut came, mut room) = (Vec::new(), vec![0; 40_000]);
                for n in read.iter().cycle() {
                    match peer.read(&mut room[..*n]).unwrap() {
                        0 => break,
                        n => came.extend_from_slice(&room[..n]),
                    }
                    thread::yield_now();
                }
                peer.write_all(b"got it").unwrap();
                came
            });
            let (data, mut at, mut turn) = (bytes(total), 0, 0);
            while at < total {
                let n = insist(give_up[turn % give_up.len()], |attempt, cx| {
                    if GIVEN_UP.get() > 0 {
                        let _ = begin.send(());
                    }
                    // Another size each time, in two parts.
                    let n = written[(turn + attempt) % written.len()].min(total - at);
                    let (a, b) = data[at..at + n].split_at(n / 3);
                    face.poll_write(&mut stream, cx, &[IoSlice::new(a), IoSlice::new(b)])
                });
                at += n.unwrap();
                turn += 1;
                if turn % 3 == 0 {
                    let flushed = insist(give_up[turn % give_up.len()], |_, cx| {
                        if GIVEN_UP.get() > 0 {
                            let _ = begin.send(());
                        }
                        face.poll_flush(&mut stream, cx)
                    });
                    flushed.unwrap();
                    prop_assert_eq!(stream.connection().pending(), 0);
                }
            }
            // More than the system and the mark take was given up at least once.
            prop_assert!(total < 400_000 || matches!(face, Face::Std) || GIVEN_UP.get() > 0);
            let _ = begin.send(());
            insist(give_up[0], |_, cx| face.poll_shutdown(&mut stream, cx)).unwrap();
            let mut answer = [0; 6];
            let mut got = 0;
            while got < 6 {
                let n = insist(1, |_, cx| face.poll_read(&mut stream, cx, &mut answer[got..]));
                got += n.unwrap();
            }
            prop_assert_eq!(&answer, b"got it");
            let came = reading.join().unwrap();
            prop_assert!(came == bytes(total), "{face:?}: {} of {total} bytes", came.len());
        }
    }
}
