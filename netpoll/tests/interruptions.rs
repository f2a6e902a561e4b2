//! What interrupts system calls: descriptors among the bytes, which end a read early, and signals.
#![cfg(target_os = "linux")]
#![allow(unsafe_code, reason = "signals are sent and handled")]

mod common;

use std::{
    io::Write,
    os::unix::net::UnixStream,
    sync::atomic::{AtomicBool, Ordering::SeqCst},
    thread,
    time::{Duration, Instant},
};

use common::{Bench, connect, frame, read_frame, serve_on, wait_until};
use netpoll::{Call, Connection, Dispatch, Flow, Result, Runtime, Service};
use socket2::{MsgHdr, SockRef};

/// Echoes on the poller; `hold` keeps the poller until it is let go.
struct Held;

static HOLDS: AtomicBool = AtomicBool::new(false);

impl Service for Held {
    type Session = ();
    type Request = Bench<'static>;
    const DISPATCH: Dispatch = Dispatch::Inline;

    async fn on_connect(&self, _: &Connection) -> Result<()> {
        Ok(())
    }

    async fn on_request<'a>(&'a self, mut call: Call<'a, ()>, request: Bench<'a>) -> Result<Flow> {
        if request.0 == b"hold" {
            HOLDS.store(true, SeqCst);
            wait_until(|| !HOLDS.load(SeqCst));
        }
        call.out.put(&request)?;
        Ok(Flow::Continue)
    }
}

/// Sends `bytes` with a copy of the standard input's descriptor.
fn send_with_descriptor(socket: &UnixStream, bytes: &[u8]) {
    // A `cmsghdr`: length, level, type, and the descriptor.
    let length = size_of::<usize>() + 3 * size_of::<i32>();
    let mut control: Vec<u8> = [
        &length.to_ne_bytes()[..],
        &libc::SOL_SOCKET.to_ne_bytes(),
        &libc::SCM_RIGHTS.to_ne_bytes(),
        &0i32.to_ne_bytes(),
    ]
    .concat();
    control.resize(length.next_multiple_of(align_of::<usize>()), 0);
    let pieces = [std::io::IoSlice::new(bytes)];
    let message = MsgHdr::new().with_buffers(&pieces).with_control(&control);
    assert_eq!(SockRef::from(socket).sendmsg(&message, 0).unwrap(), bytes.len());
}

/// A read ends at a descriptor, and no event tells of what follows: all of it is there before the poller's
/// first look.
#[test]
fn bytes_behind_a_descriptor_are_read() {
    let path = std::env::temp_dir().join(format!("netpoll-interruptions-{}", std::process::id()));
    let runtime = Runtime::builder().pollers(1).build().unwrap();
    let server = serve_on(&runtime, Held, |b| b.listen(path.as_path()));
    // It stays, with its descriptors: the other test uses it.
    let _ = Runtime::global();
    let descriptors = common::descriptors();
    for cut in [1, 4, 9, 14] {
        let mut client = UnixStream::connect(&path).unwrap();
        client.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        client.write_all(&frame(b"first")).unwrap();
        assert_eq!(read_frame(&mut client), b"first");

        let mut holder = connect(&server);
        holder.write_all(&frame(b"hold")).unwrap();
        wait_until(|| HOLDS.load(SeqCst));
        let sent = [frame(b"cut in two"), frame(b"whole")].concat();
        send_with_descriptor(&client, &sent[..cut]);
        send_with_descriptor(&client, &sent[cut..cut + 1]);
        client.write_all(&sent[cut + 1..]).unwrap();
        HOLDS.store(false, SeqCst);
        assert_eq!(read_frame(&mut client), b"cut in two");
        assert_eq!(read_frame(&mut client), b"whole");
    }
    // The descriptors that came are not kept.
    wait_until(|| common::descriptors() <= descriptors);
}

/// Signals that come all the time neither end a wait early nor make it late.
#[test]
fn signals_do_not_fire_timers_early() {
    extern "C" fn nothing(_: libc::c_int) {}
    let handler = nothing as extern "C" fn(libc::c_int) as libc::sighandler_t;
    // SAFETY: the handler does nothing, and belongs to a signal that nothing else here uses. A wait for
    // events ends with EINTR whatever the handler's flags.
    assert_ne!(unsafe { libc::signal(libc::SIGUSR1, handler) }, libc::SIG_ERR);
    let runtime = Runtime::builder().pollers(1).build().unwrap();
    let server = serve_on(&runtime, Held, |b| b.idle_timeout(Duration::from_millis(300)));
    let (process, over) = (std::process::id(), AtomicBool::new(false));
    thread::scope(|scope| {
        scope.spawn(|| {
            while !over.load(SeqCst) {
                for thread in threads() {
                    // SAFETY: the call takes numbers; a thread that has ended makes it fail.
                    unsafe { libc::syscall(libc::SYS_tgkill, process, thread, libc::SIGUSR1) };
                }
                thread::sleep(Duration::from_millis(2));
            }
        });
        let began = Instant::now();
        let slept = runtime.spawn(netpoll::sleep(Duration::from_millis(200)));
        netpoll::block_on(slept).unwrap();
        assert!(began.elapsed() >= Duration::from_millis(200), "{:?}", began.elapsed());

        let mut client = connect(&server);
        for _ in 0..20 {
            client.write_all(&frame(b"ping")).unwrap();
            assert_eq!(read_frame(&mut client), b"ping");
        }
        let began = Instant::now();
        let _ = std::io::Read::read(&mut client, &mut [0; 1]);
        assert!(began.elapsed() >= Duration::from_millis(250), "idle: {:?}", began.elapsed());
        over.store(true, SeqCst);
    });
}

/// The threads of the library.
fn threads() -> Vec<libc::pid_t> {
    let all = std::fs::read_dir("/proc/self/task").unwrap().map(Result::unwrap);
    let ours = all.filter(|task| {
        let name = std::fs::read_to_string(task.path().join("comm"));
        name.is_ok_and(|name| name.starts_with("netpoll"))
    });
    ours.filter_map(|task| task.file_name().to_string_lossy().parse().ok()).collect()
}
