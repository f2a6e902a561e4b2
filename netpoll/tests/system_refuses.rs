//! The system refuses threads and waits for a while: nothing is lost, and all goes on afterwards. Each case
//! is a process of its own, which the limits concern.

#![allow(
    unsafe_code,
    reason = "limits of the process, and descriptors exchanged under the library"
)]

mod common;

use std::{
    os::fd::RawFd,
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    thread,
    time::Duration,
};

use common::{EchoAfter, call, connect, serve_on, wait_until};
use netpoll::Runtime;

const CASE: &str = "NETPOLL_TEST_CASE";

/// Runs `case` in a process of its own, which is this test alone.
fn alone(test: &str, case: impl FnOnce()) {
    if std::env::var_os(CASE).is_some() {
        return case();
    }
    let mut child = Command::new(std::env::current_exe().unwrap());
    let ended = child.args(["--exact", test, "--nocapture"]).env(CASE, "1").status().unwrap();
    assert!(ended.success(), "{test}: {ended}");
}

fn threads() -> usize {
    std::fs::read_dir("/proc/self/task").map_or(0, Iterator::count)
}

/// A thread's stack no longer fits into the address space; or it does again.
fn allow_threads(allowed: bool) {
    let pages = std::fs::read_to_string("/proc/self/statm").unwrap();
    let pages: u64 = pages.split(' ').next().unwrap().parse().unwrap();
    let soft = if allowed { libc::RLIM_INFINITY } else { pages * 4096 + (1 << 20) };
    let limit = libc::rlimit { rlim_cur: soft, rlim_max: libc::RLIM_INFINITY };
    // SAFETY: `limit` is valid for reads.
    assert_eq!(unsafe { libc::setrlimit(libc::RLIMIT_AS, &raw const limit) }, 0);
}

#[test]
#[cfg(target_os = "linux")]
fn a_shard_whose_worker_waits_is_driven_when_there_are_threads_again() {
    alone("a_shard_whose_worker_waits_is_driven_when_there_are_threads_again", || {
        let runtime = Runtime::builder().pollers(1).max_workers(8).build().unwrap();
        let server = serve_on(&runtime, EchoAfter(Duration::from_millis(5)), |b| b);
        let mut client = connect(&server);
        assert_eq!(call(&mut client, b"before"), b"before");
        let begun = Arc::new(AtomicUsize::new(0));
        let begins = begun.clone();
        allow_threads(false);
        // It waits for the timer of the shard that it gives away, to nobody.
        let waits = runtime.spawn(async move {
            begins.fetch_add(1, SeqCst);
            netpoll::block_on(netpoll::sleep(Duration::from_millis(5)));
        });
        wait_until(|| begun.load(SeqCst) == 1);
        thread::sleep(Duration::from_millis(50));
        allow_threads(true);
        netpoll::block_on(waits).unwrap();
        assert_eq!(call(&mut client, b"after"), b"after");
        assert_eq!(runtime.stats().late, 0);
    });
}

#[test]
#[cfg(target_os = "linux")]
fn a_build_that_finds_no_threads_fails_and_leaves_none() {
    alone("a_build_that_finds_no_threads_fails_and_leaves_none", || {
        let before = threads();
        // Room for some stacks of two megabytes, and no more.
        let pages = std::fs::read_to_string("/proc/self/statm").unwrap();
        let pages: u64 = pages.split(' ').next().unwrap().parse().unwrap();
        for megabytes in [1, 3, 6, 9] {
            let soft = pages * 4096 + (megabytes << 20);
            let limit = libc::rlimit { rlim_cur: soft, rlim_max: libc::RLIM_INFINITY };
            // SAFETY: `limit` is valid for reads.
            assert_eq!(unsafe { libc::setrlimit(libc::RLIMIT_AS, &raw const limit) }, 0);
            let built = Runtime::builder().pollers(16).build();
            allow_threads(true);
            let error = built.expect_err("there is no room for 16 threads");
            assert!(error.to_string().starts_with("starting the "), "{error}");
            wait_until(|| threads() == before);
        }
    });
}

#[test]
#[cfg(target_os = "linux")]
fn a_selector_that_fails_for_a_while_loses_no_connection() {
    alone("a_selector_that_fails_for_a_while_loses_no_connection", || {
        let runtime = Runtime::builder().pollers(1).max_workers(8).build().unwrap();
        let server = serve_on(&runtime, EchoAfter(Duration::from_millis(1)), |b| b);
        let mut client = connect(&server);
        assert_eq!(call(&mut client, b"before"), b"before");
        let selector = selector();
        // SAFETY: it takes a number and touches no memory of the process.
        let kept = unsafe { libc::dup(selector) };
        // SAFETY: as above.
        let other = unsafe { libc::dup(1) };
        assert!(kept >= 0 && other >= 0);
        // SAFETY: both are open descriptors; nothing of the process owns what `dup2` closes but the
        // library, which is to see it fail.
        assert_eq!(unsafe { libc::dup2(other, selector) }, selector);
        // The wait that is under way still has the selector: an event ends it. A new connection could not be
        // registered, and is refused.
        std::io::Write::write_all(&mut client, &common::frame(b"meanwhile")).unwrap();
        thread::sleep(Duration::from_millis(50));
        // SAFETY: as above.
        assert_eq!(unsafe { libc::dup2(kept, selector) }, selector);
        assert_eq!(common::read_frame(&mut client), b"meanwhile");
        assert_eq!(call(&mut client, b"after"), b"after");
        assert_eq!(runtime.shutdown(Duration::from_secs(5)), 0);
    });
}

/// The descriptor of the one poller's selector.
fn selector() -> RawFd {
    let all = std::fs::read_dir("/proc/self/fd").unwrap().map(Result::unwrap);
    let selectors = all.filter(|fd| {
        std::fs::read_link(fd.path()).is_ok_and(|to| to.to_string_lossy().contains("eventpoll"))
    });
    let mut numbers = selectors.map(|fd| fd.file_name().to_string_lossy().parse().unwrap());
    let first = numbers.next().expect("a selector");
    assert_eq!(numbers.next(), None, "one selector");
    first
}
