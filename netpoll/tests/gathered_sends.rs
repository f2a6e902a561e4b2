//! Sends of several turns in one system call: every byte arrives, in order, whoever sends it.

#![allow(unsafe_code, reason = "a filter of system calls in a process of its own")]

mod common;

use std::{
    io::{Read, Write},
    process::Command,
    thread,
    time::Duration,
};

use common::{
    Answer, Bench, Echo, call, connect, frame, random, read_frame, reset, serve_on, wait_until,
};
use netpoll::{Call, Flow, Runtime, ServerHandle, SystemCalls};

/// A runtime that gathers; `None` where the system refuses.
fn gathering(pollers: usize) -> Option<Runtime> {
    let builder = Runtime::builder().pollers(pollers).max_workers(64);
    let runtime = builder.system_calls(SystemCalls::Auto).build().unwrap();
    (runtime.stats().system_calls == SystemCalls::Ring).then_some(runtime)
}

/// Echoes frames on many connections at once, of sizes from few bytes to more than a socket takes, and
/// compares all bytes.
fn echo_many(server: &ServerHandle, rounds: usize, largest: u64) {
    thread::scope(|scope| {
        for seed in 1..=4u64 {
            scope.spawn(move || {
                let mut state = seed;
                let mut clients: Vec<_> = (0..16).map(|_| connect(server)).collect();
                for _ in 0..rounds {
                    let sent: Vec<Vec<u8>> = clients
                        .iter()
                        .map(|_| {
                            let len = random(&mut state, largest) as usize;
                            (0..len).map(|_| random(&mut state, 256) as u8).collect()
                        })
                        .collect();
                    for (client, bytes) in clients.iter_mut().zip(&sent) {
                        client.write_all(&frame(bytes)).unwrap();
                    }
                    for (client, bytes) in clients.iter_mut().zip(&sent) {
                        assert!(read_frame(client) == *bytes, "other bytes");
                    }
                }
            });
        }
    });
}

#[test]
fn many_connections_echo_as_by_plain_calls() {
    for pollers in [1, 2] {
        for calls in [SystemCalls::Plain, SystemCalls::Auto] {
            let builder = Runtime::builder().pollers(pollers).max_workers(64);
            let runtime = builder.system_calls(calls).build().unwrap();
            let server = serve_on(&runtime, Echo::default(), |b| b);
            echo_many(&server, 50, 2_000);
            // More than a socket takes at once.
            echo_many(&server, 3, 1 << 20);
            let stats = runtime.stats();
            assert_eq!(stats.gathered > 0, stats.system_calls == SystemCalls::Ring, "{stats:?}");
            wait_until(|| server.live() == 0);
            assert_eq!(runtime.shutdown(Duration::from_secs(5)), 0);
        }
    }
}

/// Handlers that block in the middle of a batch: what turns before them have gathered leaves by the worker
/// that takes the shard over.
#[test]
fn a_handler_that_blocks_does_not_hold_the_answers_before_it() {
    let Some(runtime) = gathering(1) else { return };
    let service = Answer::by(|call: &mut Call<'_, u32>, frame: &[u8]| {
        match frame {
            b"blocks" => thread::sleep(Duration::from_millis(300)),
            b"waits" => netpoll::block_on(netpoll::sleep(Duration::from_millis(300))),
            _ => {}
        }
        call.out.put(&Bench(frame))?;
        Ok(Flow::Continue)
    });
    let server = serve_on(&runtime, service, |b| b);
    for how in [&b"blocks"[..], b"waits"] {
        for _ in 0..5 {
            let mut clients: Vec<_> = (0..20).map(|_| connect(&server)).collect();
            let mut blocks = connect(&server);
            for client in &mut clients[..10] {
                client.write_all(&frame(b"quick")).unwrap();
            }
            blocks.write_all(&frame(how)).unwrap();
            for client in &mut clients[10..] {
                client.write_all(&frame(b"quick")).unwrap();
            }
            let began = std::time::Instant::now();
            for client in &mut clients {
                assert_eq!(read_frame(client), b"quick");
            }
            assert!(began.elapsed() < Duration::from_millis(250), "{:?}", began.elapsed());
            assert_eq!(read_frame(&mut blocks), how);
        }
    }
    assert!(runtime.stats().late == 0 || runtime.stats().handovers_by_monitor > 0);
}

/// Connections that end while their output is gathered: closed after the answer, aborted, reset by the
/// peer. Nothing leaks, and the next connections get their own bytes.
#[test]
fn connections_may_end_while_their_output_is_gathered() {
    let Some(runtime) = gathering(2) else { return };
    let service = Answer::by(|call: &mut Call<'_, u32>, frame: &[u8]| {
        call.out.put(&Bench(frame))?;
        match frame {
            b"close" => call.conn.close(),
            b"abort" => call.conn.abort(),
            _ => {}
        }
        Ok(Flow::Continue)
    });
    let server = serve_on(&runtime, service, |b| b);
    for round in 0..50 {
        let ways = [&b"close"[..], b"abort", b"reset", b"stays"];
        let mut clients: Vec<_> =
            (0..40).map(|i| (connect(&server), ways[(i + round) % 4])).collect();
        for (client, way) in &mut clients {
            client.write_all(&frame(way)).unwrap();
        }
        for (mut client, way) in clients {
            match way {
                b"close" => {
                    assert_eq!(read_frame(&mut client), way);
                    assert_eq!(client.read(&mut [0]).unwrap(), 0);
                }
                b"stays" => {
                    assert_eq!(read_frame(&mut client), way);
                    assert_eq!(call(&mut client, b"again"), b"again");
                }
                b"reset" => reset(client),
                _ => {
                    let _ = client.read_to_end(&mut Vec::new());
                }
            }
        }
    }
    wait_until(|| server.live() == 0 && runtime.stats().connections == 0);
    assert_eq!(runtime.stats().panics, 0);
    assert!(runtime.stats().gathered > 0);
    assert_eq!(runtime.shutdown(Duration::from_secs(5)), 0);
}

const CASE: &str = "NETPOLL_TEST_CASE";

/// A filter refuses `io_uring_setup`, as containers' do.
#[test]
#[cfg(target_os = "linux")]
fn where_the_system_refuses_plain_calls_run() {
    let name = "where_the_system_refuses_plain_calls_run";
    if std::env::var_os(CASE).is_none() {
        let mut child = Command::new(std::env::current_exe().unwrap());
        let ended = child.args(["--exact", name, "--nocapture"]).env(CASE, "1").status().unwrap();
        assert!(ended.success(), "{ended}");
        return;
    }
    refuse(libc::SYS_io_uring_setup);
    let error = Runtime::builder().system_calls(SystemCalls::Ring).build().unwrap_err();
    assert_eq!(error.io_kind(), Some(std::io::ErrorKind::PermissionDenied), "{error}");
    let runtime = Runtime::builder().system_calls(SystemCalls::Auto).build().unwrap();
    assert_eq!(runtime.stats().system_calls, SystemCalls::Plain);
    let server = serve_on(&runtime, Echo::default(), |b| b);
    echo_many(&server, 5, 2_000);
    assert_eq!(runtime.stats().gathered, 0);
}

/// The kernel refuses the enter of rings that exist already: what was gathered leaves by plain calls.
#[test]
#[cfg(target_os = "linux")]
fn where_the_system_refuses_later_plain_calls_go_on() {
    let name = "where_the_system_refuses_later_plain_calls_go_on";
    if std::env::var_os(CASE).is_none() {
        let mut child = Command::new(std::env::current_exe().unwrap());
        let ended = child.args(["--exact", name, "--nocapture"]).env(CASE, "1").status().unwrap();
        assert!(ended.success(), "{ended}");
        return;
    }
    let Some(runtime) = gathering(1) else { return };
    let server = serve_on(&runtime, Echo::default(), |b| b);
    echo_many(&server, 20, 2_000);
    let gathered = runtime.stats().gathered;
    assert!(gathered > 0);
    refuse(libc::SYS_io_uring_enter);
    echo_many(&server, 20, 2_000);
    // The last batch before the refusal is counted after its answers have come.
    assert!(runtime.stats().gathered <= gathered + 64);
}

/// Has `call` fail with EPERM in all threads of the process.
#[cfg(target_os = "linux")]
fn refuse(call: libc::c_long) {
    let op = |code: u32, jt: u8, jf: u8, k: u32| libc::sock_filter { code: code as u16, jt, jf, k };
    let mut filter = [
        op(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0, 0, 0),
        op(libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K, 0, 1, call as u32),
        op(libc::BPF_RET | libc::BPF_K, 0, 0, libc::SECCOMP_RET_ERRNO | libc::EPERM as u32),
        op(libc::BPF_RET | libc::BPF_K, 0, 0, libc::SECCOMP_RET_ALLOW),
    ];
    let program = libc::sock_fprog { len: filter.len() as u16, filter: filter.as_mut_ptr() };
    // SAFETY: it takes numbers.
    assert_eq!(unsafe { libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) }, 0);
    // SAFETY: `program` and the filter that it points to are valid for reads.
    let set = unsafe {
        libc::syscall(
            libc::SYS_seccomp,
            libc::SECCOMP_SET_MODE_FILTER,
            libc::SECCOMP_FILTER_FLAG_TSYNC,
            &raw const program,
        )
    };
    assert_eq!(set, 0, "{}", std::io::Error::last_os_error());
}
