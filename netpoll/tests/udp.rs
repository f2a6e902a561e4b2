//! Datagram sockets of a server: what arrives is answered, dropped and counted.

mod common;

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use netpoll::{
    Call, Connection, DatagramCall, DatagramOptions, EventLoop, Flow, In, OnDatagram, Result,
    Runtime, Service,
    service::{DatagramService, NoHook},
};

/// A server of datagrams alone, by hand: it answers with the same bytes.
#[derive(Clone, Default)]
struct Echo {
    handled: Arc<AtomicUsize>,
}

struct EchoDatagrams;

impl OnDatagram<Echo> for EchoDatagrams {
    type Payload = &'static [u8];
    type At<'a> = &'a [u8];
    async fn on_datagram<'a>(
        server: &'a Echo,
        mut call: DatagramCall<'a>,
        bytes: &'a [u8],
    ) -> Result<()> {
        server.handled.fetch_add(1, Relaxed);
        call.out.send_bytes(bytes)
    }
}

impl Service for Echo {
    type Session = ();
    type Request = In<'static>;
    const STREAMS: bool = false;
    fn datagrams(server: &Arc<Self>) -> Option<DatagramService> {
        Some(DatagramService::new::<Self, EchoDatagrams, NoHook>(server))
    }
    async fn on_connect(&self, _: &Connection) -> Result<()> {
        Ok(())
    }
    async fn on_request<'a>(&'a self, _: Call<'a, ()>, _: In<'a>) -> Result<Flow> {
        Ok(Flow::Close)
    }
}

fn start(pollers: usize, address: &str, options: DatagramOptions) -> (EventLoop, SocketAddr) {
    let runtime = Runtime::builder().pollers(pollers).build().unwrap();
    let builder = EventLoop::builder(Echo::default()).runtime(&runtime).datagrams(options);
    let server = builder.listen(address).bind().unwrap();
    let at = server.addresses()[0].inet().unwrap();
    (server, at)
}

fn client(to: SocketAddr) -> UdpSocket {
    let any: IpAddr =
        if to.is_ipv4() { Ipv4Addr::LOCALHOST.into() } else { "::1".parse().unwrap() };
    let socket = UdpSocket::bind((any, 0)).unwrap();
    socket.connect(to).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    socket
}

fn ask(socket: &UdpSocket, bytes: &[u8]) -> Vec<u8> {
    socket.send(bytes).unwrap();
    let mut reply = vec![0; 65_536];
    let n = socket.recv(&mut reply).unwrap();
    reply.truncate(n);
    reply
}

/// Waits until `holds`.
fn until(what: &str, holds: impl Fn() -> bool) {
    let start = Instant::now();
    while !holds() {
        assert!(start.elapsed() < Duration::from_secs(20), "{what} did not come about");
        std::thread::sleep(Duration::from_millis(2));
    }
}

#[test]
fn datagrams_of_every_length_are_answered() {
    let (server, at) = start(1, "udp://127.0.0.1:0", DatagramOptions::default());
    let client = client(at);
    for len in [0, 1, 3, 1_472, 1_473, 9_000, 65_507] {
        let bytes: Vec<u8> = (0..len).map(|i| i as u8).collect();
        assert!(ask(&client, &bytes) == bytes, "{len} bytes");
    }
    until("the counts", || {
        let stats = server.handle().datagrams();
        (stats.sockets, stats.received, stats.sent, stats.waiting) == (1, 7, 7, 0)
    });
}

#[test]
fn one_system_call_for_each_datagram_does_too() {
    let mut options = DatagramOptions::default();
    (options.batched, options.offload) = (false, false);
    let (_server, at) = start(1, "udp://127.0.0.1:0", options);
    let client = client(at);
    for len in [0, 5, 40_000] {
        let bytes = vec![7; len];
        assert!(ask(&client, &bytes) == bytes, "{len} bytes");
    }
}

#[test]
fn each_poller_has_a_socket_of_the_same_port() {
    let (server, at) = start(3, "udp://127.0.0.1:0", DatagramOptions::default());
    assert_eq!(server.addresses().len(), 1);
    let clients: Vec<_> = (0..32).map(|_| client(at)).collect();
    for (i, client) in clients.iter().enumerate() {
        assert_eq!(ask(client, &[i as u8; 9]), [i as u8; 9]);
    }
    assert_eq!(server.handle().datagrams().sockets, 3);
    // The port is this server's alone.
    let error =
        EventLoop::builder(Echo::default()).listen(format!("udp://{at}")).bind().unwrap_err();
    assert!(error.to_string().contains(&format!("udp://{at}")), "{error}");
}

#[test]
fn a_socket_of_both_families_answers_both_from_the_address_that_was_asked() {
    let (_server, at) = start(2, "udp://[::]:0", DatagramOptions::default());
    // A connected socket takes replies from that very address alone.
    for ip in ["127.0.0.1", "127.0.0.7", "::1"] {
        let to = SocketAddr::new(ip.parse().unwrap(), at.port());
        assert_eq!(ask(&client(to), ip.as_bytes()), ip.as_bytes(), "{ip}");
    }
    let (_server, at) = start(2, "udp://0.0.0.0:0", DatagramOptions::default());
    let to = SocketAddr::from(([127, 0, 0, 9], at.port()));
    assert_eq!(ask(&client(to), b"four"), b"four");
    let mut options = DatagramOptions::default();
    options.only_v6 = Some(true);
    let (_server, at) = start(1, "udp://[::]:0", options);
    let four = client(SocketAddr::from(([127, 0, 0, 1], at.port())));
    four.send(b"?").unwrap();
    assert!(four.recv(&mut [0; 8]).is_err());
}

#[test]
fn a_burst_is_received_in_batches_and_answered_in_batches() {
    const BURST: usize = 1_000;
    let (server, at) = start(1, "udp://127.0.0.1:0", DatagramOptions::default());
    let client = client(at);
    let before = server.handle().runtime().stats().syscalls;
    let mut got = 0;
    for round in 0..BURST / 100 {
        for i in 0..100 {
            client.send(&((round * 100 + i) as u32).to_be_bytes()).unwrap();
        }
        for i in 0..100 {
            let mut reply = [0; 8];
            assert_eq!(client.recv(&mut reply).unwrap(), 4);
            let number = u32::from_be_bytes(reply[..4].try_into().unwrap()) as usize;
            assert_eq!(number, round * 100 + i, "replies to one peer keep their order");
            got += 1;
        }
    }
    assert_eq!(got, BURST);
    let after = server.handle().runtime().stats().syscalls;
    assert!(after.write - before.write <= BURST as u64);
}

#[test]
fn a_datagram_that_is_too_long_is_counted_and_dropped() {
    for offload in [false, true] {
        let mut options = DatagramOptions::default();
        (options.max_datagram, options.offload) = (100, offload);
        let (server, at) = start(1, "udp://127.0.0.1:0", options);
        let client = client(at);
        client.send(&[1; 101]).unwrap();
        client.send(&[1; 60_000]).unwrap();
        assert_eq!(ask(&client, &[2; 100]), [2; 100]);
        until("the counts", || {
            let stats = server.handle().datagrams();
            (stats.truncated, stats.received, stats.sent) == (2, 3, 1)
        });
    }
}

#[test]
fn a_shutdown_answers_what_has_come_and_frees_the_port() {
    let (server, at) = start(2, "udp://127.0.0.1:0", DatagramOptions::default());
    let client = client(at);
    for i in 0..200_u8 {
        client.send(&[i]).unwrap();
    }
    let handle = server.handle();
    handle.shutdown(Duration::from_secs(10));
    for i in 0..200_u8 {
        let mut reply = [0; 2];
        assert_eq!(client.recv(&mut reply).unwrap(), 1);
        assert_eq!(reply[0], i);
    }
    assert_eq!(handle.datagrams().sockets, 0);
    UdpSocket::bind(at).expect("the port is free");
}

#[test]
fn an_idle_socket_holds_no_block() {
    let (server, at) = start(1, "udp://127.0.0.1:0", DatagramOptions::default());
    let client = client(at);
    assert_eq!(ask(&client, &[1; 1_000]).len(), 1_000);
    let stats = || server.handle().runtime().stats().memory;
    until("memory that is given back", || stats().out < 512 << 10);
}

#[test]
fn options_that_cannot_be_are_refused() {
    let refused = |change: fn(&mut DatagramOptions), address: &str| {
        let mut options = DatagramOptions::default();
        change(&mut options);
        let builder = EventLoop::builder(Echo::default()).datagrams(options).listen(address);
        builder.bind().unwrap_err().to_string()
    };
    let udp = "udp://127.0.0.1:0";
    assert!(refused(|o| o.max_datagram = 0, udp).contains("max_datagram is 0"));
    assert!(refused(|o| o.max_datagram = 70_000, udp).contains("max_datagram is 70000"));
    assert!(refused(|o| o.max_waiting = 0, udp).contains("max_waiting is 0"));
    let group = |o: &mut DatagramOptions| o.multicast = vec![(Ipv4Addr::LOCALHOST.into(), 0)];
    assert!(refused(group, udp).contains("no multicast group"));
    assert!(refused(|_| {}, "127.0.0.1:0").contains("datagrams alone"));
    assert!(refused(|_| {}, "udp://192.0.2.77:0").contains("no such address"));
}
