//! The memory limit of the process: what needs more gets an error, and nothing else happens. In a
//! process of its own, since the limit is the process's.

mod common;

use std::{
    io::{Read, Write},
    time::Duration,
};

use common::{Echo, call, connect, frame, wait_until};
use netpoll::{EventLoop, Runtime, mem};

const LIMIT: usize = 4 << 20;

#[test]
fn at_the_memory_limit_work_is_refused_and_nothing_dies() {
    let runtime = Runtime::builder().pollers(2).memory_limit(LIMIT).build().unwrap();
    let service = Echo::default();
    let log = service.log.clone();
    let builder = EventLoop::builder(service).runtime(&runtime).listen("127.0.0.1:0");
    let server = builder.bind().unwrap();
    let handle = server.handle();
    let mut good = connect(&handle);
    assert_eq!(call(&mut good, b"before"), b"before");
    for round in 0..10 {
        let mut greedy: Vec<_> = (0..8).map(|_| connect(&handle)).collect();
        for client in &mut greedy {
            // Each holds a megabyte of a frame that does not end.
            client.set_write_timeout(Some(Duration::from_secs(5))).unwrap();
            let _ = client.write_all(&frame(&vec![1; 2 << 20])[..1 << 20]);
        }
        wait_until(|| log.lock().iter().filter(|hook| *hook == "error Limit").count() > round);
        assert!(mem::stats().out + mem::stats().cached <= LIMIT);
        // Those that were refused see the end; the others hold what they have.
        let mut ended = 0;
        for client in &mut greedy {
            client.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
            ended += match client.read(&mut [0]) {
                Err(e) if e.kind() == std::io::ErrorKind::WouldBlock => 0,
                _ => 1,
            };
        }
        assert!(ended > 0);
        drop(greedy);
        wait_until(|| handle.live() == 1);
        assert_eq!(call(&mut good, b"after"), b"after");
        log.lock().clear();
        log.lock().extend((0..=round).map(|_| "error Limit".to_owned()));
    }
    assert!(mem::stats().refused > 0);
    drop(good);
    wait_until(|| handle.live() == 0);
    assert_eq!(runtime.stats().panics, 0);
}
