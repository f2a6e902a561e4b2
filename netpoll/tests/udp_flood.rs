//! A flood of datagrams from thousands of addresses: memory stays bounded, and the connections of the
//! same poller are served. Prints its figures (`-- --nocapture`).

use std::{
    fs,
    io::{Read, Write},
    net::{Ipv4Addr, SocketAddr, TcpStream, UdpSocket},
    sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    thread,
    time::{Duration, Instant},
};

use netpoll::{Frame, frame::Auto};

#[derive(Frame)]
struct Line<'a> {
    #[frame(len(of = rest))]
    length: Auto<u16>,
    #[frame(rest)]
    text: &'a [u8],
}

struct Both;

#[netpoll::server]
impl Both {
    #[on_request]
    fn line<'a>(&self, line: Line<'a>) -> Line<'a> {
        line
    }

    #[on_datagram]
    fn datagram<'a>(&self, bytes: &'a [u8]) -> &'a [u8] {
        bytes
    }
}

/// Addresses that send.
const ADDRESSES: u32 = 4_000;

/// Bytes of this process in memory.
fn resident() -> usize {
    let pages = fs::read_to_string("/proc/self/statm").unwrap();
    pages.split_whitespace().nth(1).unwrap().parse::<usize>().unwrap() * 4_096
}

/// Asks `n` times, and gives how long the 99th of a hundred took.
fn p99(stream: &mut TcpStream, n: usize) -> Duration {
    let mut times: Vec<_> = (0..n)
        .map(|_| {
            let start = Instant::now();
            stream.write_all(b"\0\x02hi").unwrap();
            let mut reply = [0; 4];
            stream.read_exact(&mut reply).unwrap();
            start.elapsed()
        })
        .collect();
    times.sort_unstable();
    times[n * 99 / 100]
}

#[test]
fn a_flood_leaves_memory_bounded_and_streams_served() {
    let mut options = netpoll::DatagramOptions::default();
    options.recv_buffer = Some(1 << 20);
    let server = Both.builder().datagrams(options).pollers(1);
    let server = server.listen("127.0.0.1:0").listen("udp://0.0.0.0:0").bind().unwrap();
    let handle = server.handle();
    let stream = server.addresses()[0].inet().unwrap();
    let port = server.addresses()[1].inet().unwrap().port();
    let to = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let mut client = TcpStream::connect(stream).unwrap();
    client.set_nodelay(true).unwrap();
    client.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    p99(&mut client, 200);
    let quiet = p99(&mut client, 1_000);
    let before = resident();

    let (over, sent, most) = (AtomicBool::new(false), AtomicU64::new(0), AtomicU64::new(0));
    let flooded = thread::scope(|scope| {
        scope.spawn(|| {
            // A socket each, for a few datagrams of some length: 127.1.0.1 and on.
            for i in (0..ADDRESSES).cycle() {
                if over.load(Relaxed) {
                    break;
                }
                let from = Ipv4Addr::from(0x7F01_0001 + i);
                let socket = UdpSocket::bind((from, 0)).unwrap();
                let datagram = [0; 512];
                for len in [16, 100, 512, 0, 300] {
                    // Where the system has no room for the moment, it is one less.
                    sent.fetch_add(
                        u64::from(socket.send_to(&datagram[..len], to).is_ok()),
                        Relaxed,
                    );
                }
            }
        });
        scope.spawn(|| {
            while !over.load(Relaxed) {
                most.fetch_max(handle.runtime().stats().memory.out as u64, Relaxed);
                thread::sleep(Duration::from_millis(2));
            }
        });
        while sent.load(Relaxed) < 10_000 {
            thread::yield_now();
        }
        let mut flooded = p99(&mut client, 1_000);
        // At least once around all addresses, and until enough of it was received.
        while sent.load(Relaxed) < u64::from(ADDRESSES) * 5 || handle.datagrams().received <= 10_000
        {
            flooded = flooded.min(p99(&mut client, 1_000));
        }
        over.store(true, Relaxed);
        flooded
    });
    let grown = resident().saturating_sub(before);
    let stats = handle.datagrams();
    println!(
        "{} datagrams sent from {ADDRESSES} addresses, {} received, {} lost by the system; p99 of a \
         stream {quiet:?} without and {flooded:?} with them; buffers {} KiB at most, the process grew \
         by {} KiB",
        sent.load(Relaxed),
        stats.received,
        stats.overflowed,
        most.load(Relaxed) >> 10,
        grown >> 10
    );
    assert!(stats.received > 10_000, "{stats:?}");
    assert!(most.load(Relaxed) < 8 << 20, "{} bytes of buffers", most.load(Relaxed));
    assert!(grown < 32 << 20, "the process grew by {grown} bytes");
    // The senders take a core themselves: the bound is for being starved, not for being slower.
    let bound = (quiet * 20).max(Duration::from_millis(50));
    assert!(flooded < bound, "p99 {quiet:?} without, {flooded:?} with the flood");
}
