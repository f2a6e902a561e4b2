//! Handlers of variants: limits and times of their own, faults as replies, refusals and goodbyes.

mod common;

use std::{
    io::{Read, Write},
    net::TcpStream,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst},
    },
    thread,
    time::Duration,
};

use common::{connect, runtime, serve_on, wait_until};
use netpoll::{
    Fault, Frame, Result, Runtime, ServerHandle,
    frame::{Sequenced, Status},
    layers::{Incoming, Layer, Outcome},
};

#[derive(Frame)]
struct Ask {
    #[frame(seq)]
    id: u8,
    value: u8,
}

#[derive(Frame)]
#[frame(tag = u8)]
enum Command {
    #[frame(tag = 1)]
    Double(Ask),
    #[frame(tag = 2)]
    Hold(Ask),
    #[frame(tag = 3)]
    Hang(Ask),
    #[frame(tag = 4)]
    Boom(Ask),
    #[frame(tag = 5)]
    Forbidden(Ask),
}

impl Command {
    fn ask(&self) -> &Ask {
        let (Self::Double(ask)
        | Self::Hold(ask)
        | Self::Hang(ask)
        | Self::Boom(ask)
        | Self::Forbidden(ask)) = self;
        ask
    }
}

impl Sequenced for Command {
    type Seq = u8;

    fn seq(&self) -> u8 {
        self.ask().id
    }

    fn set_seq(&mut self, _: u8) {}
}

#[derive(Debug, Default, Frame)]
struct Told {
    #[frame(seq)]
    id: u8,
    #[frame(status(ok = 0, failed = 1, timeout = 4, denied = 7, limit = 8, panic = 13))]
    status: u8,
    value: u8,
    #[frame(goodbye, bits = 1)]
    goodbye: bool,
    #[frame(bits = 7)]
    rest: u8,
}

impl Told {
    fn new(value: u8) -> Self {
        Self { value, ..Self::default() }
    }
}

/// Refuses what is forbidden.
struct Guard;

impl Layer for Guard {
    type State = ();

    fn before(&self, request: &mut Incoming<'_>) -> Result<(), Fault> {
        match request.route() {
            Some(route) if route.to_string() == "Forbidden" => {
                Err(Fault::new(Status::Denied, "no"))
            }
            _ => Ok(()),
        }
    }

    fn after(&self, (): (), _: &Outcome) {}
}

#[derive(Clone, Default)]
struct Server(Arc<Inner>);

#[derive(Default)]
struct Inner {
    held: AtomicUsize,
    let_go: AtomicBool,
}

#[netpoll::server(frame = Command, concurrent = 64, layers = [Guard])]
impl Server {
    #[on_request(Command::Double)]
    fn double(&self, ask: Ask) -> Told {
        Told::new(ask.value * 2)
    }

    #[on_request(Command::Hold, concurrent = 2)]
    async fn hold(&self, ask: Ask) -> Result<Told, Fault> {
        self.0.held.fetch_add(1, SeqCst);
        while !self.0.let_go.load(SeqCst) {
            netpoll::sleep(Duration::from_millis(1)).await;
        }
        Ok(Told::new(ask.value))
    }

    #[on_request(Command::Hang, timeout = "50ms")]
    async fn hang(&self, _ask: Ask) -> Option<Told> {
        netpoll::sleep(Duration::from_secs(600)).await;
        None
    }

    #[on_request(Command::Boom)]
    fn boom(&self, _ask: Ask) -> Told {
        panic!("a secret")
    }

    #[on_request]
    async fn other(&self, command: Command) -> Told {
        Told::new(command.ask().value)
    }
}

/// Serves with the layers.
fn serve(runtime: &Runtime, service: &Server) -> ServerHandle {
    let server = service.clone().builder().runtime(runtime).listen("127.0.0.1:0").bind().unwrap();
    let handle = server.handle();
    thread::spawn(|| server.serve());
    handle
}

/// Asks, in one piece: a variant's tag, a number, a value.
fn ask(client: &mut TcpStream, asks: &[[u8; 3]]) {
    client.write_all(asks.as_flattened()).unwrap();
}

/// The next answer: its number, status and value, and whether it is a goodbye.
fn answer(client: &mut TcpStream) -> [u8; 4] {
    let mut bytes = [0; 4];
    client.read_exact(&mut bytes).unwrap();
    bytes
}

const GOODBYE: u8 = 0x80;

/// The limit is the variant's own, on all connections, and takes nothing from the others.
#[test]
fn a_variant_has_a_limit_of_its_own() {
    let (runtime, service) = (runtime(1), Server::default());
    let server = serve(&runtime, &service);
    let (mut one, mut two) = (connect(&server), connect(&server));
    ask(&mut one, &[[2, 1, 10], [2, 2, 20]]);
    wait_until(|| service.0.held.load(SeqCst) == 2);
    for client in [&mut one, &mut two] {
        ask(client, &[[2, 3, 30]]);
        assert_eq!(answer(client), [3, 8, 0, 0]);
        ask(client, &[[1, 4, 40]]);
        assert_eq!(answer(client), [4, 0, 80, 0]);
    }
    service.0.let_go.store(true, SeqCst);
    let mut held = [answer(&mut one), answer(&mut one)];
    held.sort_unstable();
    assert_eq!(held, [[1, 0, 10, 0], [2, 0, 20, 0]]);
    ask(&mut two, &[[2, 5, 50]]);
    assert_eq!(answer(&mut two), [5, 0, 50, 0], "places are given back");
}

/// A panic, a missed deadline and a refusal are answered on their own request, by its number.
#[test]
fn faults_of_variants_are_answered_on_their_request_alone() {
    let runtime = runtime(1);
    let server = serve(&runtime, &Server::default());
    let mut client = connect(&server);
    ask(&mut client, &[[4, 1, 0], [3, 2, 0], [5, 3, 0], [1, 4, 2]]);
    let mut answers = [(); 4].map(|()| answer(&mut client));
    answers.sort_unstable();
    assert_eq!(answers, [[1, 13, 0, 0], [2, 4, 0, 0], [3, 7, 0, 0], [4, 0, 4, 0]]);
}

#[test]
fn a_server_of_variants_says_goodbye() {
    let (runtime, service) = (runtime(1), Server::default());
    let server = serve(&runtime, &service);
    let mut client = connect(&server);
    ask(&mut client, &[[2, 1, 10]]);
    wait_until(|| service.0.held.load(SeqCst) == 1);
    thread::scope(|scope| {
        scope.spawn(|| server.shutdown(Duration::from_secs(20)));
        assert_eq!(answer(&mut client)[3], GOODBYE);
        service.0.let_go.store(true, SeqCst);
        assert_eq!(answer(&mut client), [1, 0, 10, 0]);
        drop(client);
    });
}

/// In order, and in a protocol without a word for faults: the connection closes, and what was answered before
/// arrives.
struct Mute;

#[derive(Frame)]
struct Value {
    value: u8,
}

#[netpoll::server(frame = Command)]
impl Mute {
    #[on_request(Command::Hang, timeout = "50ms")]
    async fn hang(&self, _ask: Ask) -> Value {
        netpoll::sleep(Duration::from_secs(600)).await;
        Value { value: 0 }
    }

    #[on_request]
    fn other(&self, command: Command) -> Value {
        Value { value: command.ask().value }
    }
}

#[test]
fn a_fault_that_cannot_be_said_closes_the_connection() {
    let runtime = runtime(1);
    let server = serve_on(&runtime, Mute, |builder| builder);
    let mut client = connect(&server);
    ask(&mut client, &[[1, 1, 7], [3, 2, 0], [1, 3, 8]]);
    let mut values = Vec::new();
    client.read_to_end(&mut values).unwrap();
    assert_eq!(values, [7]);
}
