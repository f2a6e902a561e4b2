//! `UdpClient`: datagrams sent and received, calls and their retransmission, errors.

use std::{
    io,
    net::{SocketAddr, UdpSocket},
    sync::atomic::{AtomicUsize, Ordering::Relaxed},
    thread,
    time::{Duration, Instant},
};

use netpoll::{
    DatagramOptions, ErrorKind, EventLoop, Frame, Runtime, UdpClient, block_on, client::Attempts,
    service::Free,
};

#[derive(Clone, Debug, Frame, PartialEq)]
#[frame(datagram)]
struct Note<'a> {
    #[frame(seq)]
    number: u16,
    #[frame(rest)]
    text: &'a [u8],
}

type Own = Note<'static>;

const LONG: Duration = Duration::from_secs(20);

fn plain() -> (UdpSocket, SocketAddr) {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_read_timeout(Some(LONG)).unwrap();
    let at = socket.local_addr().unwrap();
    (socket, at)
}

fn soon(attempts: u32, ms: u64) -> Attempts {
    Attempts::new(attempts).wait_first(Duration::from_millis(ms)).backoff(1)
}

fn receive(socket: &UdpSocket) -> (Vec<u8>, SocketAddr) {
    let mut bytes = vec![0; 65_536];
    let (n, from) = socket.recv_from(&mut bytes).unwrap();
    bytes.truncate(n);
    (bytes, from)
}

#[netpoll::on_datagram]
fn echo<'a>(note: Note<'a>) -> Note<'a> {
    note
}

#[test]
fn datagrams_are_sent_and_received() {
    let (peer, at) = plain();
    let client = UdpClient::connect(format!("udp://{at}")).unwrap();
    assert_eq!(client.peer(), Some(at));
    client.send(Note { number: 1, text: b"one" }).unwrap();
    client.send_bytes(b"").unwrap();
    assert_eq!(receive(&peer), (b"\0\x01one".to_vec(), client.local()));
    assert_eq!(receive(&peer).0, b"");
    peer.send_to(b"\0\x02two", client.local()).unwrap();
    let came = client.recv_timeout(LONG).unwrap();
    assert_eq!(came.frame::<Own>().unwrap(), Note { number: 2, text: b"two" });
    assert!(came.frame::<Own>().is_ok() && came.peer() == at);
    peer.send_to(b"\0", client.local()).unwrap();
    let short = block_on(client.recv_async()).unwrap();
    assert_eq!(short.frame::<Own>().unwrap_err().kind(), ErrorKind::Malformed);
    assert!(client.try_recv().unwrap().is_none());
    let late = client.recv_timeout(Duration::from_millis(10)).unwrap_err();
    assert_eq!(late.kind(), ErrorKind::TimedOut);
}

#[test]
fn a_socket_that_is_not_connected_sends_to_any_peer() {
    let (one, first) = plain();
    let (two, second) = plain();
    let client = UdpClient::bind("127.0.0.1:0").unwrap();
    client.send_bytes_to(first, b"1").unwrap();
    client.send_to(second, Note { number: 2, text: b"" }).unwrap();
    assert_eq!(receive(&one), (b"1".to_vec(), client.local()));
    assert_eq!(receive(&two), (b"\0\x02".to_vec(), client.local()));
    assert_eq!(client.send_bytes(b"x").unwrap_err().kind(), ErrorKind::Config);
    assert_eq!(
        client.call::<Own, Own>(Note { number: 0, text: b"" }).unwrap_err().kind(),
        ErrorKind::Config
    );
    assert_eq!(UdpClient::bind("unix:/x").unwrap_err().kind(), ErrorKind::Address);
}

#[test]
fn calls_find_their_replies_by_number() {
    let server =
        EventLoop::builder(Free::<echo>::new()).listen("udp://127.0.0.1:0").bind().unwrap();
    let client = UdpClient::connect(&server.addresses()[0]).unwrap();
    thread::scope(|scope| {
        for i in 0..8_u8 {
            let client = client.clone();
            scope.spawn(move || {
                for j in 0..100 {
                    let text = [i, j];
                    let reply = client.call::<Own, Own>(Note { number: 0, text: &text }).unwrap();
                    assert_eq!(reply.get().unwrap().text, text);
                }
            });
        }
    });
    let reply = block_on(client.call_async::<Own, Own>(Note { number: 0, text: b"x" })).unwrap();
    assert_eq!(reply.get().unwrap().text, b"x");
    let other = UdpClient::bind("127.0.0.1:0").unwrap();
    let to = server.addresses()[0].clone();
    let reply = other.call_to::<Own, Own>(to, Note { number: 0, text: b"y" }).unwrap();
    assert_eq!(reply.get().unwrap().text, b"y");
    assert_eq!(client.stats().received, 801);
}

#[test]
fn a_request_is_sent_again_until_it_is_answered() {
    let (peer, at) = plain();
    let client = UdpClient::builder().attempts(soon(5, 30)).connect(at).unwrap();
    let answers = thread::spawn(move || {
        let first = receive(&peer);
        let second = receive(&peer);
        assert_eq!(first, second, "the same request under the same number");
        let mut reply = second.0;
        // Not this call's: another number, then no frame at all.
        peer.send_to(&[reply[0] ^ 1, reply[1], b'?'], second.1).unwrap();
        peer.send_to(&[reply[0]], second.1).unwrap();
        reply.extend_from_slice(b" yes");
        peer.send_to(&reply, second.1).unwrap();
        peer.send_to(&reply, second.1).unwrap();
    });
    let reply = client.call::<Own, Own>(Note { number: 9, text: b"there?" }).unwrap();
    assert_eq!(reply.get().unwrap().text, b"there? yes");
    answers.join().unwrap();
}

#[test]
fn a_call_without_an_answer_ends_after_its_attempts() {
    let (peer, at) = plain();
    let client = UdpClient::builder().attempts(soon(3, 20)).connect(at).unwrap();
    let start = Instant::now();
    let error = client.call::<Own, Own>(Note { number: 0, text: b"?" }).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TimedOut);
    assert!(error.to_string().contains(&at.to_string()), "{error}");
    assert!(start.elapsed() >= Duration::from_millis(60));
    for _ in 0..3 {
        receive(&peer);
    }
}

#[test]
fn a_reply_from_somebody_else_is_none() {
    let (peer, at) = plain();
    let (stranger, _) = plain();
    let client = UdpClient::builder().attempts(soon(1, 10_000)).bind("127.0.0.1:0").unwrap();
    let answers = thread::spawn(move || {
        let (request, from) = receive(&peer);
        let mut forged = request.clone();
        forged.extend_from_slice(b" forged");
        stranger.send_to(&forged, from).unwrap();
        thread::sleep(Duration::from_millis(30));
        peer.send_to(&request, from).unwrap();
    });
    let reply = client.call_to::<Own, Own>(at, Note { number: 0, text: b"who" }).unwrap();
    assert_eq!(reply.get().unwrap().text, b"who");
    answers.join().unwrap();
}

#[test]
fn a_refusal_ends_calls_and_receipts() {
    let (peer, at) = plain();
    drop(peer);
    let client = UdpClient::builder().attempts(soon(1, 15_000)).connect(at).unwrap();
    let start = Instant::now();
    let error = client.call::<Own, Own>(Note { number: 0, text: b"?" }).unwrap_err();
    assert_eq!(error.io_kind(), Some(io::ErrorKind::ConnectionRefused), "{error}");
    client.send_bytes(b"?").unwrap();
    let error = client.recv_timeout(LONG).unwrap_err();
    assert_eq!(error.io_kind(), Some(io::ErrorKind::ConnectionRefused), "{error}");
    assert!(start.elapsed() < Duration::from_secs(10));
}

#[test]
fn a_datagram_that_is_cut_off_is_told() {
    let (peer, at) = plain();
    let mut options = DatagramOptions::default();
    options.max_datagram = 10;
    let client = UdpClient::builder().options(options).connect(at).unwrap();
    peer.send_to(&[1; 11], client.local()).unwrap();
    assert_eq!(client.recv_timeout(LONG).unwrap_err().kind(), ErrorKind::FrameTooLarge);
    peer.send_to(&[1; 10], client.local()).unwrap();
    assert_eq!(client.recv_timeout(LONG).unwrap().len(), 10);
    assert_eq!(client.stats().truncated, 1);
}

#[test]
fn datagrams_that_nobody_takes_are_bounded() {
    let (peer, at) = plain();
    let mut options = DatagramOptions::default();
    options.max_waiting = 4_096;
    let client = UdpClient::builder().options(options).connect(at).unwrap();
    for i in 0..200_u8 {
        peer.send_to(&[i; 100], client.local()).unwrap();
        while client.stats().received <= i.into() {
            thread::yield_now();
        }
    }
    let mut kept = Vec::new();
    while let Some(came) = client.try_recv().unwrap() {
        kept.push(came[0]);
    }
    assert!(!kept.is_empty() && kept.len() < 50 && kept.last() == Some(&199), "{kept:?}");
    assert_eq!(client.stats().dropped, 200 - kept.len() as u64);
}

#[test]
fn many_datagrams_leave_by_few_calls() {
    let (peer, at) = plain();
    let client = UdpClient::connect(at).unwrap();
    let texts: Vec<[u8; 100]> = (0..100).map(|i| [i; 100]).collect();
    let frames = texts.iter().map(|text| Note { number: 1, text });
    client.send_all(frames).unwrap();
    for i in 0..100_u8 {
        assert_eq!(receive(&peer).0[2..], [i; 100]);
    }
    let too_long = vec![0; 70_000];
    let frames = [Note { number: 1, text: b"fine" }, Note { number: 1, text: &too_long }];
    assert_eq!(client.send_all(frames).unwrap_err().kind(), ErrorKind::Limit);
    assert_eq!(receive(&peer).0, b"\0\x01fine");
}

#[test]
fn a_runtime_that_shuts_down_ends_what_waits() {
    let runtime = Runtime::builder().pollers(1).build().unwrap();
    let (_peer, at) = plain();
    let client = UdpClient::builder().runtime(&runtime).attempts(soon(1, 20_000));
    let client = client.connect(at).unwrap();
    let waits = client.clone();
    let begun = AtomicUsize::new(0);
    thread::scope(|scope| {
        let receives = scope.spawn(|| {
            begun.fetch_add(1, Relaxed);
            waits.recv().map(drop).unwrap_err().kind()
        });
        while begun.load(Relaxed) == 0 {
            thread::yield_now();
        }
        assert_eq!(runtime.shutdown(Duration::from_secs(5)), 0);
        assert_eq!(receives.join().unwrap(), ErrorKind::Closed);
    });
    let error = client.call::<Own, Own>(Note { number: 0, text: b"" }).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Closed);
}

#[test]
fn groups_and_broadcasts_are_received_once() {
    // A network without a route for groups has none to test.
    let group = "239.255.77.77".parse().unwrap();
    let mut options = DatagramOptions::default();
    options.multicast = vec![(group, 1)];
    let Ok(joined) = UdpClient::builder().options(options).bind("0.0.0.0:0") else {
        return println!("skipped: the loopback interface takes no groups");
    };
    let sender = UdpClient::builder().bind("127.0.0.1:0").unwrap();
    let to = SocketAddr::new(group, joined.local().port());
    if let Err(error) = sender.send_bytes_to(to, b"to all") {
        return println!("skipped: {error}");
    }
    match joined.recv_timeout(Duration::from_secs(2)) {
        Ok(came) => {
            assert_eq!((&*came, came.local().ip()), (&b"to all"[..], group));
            assert!(joined.try_recv().unwrap().is_none());
        }
        Err(error) => println!("skipped: {error}"),
    }
}
