//! Options of connections: one set of setters on every builder, whose order does not matter.

mod common;

use std::{net::TcpListener, path::Path, time::Duration};

use common::{Bench, Echo, connect, frame, read_frame, runtime};
use netpoll::{
    Address, ConnectionOptions, Dialer, Error, ErrorKind, EventLoop, EventLoopBuilder, Keepalive,
    Runtime, client::Client,
};

const MS: Duration = Duration::from_millis(1);

fn echo(runtime: &Runtime) -> EventLoopBuilder<Echo> {
    EventLoop::builder(Echo::default()).runtime(runtime).listen("127.0.0.1:0")
}

#[test]
fn a_builders_own_setter_wins_whether_it_comes_before_or_after_all_options() {
    let runtime = runtime(1);
    let all = ConnectionOptions::new().max_frame(100).idle_timeout(7 * MS);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let base = Dialer::new().runtime(&runtime);
    let dialers = [
        base.clone().options(all.clone()).idle_timeout(None),
        base.clone().idle_timeout(None).options(all.clone()),
    ];
    for dialer in dialers {
        let conn = dialer.dial(address).unwrap();
        assert_eq!((conn.options().max_frame, conn.options().idle_timeout), (100, None));
    }
    let servers = [
        echo(&runtime).options(all.clone()).idle_timeout(None),
        echo(&runtime).idle_timeout(None).options(all),
    ];
    for server in servers {
        let server = server.bind().unwrap();
        let _client = connect(&server.handle());
        common::wait_until(|| server.handle().live() == 1);
        let options = server.handle().connections()[0].options().clone();
        assert_eq!((options.max_frame, options.idle_timeout), (100, None));
    }
}

#[test]
fn a_clients_own_setters_win_over_its_dialers() {
    let runtime = runtime(1);
    let server = echo(&runtime).bind().unwrap();
    let address = &server.addresses()[0];
    let dialer = Dialer::new().runtime(Runtime::global()).idle_timeout(7 * MS).max_frame(100);
    let clients: [Client<Bench<'static>, Bench<'static>>; 2] = [
        Client::pool(address)
            .runtime(&runtime)
            .idle_timeout(None)
            .dialer(dialer.clone())
            .build()
            .unwrap(),
        Client::pool(address).dialer(dialer).runtime(&runtime).idle_timeout(None).build().unwrap(),
    ];
    for client in clients {
        let before = runtime.stats().dialled;
        client.call(Bench(b"short")).unwrap();
        assert_eq!(runtime.stats().dialled, before + 1, "it dials on its own runtime");
        assert_eq!(client.call(Bench(&[0; 97])).unwrap_err().kind(), ErrorKind::FrameTooLarge);
    }
}

#[test]
fn an_address_of_each_type_is_listened_on_and_dialled() {
    let runtime = runtime(1);
    let path = std::env::temp_dir().join(format!("netpoll-options-{}", std::process::id()));
    let server = echo(&runtime).listen(("127.0.0.1", 0)).listen(path.as_path()).bind().unwrap();
    let dialer = Dialer::new().runtime(&runtime);
    for address in server.addresses() {
        dialer.dial(address).unwrap();
    }
    let tcp = server.addresses()[1].inet().unwrap();
    dialer.dial(tcp).unwrap();
    dialer.dial(Address::from(tcp)).unwrap();
    dialer.dial((tcp.ip(), tcp.port())).unwrap();
    dialer.dial(&path).unwrap();
    netpoll::block_on(dialer.dial_async(Path::new(&path))).unwrap();
}

#[test]
fn a_listener_of_std_is_adopted() {
    let runtime = runtime(1);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let server =
        EventLoop::builder(Echo::default()).runtime(&runtime).adopt(listener).bind().unwrap();
    assert_eq!(server.addresses()[0].inet(), Some(address));
    let mut client = connect(&server.handle());
    std::io::Write::write_all(&mut client, &frame(b"adopted")).unwrap();
    assert_eq!(read_frame(&mut client), b"adopted");
    drop(server);
    TcpListener::bind(address).expect("the listener is closed with its server");
}

#[test]
fn what_is_not_a_listener_is_not_adopted() {
    let runtime = runtime(1);
    let connected = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let server = EventLoop::builder(Echo::default()).runtime(&runtime).adopt(connected).bind();
    let error = server.unwrap_err();
    assert!(error.to_string().contains("not a listening stream socket"), "{error}");
}

/// The error names the option.
fn refused(name: &str, result: Result<(), Error>) {
    let error = result.expect_err(name);
    assert_eq!(error.kind(), ErrorKind::Config, "{error}");
    assert!(error.to_string().contains(name), "{name}: {error}");
}

#[test]
fn options_that_cannot_work_are_refused_by_name_when_they_are_set_up() {
    let runtime = runtime(1);
    let zero = Duration::ZERO;
    let options: [(&str, ConnectionOptions); 10] = [
        ("max_frame", ConnectionOptions::new().max_frame(0)),
        ("write_high", ConnectionOptions::new().write_high(0).write_low(0)),
        ("write_low", ConnectionOptions::new().write_high(10).write_low(11)),
        ("read_timeout", ConnectionOptions::new().read_timeout(zero)),
        ("frame_timeout", ConnectionOptions::new().frame_timeout(zero)),
        ("write_timeout", ConnectionOptions::new().write_timeout(zero)),
        ("idle_timeout", ConnectionOptions::new().idle_timeout(zero)),
        ("user_timeout", ConnectionOptions::new().user_timeout(zero)),
        (
            "keepalive",
            ConnectionOptions::new()
                .keepalive(Keepalive { interval: zero, ..Keepalive::default() }),
        ),
        (
            "keepalive",
            ConnectionOptions::new().keepalive(Keepalive { count: 0, ..Keepalive::default() }),
        ),
    ];
    for (name, options) in options {
        refused(name, echo(&runtime).options(options.clone()).bind().map(drop));
        let dialer = Dialer::new().runtime(&runtime).options(options);
        refused(name, dialer.dial("127.0.0.1:1").map(drop));
        refused(name, netpoll::block_on(dialer.dial_async("127.0.0.1:1")).map(drop));
    }
    refused("max_connections", echo(&runtime).max_connections(0).bind().map(drop));
    refused("max_handshakes", echo(&runtime).max_handshakes(0).bind().map(drop));
    refused("request_timeout", echo(&runtime).request_timeout(zero).bind().map(drop));
    refused("backlog", echo(&runtime).backlog(0).bind().map(drop));
    let runtimes = [
        ("buffer_size", Runtime::builder().buffer_size(1 << 40)),
        ("buffer_size", Runtime::builder().buffer_size(10)),
        ("memory_limit", Runtime::builder().memory_limit(10)),
        ("pollers", Runtime::builder().pollers(0)),
        ("pollers", Runtime::builder().pollers(1 << 40)),
        ("max_workers", Runtime::builder().pollers(2).max_workers(1)),
    ];
    for (name, builder) in runtimes {
        refused(name, builder.build().map(drop));
    }
}
