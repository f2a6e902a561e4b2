//! `#[on_datagram]` in each of its forms: arguments, returns, dispatch, errors.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpStream, UdpSocket},
    sync::{
        Barrier, Mutex,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use netpoll::{
    DatagramOut, DatagramStats, Ecn, Error, ErrorKind, EventLoop, Frame, IntoErrorReply, Local,
    Peer, Replies, Result, ServerHandle, State, frame::Auto, service::Free, sleep,
};

#[derive(Clone, Debug, Frame, PartialEq)]
#[frame(datagram)]
struct Note<'a> {
    #[frame(seq)]
    number: u32,
    #[frame(rest)]
    text: &'a [u8],
}

#[derive(Clone, Debug, Frame, PartialEq)]
struct Line<'a> {
    #[frame(len(of = rest))]
    length: Auto<u16>,
    #[frame(rest)]
    text: &'a [u8],
}

fn client(to: SocketAddr) -> UdpSocket {
    let socket = UdpSocket::bind((to.ip(), 0)).unwrap();
    socket.connect(to).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    socket
}

fn receive(socket: &UdpSocket) -> Vec<u8> {
    let mut reply = vec![0; 65_536];
    let n = socket.recv(&mut reply).unwrap();
    reply.truncate(n);
    reply
}

fn ask(socket: &UdpSocket, bytes: impl AsRef<[u8]>) -> Vec<u8> {
    socket.send(bytes.as_ref()).unwrap();
    receive(socket)
}

fn until(what: &str, holds: impl Fn() -> bool) {
    let start = Instant::now();
    while !holds() {
        assert!(start.elapsed() < Duration::from_secs(20), "{what} did not come about");
        std::thread::sleep(Duration::from_millis(2));
    }
}

fn until_counted(handle: &ServerHandle, what: &str, holds: impl Fn(&DatagramStats) -> bool) {
    until(what, || holds(&handle.datagrams()));
}

#[netpoll::on_datagram]
fn reversed(note: Note<'_>) -> Option<Vec<u8>> {
    (!note.text.is_empty()).then(|| note.text.iter().rev().copied().collect())
}

#[test]
fn a_free_function_is_a_server() {
    let server =
        EventLoop::builder(Free::<reversed>::new()).listen("udp://127.0.0.1:0").bind().unwrap();
    let client = client(server.addresses()[0].inet().unwrap());
    assert_eq!(ask(&client, b"\0\0\0\x01abc"), b"cba");
    // One that is too short is no note; one without text is not answered.
    client.send(b"\0\0").unwrap();
    client.send(b"\0\0\0\x01").unwrap();
    assert_eq!(ask(&client, b"\0\0\0\x01z"), b"z");
    until_counted(&server.handle(), "the counts", |stats| {
        (stats.received, stats.sent, stats.malformed) == (4, 2, 1)
    });
    // It has no connections.
    let error = EventLoop::builder(Free::<reversed>::new()).listen("127.0.0.1:0").bind();
    assert_eq!(error.unwrap_err().kind(), ErrorKind::Config);
}

#[netpoll::on_request]
fn line(line: Line<'_>) -> Line<'_> {
    line
}

#[test]
fn a_server_without_a_handler_of_datagrams_cannot_listen_for_them() {
    let error = EventLoop::builder(Free::<line>::new()).listen("udp://127.0.0.1:0").bind();
    let error = error.unwrap_err();
    assert!(error.to_string().contains("no `on_datagram`"), "{error}");
}

#[derive(Default)]
struct Both {
    errors: Mutex<Vec<(Option<u16>, ErrorKind, String)>>,
    served: AtomicUsize,
}

struct Refused(&'static str);

impl IntoErrorReply<Vec<u8>> for Refused {
    fn into_error_reply(self) -> Result<Vec<u8>> {
        match self.0 {
            "" => Err(Error::new(ErrorKind::Limit, "not even told")),
            why => Ok(why.as_bytes().to_vec()),
        }
    }
}

static BOTH: std::sync::OnceLock<std::sync::Arc<Mutex<Vec<ErrorKind>>>> =
    std::sync::OnceLock::new();

#[netpoll::server(listen = "udp://127.0.0.1:0", max_datagram = 512)]
impl Both {
    #[on_request]
    fn line<'a>(&self, line: Line<'a>) -> Line<'a> {
        self.served.fetch_add(1, Relaxed);
        line
    }

    #[on_datagram]
    fn note(&self, peer: Peer, local: Local, ecn: Ecn, note: Note<'_>) -> Result<Vec<u8>, Refused> {
        self.served.fetch_add(1, Relaxed);
        match note.text {
            b"who" => Ok(format!("{} {} {ecn:?}", peer.0, local.0).into_bytes()),
            b"no" => Err(Refused("refused")),
            b"never" => Err(Refused("")),
            b"panic" => panic!("as it was asked"),
            text => Ok(text.to_vec()),
        }
    }

    #[on_error]
    fn fault(&self, peer: Peer, error: &Error) {
        let told = (peer.0.port(), error.kind(), error.to_string());
        self.errors.lock().unwrap().push(told);
        BOTH.get_or_init(Default::default).lock().unwrap().push(error.kind());
    }
}

#[test]
fn one_server_has_streams_and_datagrams() {
    let server = Both::default().builder().listen("127.0.0.1:0").listen("udp://127.0.0.1:0");
    let server = server.bind().unwrap();
    let (stream, datagrams) = (&server.addresses()[0], server.addresses()[1].inet().unwrap());
    let mut stream = TcpStream::connect(stream.inet().unwrap()).unwrap();
    stream.write_all(b"\0\x02hi").unwrap();
    let mut reply = [0; 4];
    stream.read_exact(&mut reply).unwrap();
    assert_eq!(&reply, b"\0\x02hi");

    let client = client(datagrams);
    let who = format!("{} {datagrams} NotEct", client.local_addr().unwrap());
    assert_eq!(ask(&client, b"\0\0\0\0who"), who.as_bytes());
    assert_eq!(ask(&client, b"\0\0\0\0no"), b"refused");
    client.send(b"\0\0\0\0never").unwrap();
    client.send(b"\0\0\0\0panic").unwrap();
    client.send(&[0; 600]).unwrap();
    assert_eq!(ask(&client, b"\0\0\0\0on"), b"on");
    until_counted(&server.handle(), "the counts", |stats| {
        (stats.failed, stats.truncated, stats.sent) == (2, 1, 3)
    });
    assert_eq!(server.handle().runtime().stats().panics, 1);
    // `on_error` is told of the first, and of others once a second has passed.
    let told = BOTH.get().unwrap();
    assert_eq!(told.lock().unwrap()[0], ErrorKind::Limit);
    assert_eq!(told.lock().unwrap().len(), 1);
    std::thread::sleep(Duration::from_millis(1_100));
    client.send(b"x").unwrap();
    until("a second error", || told.lock().unwrap().len() == 2);
    assert_eq!(told.lock().unwrap()[1], ErrorKind::Malformed);
}

#[netpoll::server(listen = "udp://127.0.0.1:0", on_datagram = named, on_error = fault)]
struct Named {
    prefix: &'static [u8],
    other: SocketAddr,
}

#[netpoll::on_datagram]
fn named(state: State<'_, Named>, mut out: DatagramOut<'_>, bytes: &[u8]) -> Result<()> {
    if bytes.is_empty() {
        return Err(Error::new(ErrorKind::Malformed, "nothing to name"));
    }
    out.send_to(state.other, Note { number: 7, text: bytes })?;
    out.send_bytes(&[state.prefix, bytes].concat())?;
    out.set_ecn(Ecn::Ect0);
    out.send_bytes(b"marked")
}

static TOLD: AtomicUsize = AtomicUsize::new(0);

#[netpoll::on_error]
fn fault(state: State<'_, Named>, error: &Error) {
    assert_eq!((error.kind(), state.prefix), (ErrorKind::Malformed, &b"> "[..]));
    TOLD.fetch_add(1, Relaxed);
}

#[test]
fn a_struct_names_its_functions_and_sends_to_others() {
    let other = UdpSocket::bind("127.0.0.1:0").unwrap();
    other.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let server = Named { prefix: b"> ", other: other.local_addr().unwrap() };
    let server = server.builder().bind().unwrap();
    let client = client(server.addresses()[0].inet().unwrap());
    assert_eq!(ask(&client, b"hi"), b"> hi");
    assert_eq!(receive(&client), b"marked");
    assert_eq!(receive(&other), b"\0\0\0\x07hi");
    client.send(b"").unwrap();
    until("the error's telling", || TOLD.load(Relaxed) == 1);
}

#[netpoll::on_datagram]
fn counted(note: Note<'_>) -> Replies<impl Iterator<Item = Note<'static>>> {
    Replies((0..note.number).map(|number| Note { number, text: b"" }))
}

#[test]
fn one_datagram_has_many_replies() {
    let server = EventLoop::builder(Free::<counted>::new()).listen("udp://[::1]:0").bind().unwrap();
    let client = client(server.addresses()[0].inet().unwrap());
    for n in [1_u32, 64, 100] {
        client.send(&n.to_be_bytes()).unwrap();
        let numbers: Vec<_> = (0..n).map(|_| receive(&client)).collect();
        let wanted: Vec<_> = (0..n).map(|i| i.to_be_bytes().to_vec()).collect();
        assert_eq!(numbers, wanted);
    }
}

#[netpoll::on_datagram]
async fn waits(bytes: &[u8]) -> &[u8] {
    sleep(Duration::from_millis(bytes[0].into())).await;
    bytes
}

#[netpoll::on_datagram(concurrent = 64)]
async fn waits_beside(bytes: &[u8]) -> &[u8] {
    sleep(Duration::from_millis(bytes[0].into())).await;
    bytes
}

#[test]
fn futures_are_handled_one_at_a_time_or_side_by_side() {
    let one = EventLoop::builder(Free::<waits>::new()).listen("udp://127.0.0.1:0").bind().unwrap();
    let client_of = |server: &EventLoop| client(server.addresses()[0].inet().unwrap());
    let client = client_of(&one);
    for ms in [30, 0, 10] {
        client.send(&[ms]).unwrap();
    }
    assert_eq!([receive(&client), receive(&client), receive(&client)], [[30], [0], [10]]);

    let many = EventLoop::builder(Free::<waits_beside>::new());
    let many = many.listen("udp://127.0.0.1:0").bind().unwrap();
    let client = client_of(&many);
    for ms in [200, 0, 100] {
        client.send(&[ms]).unwrap();
    }
    assert_eq!([receive(&client), receive(&client), receive(&client)], [[0], [100], [200]]);
    until_counted(&many.handle(), "three replies", |stats| stats.sent == 3);
}

static MEETING: Barrier = Barrier::new(3);

#[netpoll::on_datagram(concurrent = 3)]
fn meet(bytes: &[u8]) -> &[u8] {
    MEETING.wait();
    bytes
}

#[test]
fn handlers_that_block_run_side_by_side() {
    let server = EventLoop::builder(Free::<meet>::new()).pollers(1);
    let server = server.listen("udp://127.0.0.1:0").bind().unwrap();
    let client = client(server.addresses()[0].inet().unwrap());
    for i in 0..3 {
        client.send(&[i]).unwrap();
    }
    let mut replies = [receive(&client)[0], receive(&client)[0], receive(&client)[0]];
    replies.sort_unstable();
    assert_eq!(replies, [0, 1, 2]);
}

#[netpoll::on_datagram(timeout = "20ms")]
async fn late(bytes: &[u8]) -> &[u8] {
    if bytes == b"late" {
        sleep(Duration::from_secs(3_600)).await;
    }
    bytes
}

#[netpoll::on_datagram(inline)]
fn inline(bytes: &[u8]) -> &[u8] {
    bytes
}

#[test]
fn a_handler_has_a_deadline() {
    let server = EventLoop::builder(Free::<late>::new()).listen("udp://127.0.0.1:0").bind();
    let server = server.unwrap();
    let client = client(server.addresses()[0].inet().unwrap());
    client.send(b"late").unwrap();
    assert_eq!(ask(&client, b"on"), b"on");
    assert_eq!(server.handle().datagrams().failed, 1);
}

#[test]
fn an_inline_handler_answers() {
    let server = EventLoop::builder(Free::<inline>::new()).listen("udp://127.0.0.1:0").bind();
    let client = client(server.unwrap().addresses()[0].inet().unwrap());
    drop(client);
    let server = EventLoop::builder(Free::<inline>::new()).listen("udp://127.0.0.1:0");
    let server = server.bind().unwrap();
    let client = self::client(server.addresses()[0].inet().unwrap());
    assert_eq!(ask(&client, b"x"), b"x");
}

#[netpoll::on_datagram(concurrent = 2)]
async fn unlucky(bytes: &[u8]) -> &[u8] {
    sleep(Duration::from_millis(1)).await;
    assert_ne!(bytes, b"panic");
    bytes
}

#[test]
fn a_future_that_panics_gives_its_place_back() {
    let server = EventLoop::builder(Free::<unlucky>::new()).pollers(1);
    let server = server.listen("udp://127.0.0.1:0").bind().unwrap();
    let client = client(server.addresses()[0].inet().unwrap());
    for _ in 0..10 {
        client.send(b"panic").unwrap();
    }
    assert_eq!(ask(&client, b"on"), b"on");
    until_counted(&server.handle(), "ten failures", |stats| stats.failed == 10);
}

#[netpoll::on_datagram(concurrent = 1)]
async fn slow(bytes: &[u8]) -> &[u8] {
    sleep(Duration::from_millis(150)).await;
    bytes
}

#[test]
fn a_shutdown_waits_for_futures_and_sends_their_replies() {
    let server = EventLoop::builder(Free::<slow>::new()).pollers(1);
    let server = server.listen("udp://127.0.0.1:0").bind().unwrap();
    let client = client(server.addresses()[0].inet().unwrap());
    client.send(b"a").unwrap();
    client.send(b"b").unwrap();
    until_counted(&server.handle(), "the first", |stats| stats.received > 0);
    server.handle().shutdown(Duration::from_secs(20));
    assert_eq!([receive(&client), receive(&client)], [b"a", b"b"]);
}
