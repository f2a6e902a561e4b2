//! Times and numbers that are larger or smaller than any system takes: `Duration::MAX` means "never".

mod common;

use std::{thread, time::Duration};

use common::{Bench, Echo, call, serve_on};
use netpoll::{
    ConnectionOptions, Dialer, Keepalive, Result, Runtime, ServerHandle,
    client::{CallOptions, Client},
};

const DAY: Duration = Duration::from_secs(86_400);

/// Around the limits of 32 bits of milliseconds, of seconds, and of everything.
fn times() -> [Duration; 7] {
    let years = Duration::from_secs(200 * 365 * 86_400);
    [24 * DAY, 25 * DAY, 50 * DAY, years, Duration::MAX / 2, Duration::MAX, Duration::from_nanos(1)]
}

fn served() -> (Runtime, ServerHandle, String) {
    let runtime = Runtime::builder().pollers(1).build().unwrap();
    let server = serve_on(&runtime, Echo::default(), |b| b);
    let address = server.addresses()[0].to_string();
    (runtime, server, address)
}

#[test]
fn a_clients_times_may_be_as_long_as_one_likes() {
    let (runtime, _server, address) = served();
    let pool = || Client::<Bench<'static>, Bench<'static>>::pool(&*address).runtime(&runtime);
    for time in times().into_iter().filter(|time| *time > DAY) {
        for (name, builder) in [
            ("timeout", pool().timeout(time)),
            ("connect_timeout", pool().connect_timeout(time)),
            ("idle_timeout", pool().idle_timeout(time)),
            ("all", pool().timeout(time).connect_timeout(time).idle_timeout(time)),
        ] {
            let client = builder.build().unwrap();
            let reply = client.call(Bench(b"x")).unwrap_or_else(|e| panic!("{name} {time:?}: {e}"));
            assert_eq!(reply.get().unwrap().0, b"x");
            let options = CallOptions::new().timeout(time);
            netpoll::block_on(client.call_async_with(Bench(b"x"), options)).unwrap();
            client.warm_up(1).unwrap();
            assert_eq!(client.close(time), 0);
        }
    }
}

#[test]
fn a_dialled_connections_times_may_be_extreme() {
    let (runtime, _server, address) = served();
    for time in times() {
        let keepalive = |idle, interval, count| Some(Keepalive { idle, interval, count });
        let minute = Duration::from_secs(60);
        for keepalive in [
            keepalive(time, minute, 3),
            keepalive(minute, time, 3),
            keepalive(time, time, u32::MAX),
        ] {
            let mut options = ConnectionOptions::default();
            (options.keepalive, options.user_timeout) = (keepalive, Some(time));
            let dialer = Dialer::new().runtime(&runtime).connect_timeout(DAY.max(time));
            let conn = dialer.options(options).dial(&address);
            conn.unwrap_or_else(|e| panic!("{keepalive:?}: {e}"));
        }
    }
}

#[test]
fn a_servers_times_may_be_extreme() {
    for time in times().into_iter().filter(|time| *time > DAY) {
        let runtime = Runtime::builder().pollers(1).build().unwrap();
        let keepalive = Keepalive { idle: time, interval: time, count: u32::MAX };
        let server = serve_on(&runtime, Echo::default(), |b| {
            b.keepalive(Some(keepalive))
                .user_timeout(Some(time))
                .idle_timeout(Some(time))
                .read_timeout(Some(time))
                .frame_timeout(Some(time))
                .write_timeout(Some(time))
        });
        let answers = || -> Result<()> {
            let mut stream = std::net::TcpStream::connect(server.addresses()[0].inet().unwrap())?;
            for _ in 0..2 {
                assert_eq!(call(&mut stream, b"x"), b"x");
            }
            Ok(())
        };
        answers().unwrap();
        thread::spawn(move || server.shutdown(time)).join().unwrap();
    }
}
