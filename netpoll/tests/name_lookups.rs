//! A name server that never answers: dials keep to their timeouts, and nothing else waits for it.

#![cfg(target_os = "linux")]

mod client_support;
mod common;

use std::{
    net::UdpSocket,
    time::{Duration, Instant},
};

use client_support::{Kind, message, serve_slow};
use common::{namespace, runtime, stopwatch::Stopwatch, wait_until};
use netpoll::{Dialer, ErrorKind, Runtime, block_on, client::SystemDns};

const MS: Duration = Duration::from_millis(1);

/// Runs `body` where the only name server is silent. A look-up takes 6 s there.
fn with_a_silent_name_server(test: &str, body: impl FnOnce()) {
    if namespace::is_inside() {
        let silent = UdpSocket::bind("127.0.0.1:53").unwrap();
        body();
        drop(silent);
        return;
    }
    let setup = "ip link set lo up && mount -t tmpfs none /mnt && \
                 printf 'nameserver 127.0.0.1\\noptions timeout:3 attempts:2\\n' >/mnt/resolv && \
                 mount --bind /mnt/resolv /etc/resolv.conf";
    namespace::run(test, &["--net", "--mount"], &["ip", "mount"], setup);
}

/// Threads of this process that look names up.
fn lookup_threads() -> usize {
    let threads = std::fs::read_dir("/proc/self/task").unwrap().flatten();
    let name = |thread: std::fs::DirEntry| std::fs::read_to_string(thread.path().join("comm"));
    threads.filter_map(|it| name(it).ok()).filter(|it| it.starts_with("netpoll-names")).count()
}

#[test]
fn the_connect_timeout_covers_the_lookup_of_the_name() {
    with_a_silent_name_server("the_connect_timeout_covers_the_lookup_of_the_name", || {
        let runtime = runtime(1);
        let dialer = Dialer::new().runtime(&runtime).connect_timeout(100 * MS);
        for asynchronous in [false, true] {
            let watch = Stopwatch::start();
            let result = match asynchronous {
                false => dialer.dial("nobody.example.com:80"),
                true => block_on(dialer.dial_async("nobody.example.com:80")),
            };
            let took = watch.elapsed();
            let error = result.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::TimedOut, "{error}");
            assert!(error.to_string().contains("nobody.example.com:80"), "{error}");
            watch.assert_was_below(took, 700 * MS);
        }
        let client = Kind::Pool(2).client_on(&runtime, "nobody.example.com:80", 100 * MS);
        let watch = Stopwatch::start();
        assert_eq!(client.call(message(0, "x")).unwrap_err().kind(), ErrorKind::TimedOut);
        watch.assert_was_below(watch.elapsed(), 700 * MS);
        assert_eq!(lookup_threads(), 1, "all of them wait for one look-up");
        drop((client, dialer));
        let watch = Stopwatch::start();
        drop(runtime);
        watch.assert_was_below(watch.elapsed(), 2_000 * MS);
    });
}

#[test]
fn abandoned_lookups_hold_no_place_of_a_handler() {
    with_a_silent_name_server("abandoned_lookups_hold_no_place_of_a_handler", || {
        let runtime = Runtime::builder().pollers(1).max_workers(2).build().unwrap();
        let (server, address) = serve_slow(&runtime, client_support::NEVER);
        let client = Kind::Mux(1).client(&address, Duration::from_secs(20));
        client.call(message(0, "x")).unwrap();
        let dialer = Dialer::new().runtime(&runtime).connect_timeout(50 * MS);
        for n in 0..200 {
            let (dialer, name) = (dialer.clone(), format!("n{n}.example.com:80"));
            drop(runtime.spawn(async move { dialer.dial_async(&name).await.map(drop) }));
        }
        let resolved: Vec<_> = (0..10)
            .map(|n| {
                let dns = SystemDns::new(&format!("m{n}.example.com:80")).unwrap();
                let client = client_support::Echoes::pool(dns);
                let client = client.runtime(&runtime).timeout(50 * MS).build().unwrap();
                assert_eq!(client.call(message(0, "x")).unwrap_err().kind(), ErrorKind::TimedOut);
                client
            })
            .collect();
        wait_until(|| runtime.stats().tasks <= resolved.len());
        assert!(lookup_threads() <= 32, "{}", lookup_threads());
        let watch = Stopwatch::start();
        for _ in 0..10 {
            client.call(message(0, "x")).unwrap();
        }
        watch.assert_was_below(watch.elapsed(), 500 * MS);
        server.shutdown(Duration::ZERO);
    });
}

/// A name that is known without the name server is not held up by look-ups that are.
#[test]
fn a_known_name_is_dialled_beside_dead_ones() {
    with_a_silent_name_server("a_known_name_is_dialled_beside_dead_ones", || {
        let runtime = runtime(1);
        let (server, address) = serve_slow(&runtime, client_support::NEVER);
        let port = address.rsplit(':').next().unwrap();
        let dialer = Dialer::new().runtime(&runtime).connect_timeout(20 * MS);
        let since = Instant::now();
        for n in 0..10 {
            assert!(dialer.dial(format!("d{n}.example.com:80")).is_err());
        }
        let dialer = dialer.connect_timeout(Duration::from_secs(2));
        assert!(dialer.dial(format!("localhost:{port}")).unwrap().is_active());
        assert!(since.elapsed() < Duration::from_secs(3), "{:?}", since.elapsed());
        server.shutdown(Duration::ZERO);
    });
}
