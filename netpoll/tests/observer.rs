//! What observers are told: each event, for each way in which requests are handled.

mod common;

use std::{
    io::{Read, Write},
    sync::Arc,
    time::Duration,
};

use common::{call, connect, frame, read_frame, runtime, wait_until};
use netpoll::{
    Connection, EventLoop, EventLoopBuilder, Fault, Frame, Runtime, ServerHandle, Service,
    client::Client,
    frame::{Auto, Status},
    observe::{
        Budget, BudgetReached, ConnectionClosed, ConnectionOpened, HandOver, HandOverCause,
        Observer, Outcome, RequestBegun, RequestEnded,
    },
    rpc::{Answer, Call},
    service::Free,
};
use parking_lot::Mutex;

const MS: Duration = Duration::from_millis(1);

/// Notes what it is told of, in order.
#[derive(Clone, Default)]
struct Notes {
    lines: Arc<Mutex<Vec<String>>>,
    times: Arc<Mutex<Vec<(Duration, Duration)>>>,
    hand_overs: Arc<Mutex<Vec<HandOverCause>>>,
    budgets: Arc<Mutex<Vec<Budget>>>,
}

impl Notes {
    fn note(&self, line: String) {
        self.lines.lock().push(line);
    }

    fn lines(&self) -> Vec<String> {
        self.lines.lock().clone()
    }

    /// Waits until so many lines contain `part`.
    fn wait_for(&self, part: &str, n: usize) {
        wait_until(|| self.lines().iter().filter(|line| line.contains(part)).count() >= n);
    }

    /// The lines of requests that have ended.
    fn ended(&self) -> Vec<String> {
        self.lines().into_iter().filter(|line| line.starts_with("ended")).collect()
    }
}

impl Observer for Notes {
    fn connection_opened(&self, c: &ConnectionOpened<'_>) {
        self.note(format!("opened {}", c.server));
    }

    fn connection_closed(&self, c: &ConnectionClosed<'_>) {
        let ConnectionClosed { server, reason, received, sent, .. } = c;
        self.note(format!("closed {server} {} {received} {sent}", reason.label()));
    }

    fn request_begun(&self, r: &RequestBegun<'_>) {
        self.note(format!("begun {} {}", r.server, r.received));
    }

    fn request_ended(&self, r: &RequestEnded<'_>) {
        let RequestEnded { route, outcome, received, sent, .. } = r;
        self.times.lock().push((r.queued, r.handled));
        self.note(format!("ended {route} {outcome} {received} {sent}"));
    }

    fn handed_over(&self, hand_over: &HandOver) {
        self.hand_overs.lock().push(hand_over.cause);
    }

    fn budget_reached(&self, budget: &BudgetReached<'_>) {
        self.budgets.lock().push(budget.budget);
    }
}

#[derive(Debug, Frame)]
struct Message {
    #[frame(len(of = rest))]
    n: Auto<u32>,
    #[frame(rest)]
    body: Vec<u8>,
}

/// Does what the body asks for, and echoes.
fn does(message: &Message) -> netpoll::Result<()> {
    match &*message.body {
        b"panic" => panic!("as asked"),
        b"error" => Err(netpoll::Error::new(netpoll::ErrorKind::Config, "as asked")),
        b"sleep" => {
            std::thread::sleep(50 * MS);
            Ok(())
        }
        _ => Ok(()),
    }
}

#[netpoll::on_request]
fn plain(message: Message) -> netpoll::Result<Message> {
    does(&message).map(|()| message)
}

#[netpoll::on_request(inline)]
fn inline(message: Message) -> netpoll::Result<Message> {
    does(&message).map(|()| message)
}

#[netpoll::on_request]
async fn future(message: Message) -> netpoll::Result<Message> {
    netpoll::sleep(2 * MS).await;
    does(&message).map(|()| message)
}

#[netpoll::on_request(concurrent = 8, ordered)]
fn batch(message: Message) -> netpoll::Result<Message> {
    does(&message).map(|()| message)
}

#[netpoll::on_request(concurrent = 8, ordered)]
async fn task(message: Message) -> netpoll::Result<Message> {
    netpoll::sleep(2 * MS).await;
    does(&message).map(|()| message)
}

fn serve<S: Service>(
    runtime: &Runtime,
    with: impl FnOnce(EventLoopBuilder<S>) -> EventLoopBuilder<S>,
    service: S,
) -> ServerHandle {
    let builder = EventLoop::builder(service).runtime(runtime).listen("127.0.0.1:0");
    let server = with(builder).bind().unwrap();
    let handle = server.handle();
    std::thread::spawn(|| server.serve());
    handle
}

/// The events of one request, of one that fails and of one that panics, on a server of `service`.
fn events_of<S: Service>(name: &str, service: S) {
    let runtime = runtime(2);
    let notes = Notes::default();
    let server = serve(&runtime, |b| b.observer(notes.clone()), service);
    assert_eq!(server.name(), name);
    let mut client = connect(&server);
    assert_eq!(call(&mut client, b"hello"), b"hello");
    notes.wait_for("ended", 1);
    assert_eq!(
        notes.lines(),
        [format!("opened {name}"), format!("begun {name} 9"), "ended  ok 9 9".into()]
    );
    drop(client);
    notes.wait_for("closed", 1);
    assert_eq!(notes.lines().last().unwrap(), &format!("closed {name} eof 9 9"));
    for (body, outcome, reason) in
        [("panic", "panic", "panic"), ("error", "error", "handler_error")]
    {
        notes.lines.lock().clear();
        let mut client = connect(&server);
        client.write_all(&frame(body.as_bytes())).unwrap();
        let _ = client.read_to_end(&mut Vec::new());
        notes.wait_for("closed", 1);
        let expected = [
            format!("opened {name}"),
            format!("begun {name} 9"),
            format!("ended  {outcome} 9 0"),
            format!("closed {name} {reason} 9 0"),
        ];
        assert_eq!(notes.lines(), expected);
    }
    server.shutdown(Duration::from_secs(1));
}

#[test]
fn each_dispatch_tells_of_its_requests() {
    events_of("plain", Free::<plain>::new());
    events_of("inline", Free::<inline>::new());
    events_of("future", Free::<future>::new());
    events_of("batch", Free::<batch>::new());
    events_of("task", Free::<task>::new());
}

/// Of requests that came together, those behind a slow one have waited for it.
#[test]
fn times_say_how_long_requests_waited_and_took() {
    let runtime = runtime(2);
    let notes = Notes::default();
    let server = serve(&runtime, |b| b.observer(notes.clone()), Free::<plain>::new());
    let mut client = connect(&server);
    client.write_all(&[frame(b"sleep"), frame(b"x")].concat()).unwrap();
    assert_eq!((read_frame(&mut client), read_frame(&mut client)), (b"sleep".into(), b"x".into()));
    notes.wait_for("ended", 2);
    let times = notes.times.lock().clone();
    assert!(times[0].1 >= 50 * MS, "{times:?}");
    assert!(times[1].0 >= 50 * MS && times[1].1 < times[0].1, "{times:?}");
}

/// A future that is dropped since its connection has ended, and one whose deadline passes.
#[test]
fn a_request_that_is_dropped_was_cancelled_or_late() {
    #[netpoll::on_request]
    async fn never(_message: Message) {
        std::future::pending::<()>().await;
    }
    #[netpoll::on_request(concurrent = 4, ordered)]
    async fn beside(_message: Message) {
        std::future::pending::<()>().await;
    }
    let runtime = runtime(1);
    let cancelled = Notes::default();
    let one = serve(&runtime, |b| b.observer(cancelled.clone()), Free::<never>::new());
    let two = serve(&runtime, |b| b.observer(cancelled.clone()), Free::<beside>::new());
    for (n, server) in [(1, one), (2, two)] {
        let mut client = connect(&server);
        client.write_all(&frame(b"x")).unwrap();
        cancelled.wait_for("begun", n);
        server.shutdown(Duration::ZERO);
    }
    cancelled.wait_for("ended  cancelled 5 0", 2);
    let late = Notes::default();
    let timeout = |b: EventLoopBuilder<_>| b.observer(late.clone()).request_timeout(30 * MS);
    let server = serve(&runtime, timeout, Free::<never>::new());
    let mut client = connect(&server);
    client.write_all(&frame(b"x")).unwrap();
    late.wait_for("ended  timed_out 5 0", 1);
}

struct Calculator;

#[netpoll::server(frame = Call<'_>, reply = Answer<'_>, concurrent = 64)]
impl Calculator {
    #[on_request("double")]
    fn double(&self, bytes: Vec<u8>) -> Vec<u8> {
        bytes.iter().map(|byte| byte * 2).collect()
    }

    #[on_request("slow", timeout = "20ms")]
    async fn slow(&self) {
        netpoll::sleep(Duration::from_secs(600)).await;
    }

    #[on_request("boom")]
    async fn boom(&self) -> Vec<u8> {
        panic!("a secret")
    }

    #[on_request("refuse")]
    fn refuse(&self) -> Result<Vec<u8>, Fault> {
        Err(Fault::new(Status::Denied, "no"))
    }
}

/// The outcome is that of the fault by which a request is answered, and the name of a route that a peer makes up
/// is not told.
#[test]
fn routes_and_faults_are_named() {
    let runtime = runtime(2);
    let notes = Notes::default();
    let server = serve(&runtime, |b| b.observer(notes.clone()), Calculator);
    let client: Client<Call<'static>, Answer<'static>> =
        Client::mux(server.addresses()[0].to_string()).connections(1).build().unwrap();
    for route in ["double", "slow", "boom", "refuse", "made_up", "double"] {
        client.call(Call::new(route, &[7])).unwrap();
    }
    notes.wait_for("ended", 6);
    let outcomes: Vec<_> = notes
        .ended()
        .iter()
        .map(|line| line.split(' ').skip(1).take(2).collect::<Vec<_>>().join(" "))
        .collect();
    let expected =
        ["double ok", "slow timed_out", "boom panic", "refuse denied", " unknown", "double ok"];
    assert_eq!(outcomes, expected);
}

#[test]
fn variants_are_routes_too() {
    #[derive(Frame)]
    #[frame(tag = u8)]
    enum Command {
        #[frame(tag = 1)]
        Get(Get),
        #[frame(tag = 2)]
        Set(Set),
    }
    #[derive(Frame)]
    struct Get {
        key: u8,
    }
    #[derive(Frame)]
    struct Set {
        key: u8,
    }
    #[derive(Frame)]
    struct Byte {
        byte: u8,
    }
    struct Store;
    #[netpoll::server(frame = Command)]
    impl Store {
        #[on_request(Command::Get)]
        fn get(&self, get: Get) -> Byte {
            Byte { byte: get.key }
        }
        #[on_request]
        fn rest(&self, _command: Command) -> Byte {
            Byte { byte: 0 }
        }
    }
    let runtime = runtime(1);
    let notes = Notes::default();
    let server = serve(&runtime, |b| b.observer(notes.clone()), Store);
    let mut client = connect(&server);
    client.write_all(&[1, 7, 2, 9]).unwrap();
    let mut answers = [0; 2];
    client.read_exact(&mut answers).unwrap();
    assert_eq!(answers, [7, 0]);
    notes.wait_for("ended", 2);
    assert_eq!(notes.ended(), ["ended Get ok 2 1", "ended rest ok 2 1"]);
}

/// A runtime's observers are told of all its servers, and of hand-overs by either cause.
#[test]
fn a_runtimes_observer_is_told_of_servers_and_hand_overs() {
    #[netpoll::on_request]
    fn waits(message: Message) -> Message {
        netpoll::block_on(netpoll::sleep(20 * MS));
        message
    }
    let notes = Notes::default();
    let runtime =
        Runtime::builder().pollers(1).max_workers(8).observer(notes.clone()).build().unwrap();
    let own = Notes::default();
    let one = serve(&runtime, |b| b.name("one").observer(own.clone()), Free::<plain>::new());
    let two = serve(&runtime, |b| b.name("two"), Free::<waits>::new());
    for server in [&one, &two] {
        assert_eq!(call(&mut connect(server), b"x"), b"x");
    }
    call(&mut connect(&one), b"sleep");
    notes.wait_for("ended", 3);
    let begun: Vec<_> =
        notes.lines().into_iter().filter(|line| line.starts_with("begun")).collect();
    assert_eq!(begun, ["begun one 5", "begun two 5", "begun one 9"]);
    assert_eq!(own.ended().len(), 2);
    wait_until(|| {
        let causes = notes.hand_overs.lock();
        causes.contains(&HandOverCause::Wait) && causes.contains(&HandOverCause::Monitor)
    });
    assert!(own.hand_overs.lock().is_empty(), "hand-overs are the runtime's");
}

/// More requests than a turn handles, and more output than may be pending.
#[test]
fn budgets_are_told() {
    #[derive(Debug, Frame)]
    struct Large<'a> {
        #[frame(len(of = rest))]
        n: Auto<u32>,
        #[frame(rest)]
        body: &'a [u8],
    }
    #[netpoll::on_request]
    fn large(_message: Message) -> Large<'static> {
        Large { n: Auto::default(), body: &[0; 1 << 20] }
    }
    let runtime = runtime(1);
    let notes = Notes::default();
    let server = serve(&runtime, |b| b.observer(notes.clone()), Free::<plain>::new());
    let mut client = connect(&server);
    client.write_all(&frame(b"").repeat(5_000)).unwrap();
    for _ in 0..5_000 {
        read_frame(&mut client);
    }
    wait_until(|| notes.budgets.lock().contains(&Budget::Turn));
    let full = Notes::default();
    let server =
        serve(&runtime, |b| b.observer(full.clone()).write_high(1 << 20), Free::<large>::new());
    let mut client = connect(&server);
    client.write_all(&frame(b"xxxx").repeat(64)).unwrap();
    wait_until(|| full.budgets.lock().contains(&Budget::Output));
    for _ in 0..64 {
        read_frame(&mut client);
    }
}

/// An observer that panics harms nobody, and the one behind it is told.
#[test]
fn a_panic_of_an_observer_changes_nothing() {
    struct Bad;
    impl Observer for Bad {
        fn connection_opened(&self, _: &ConnectionOpened<'_>) {
            panic!("opened");
        }
        fn request_begun(&self, _: &RequestBegun<'_>) {
            panic!("begun");
        }
        fn request_ended(&self, _: &RequestEnded<'_>) {
            panic!("ended");
        }
        fn connection_closed(&self, _: &ConnectionClosed<'_>) {
            panic!("closed");
        }
    }
    let runtime = runtime(1);
    let notes = Notes::default();
    let server = serve(&runtime, |b| b.observer(Bad).observer(notes.clone()), Free::<plain>::new());
    let mut client = connect(&server);
    for _ in 0..3 {
        assert_eq!(call(&mut client, b"x"), b"x");
    }
    drop(client);
    notes.wait_for("closed", 1);
    assert_eq!(notes.lines().len(), 8);
    assert_eq!(runtime.stats().panics, 8);
    assert_eq!(server.live(), 0);
}

/// `Connection`'s own figures, which the endpoint for operators shows.
#[test]
fn a_connection_tells_its_traffic() {
    #[netpoll::on_request]
    async fn slow(conn: &Connection, message: Message) -> Message {
        assert_eq!(conn.in_flight(), 1);
        netpoll::sleep(5 * MS).await;
        message
    }
    let runtime = runtime(1);
    let server = serve(&runtime, |b| b, Free::<slow>::new());
    let mut client = connect(&server);
    call(&mut client, b"12345");
    let conn = server.connections()[0].clone();
    wait_until(|| conn.in_flight() == 0);
    wait_until(|| (conn.received(), conn.sent()) == (9, 9));
    assert_eq!(runtime.stats().requests, 1);
}

#[test]
fn outcomes_have_names_of_their_own() {
    let names: std::collections::HashSet<_> = Outcome::ALL.iter().map(|o| o.label()).collect();
    assert_eq!(names.len(), Outcome::ALL.len());
}
