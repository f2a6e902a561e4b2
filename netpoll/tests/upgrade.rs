//! Restarts by hand-over: new processes take the listeners of old ones, under load, or fail and change nothing.
//!
//! The processes are this program again: the test `a_process_that_serves`, which does nothing by itself.
#![cfg(target_os = "linux")]

mod common;

use std::{
    env,
    fs::{self, File},
    io::{ErrorKind, Read, Write},
    net::{SocketAddr, TcpStream},
    os::unix::net::{UnixDatagram, UnixStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst},
    thread,
    time::Duration,
};

use common::{runtime, wait_until};
use netpoll::{
    EventLoop,
    client::Client,
    rpc::{Answer, Call},
    upgrade::{self, StopReason, Upgrade},
};
use parking_lot::Mutex;

const LONG: Duration = Duration::from_secs(20);

/// Its answers have the mark `goodbye`, so that a drain loses no call of a client's.
#[netpoll::on_request(concurrent = 64)]
async fn echo<'a>(call: Call<'a>) -> Answer<'a> {
    Answer::new(call.id, call.payload)
}

#[netpoll::server(on_request = echo)]
struct Echo;

/// Where a process listens, and where each says that it serves and how it ended.
const DIRECTORY: &str = "NETPOLL_TEST_UPGRADE";

/// One generation: serves until it is told to end or another takes over.
#[test]
fn a_process_that_serves() {
    let Some(directory) = env::var_os(DIRECTORY).map(PathBuf::from) else { return };
    // What a bad binary does.
    match fs::read_to_string(directory.join("next")).unwrap_or_default().trim() {
        "crashes" if upgrade::is_upgrade() => std::process::exit(3),
        "hangs" if upgrade::is_upgrade() => thread::sleep(Duration::from_secs(60)),
        _ => {}
    }
    let port = fs::read_to_string(directory.join("port")).unwrap_or_else(|_| "0".into());
    let server = EventLoop::builder(Echo)
        .pollers(1)
        .listen(format!("127.0.0.1:{port}"))
        .listen(directory.join("socket"))
        .drain_timeout(LONG)
        .bind()
        .unwrap();
    let patience = fs::read_to_string(directory.join("patience")).unwrap();
    // A bad binary may find out only now, and must not have taken any client until then.
    match fs::read_to_string(directory.join("next")).unwrap_or_default().trim() {
        "crashes later" if upgrade::is_upgrade() => {
            thread::sleep(Duration::from_millis(300));
            std::process::exit(3)
        }
        "hangs later" if upgrade::is_upgrade() => thread::sleep(Duration::from_secs(60)),
        _ => {}
    }
    let inet = server.addresses().iter().find_map(|address| address.inet()).unwrap();
    fs::write(directory.join("port"), inet.port().to_string()).unwrap();
    let stop = Upgrade::of(&server.handle())
        .arguments(env::args_os().skip(1))
        .ready_timeout(Duration::from_millis(patience.parse().unwrap()))
        .on_signal();
    let tell = |text: String| {
        let mut log =
            File::options().append(true).create(true).open(directory.join("log")).unwrap();
        writeln!(log, "{text}").unwrap();
    };
    let own = std::process::id();
    let handle = server.handle();
    tell(format!("serves {own}"));
    let (reason, report) = {
        let reason = Mutex::new(None);
        let report = server.serve_until(async { *reason.lock() = Some(stop.await) });
        (reason.into_inner(), report.unwrap())
    };
    assert_eq!(handle.live(), 0);
    match reason {
        Some(StopReason::Upgraded(next)) => tell(format!("gave {own} {next} {}", report.cut.len())),
        other => tell(format!("ended {own} {other:?}")),
    }
}

/// The processes of one test.
struct Service {
    directory: PathBuf,
    first: Child,
}

impl Service {
    /// Starts the first process. Each waits for `patience` until the next one is ready.
    fn start(name: &str, patience: Duration) -> Self {
        Self::start_with(name, patience, |_| {})
    }

    fn start_with(name: &str, patience: Duration, with: impl FnOnce(&mut Command)) -> Self {
        let directory =
            env::temp_dir().join(format!("netpoll-upgrade-{name}-{}", std::process::id()));
        fs::create_dir_all(&directory).unwrap();
        fs::write(directory.join("patience"), patience.as_millis().to_string()).unwrap();
        let mut command = Command::new(env::current_exe().unwrap());
        command.args(["--exact", "a_process_that_serves", "--nocapture"]);
        command.env(DIRECTORY, &directory).stdout(Stdio::null());
        with(&mut command);
        let first = command.spawn().unwrap();
        let this = Self { directory, first };
        wait_until(|| this.lines("serves").len() == 1);
        this
    }

    /// The words after `begin` of each line of the log that begins so.
    fn lines(&self, begin: &str) -> Vec<Vec<String>> {
        let log = fs::read_to_string(self.directory.join("log")).unwrap_or_default();
        let whole = log.rfind('\n').map_or("", |end| &log[..end]);
        let lines = whole.lines().filter_map(|line| line.strip_prefix(begin));
        lines.map(|line| line.split_whitespace().map(str::to_owned).collect()).collect()
    }

    /// The number of the process that serves last.
    fn current(&self) -> u32 {
        self.lines("serves").last().unwrap()[0].parse().unwrap()
    }

    /// The number of descriptors that it has.
    fn descriptors(&self) -> usize {
        fs::read_dir(format!("/proc/{}/fd", self.current())).unwrap().count()
    }

    fn signal(&self, signal: &str) {
        let killed = Command::new("kill").args([signal, &self.current().to_string()]).status();
        assert!(killed.unwrap().success());
    }

    fn address(&self) -> SocketAddr {
        let port = fs::read_to_string(self.directory.join("port")).unwrap();
        format!("127.0.0.1:{port}").parse().unwrap()
    }

    fn socket(&self) -> PathBuf {
        self.directory.join("socket")
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        if thread::panicking() {
            if !self.lines("serves").is_empty() {
                self.signal("-KILL");
            }
        } else {
            self.signal("-TERM");
            wait_until(|| !self.lines("ended").is_empty());
            assert!(!self.socket().exists(), "the last process removes the socket's file");
            self.first.wait().unwrap();
        }
        let _ = self.first.kill();
        let _ = fs::remove_dir_all(&self.directory);
    }
}

/// A service manager hears that the process is ready, that it lives, and that it ends; from the second process on,
/// which of them is the main one.
#[test]
fn the_service_manager_is_told() {
    let manager = env::temp_dir().join(format!("netpoll-manager-{}", std::process::id()));
    let _ = fs::remove_file(&manager);
    let hears = UnixDatagram::bind(&manager).unwrap();
    hears.set_read_timeout(Some(LONG)).unwrap();
    let service = Service::start_with("notify", LONG, |command| {
        command.env("NOTIFY_SOCKET", &manager).env("WATCHDOG_USEC", "200000");
        // As systemd does, it names the first process.
        let program = command.get_program().to_owned();
        let arguments: Vec<_> = command.get_args().map(ToOwned::to_owned).collect();
        let set: Vec<_> = command
            .get_envs()
            .filter_map(|(name, value)| Some((name.to_owned(), value?.to_owned())))
            .collect();
        *command = Command::new("sh");
        command.args(["-c", "export WATCHDOG_PID=$$; exec \"$0\" \"$@\""]);
        command.arg(program).args(arguments).envs(set).stdout(Stdio::null());
    });
    let next = |wanted: &str| loop {
        let mut bytes = [0; 200];
        let n = hears.recv(&mut bytes).unwrap();
        let said = std::str::from_utf8(&bytes[..n]).unwrap().to_owned();
        if said.contains(wanted) {
            return said;
        }
        assert_eq!(said, "WATCHDOG=1", "before {wanted}");
    };
    let first = service.current();
    assert_eq!(next("READY=1"), format!("MAINPID={first}\nREADY=1"));
    for _ in 0..3 {
        next("WATCHDOG=1");
    }
    service.signal("-USR2");
    // The first one is silent after that, and the second one lives.
    let said = next("READY=1");
    wait_until(|| service.lines("gave").len() == 1);
    (0..5).for_each(|_| drop(next("WATCHDOG=1")));
    assert_eq!(said, format!("MAINPID={}\nREADY=1", service.current()));
    drop(service);
    next("STOPPING=1");
    fs::remove_file(manager).unwrap();
}

/// Connects anew for each request; a connection that a draining process closed before it had the request is made
/// again, but none may be refused.
fn visit(connect: impl Fn() -> std::io::Result<Box<dyn ReadWrite>>) {
    visits(connect);
}

/// As [`visit`]; returns how many connections it took.
fn visits(connect: impl Fn() -> std::io::Result<Box<dyn ReadWrite>>) -> usize {
    for made in 1..=100 {
        let mut stream = connect().expect("no connection is refused");
        let asked = stream.write_all(CALL).and_then(|()| answered(&mut *stream));
        match asked {
            Ok(()) => return made,
            Err(error) => assert!(
                matches!(
                    error.kind(),
                    ErrorKind::UnexpectedEof | ErrorKind::ConnectionReset | ErrorKind::BrokenPipe
                ),
                "{error}"
            ),
        }
    }
    panic!("a hundred connections were closed");
}

trait ReadWrite: Read + Write {}
impl<T: Read + Write> ReadWrite for T {}

const CALL: &[u8] = b"\0\0\0\x12\x01\0\0\0\0\x07\0\0\0\0\0\x04echo\0!";
const ANSWER: &[u8] = b"\0\0\0\x0a\x01\x01\0\0\0\x07\0\0\0!";

/// Reads frames up to the answer; a goodbye may come before it.
fn answered(stream: &mut dyn ReadWrite) -> std::io::Result<()> {
    loop {
        let mut length = [0; 4];
        stream.read_exact(&mut length)?;
        let mut frame = vec![0; u32::from_be_bytes(length) as usize];
        stream.read_exact(&mut frame)?;
        if frame == ANSWER[4..] {
            return Ok(());
        }
        assert_eq!(frame[1] & 2, 2, "neither the answer nor a goodbye: {frame:?}");
    }
}

fn tcp(address: SocketAddr) -> std::io::Result<Box<dyn ReadWrite>> {
    let stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(LONG))?;
    Ok(Box::new(stream))
}

fn unix(path: &Path) -> std::io::Result<Box<dyn ReadWrite>> {
    let stream = UnixStream::connect(path)?;
    stream.set_read_timeout(Some(LONG))?;
    Ok(Box::new(stream))
}

/// Binaries and calls: by default, and with `NETPOLL_FULL`.
fn size() -> (usize, usize) {
    if env::var_os("NETPOLL_FULL").is_some() { (20, 100_000) } else { (5, 2_000) }
}

#[test]
fn binaries_follow_one_another_under_load() {
    let (binaries, calls) = size();
    let service = Service::start("load", LONG);
    let (address, socket) = (service.address(), service.socket());
    let before = service.descriptors();
    let runtime = runtime(2);
    type RpcClient = Client<Call<'static>, Answer<'static>>;
    let clients: [RpcClient; 2] = [
        RpcClient::pool(address).runtime(&runtime).timeout(LONG).build().unwrap(),
        RpcClient::mux(address).connections(2).runtime(&runtime).timeout(LONG).build().unwrap(),
    ];
    let (made, over) = (AtomicUsize::new(0), AtomicBool::new(false));
    thread::scope(|scope| {
        for caller in 0..8 {
            let (client, made, over) = (&clients[caller % 2], &made, &over);
            scope.spawn(move || {
                while !over.load(SeqCst) {
                    made.fetch_add(1, SeqCst);
                    let reply = client.call(Call::new("echo", b"a call")).unwrap();
                    assert_eq!(reply.get().unwrap().payload, b"a call");
                }
            });
        }
        scope.spawn(|| {
            while !over.load(SeqCst) {
                visit(|| tcp(address));
                visit(|| unix(&socket));
            }
        });
        for binary in 1..=binaries {
            wait_until(|| made.load(SeqCst) >= calls * (binary - 1) / binaries);
            service.signal("-USR2");
            wait_until(|| service.lines("serves").len() == binary + 1);
            wait_until(|| service.lines("gave").len() == binary);
        }
        wait_until(|| made.load(SeqCst) >= calls);
        over.store(true, SeqCst);
    });
    let gave = service.lines("gave");
    assert!(gave.iter().all(|line| line[2] == "0"), "connections were cut: {gave:?}");
    drop(clients);
    wait_until(|| service.descriptors() <= before);
    println!("{} calls, {binaries} binaries", made.load(SeqCst));
}

#[test]
fn a_binary_that_crashes_or_hangs_changes_nothing() {
    let service = Service::start("crash", Duration::from_secs(1));
    let first = service.current();
    for fault in ["crashes", "hangs", "crashes later", "hangs later"] {
        fs::write(service.directory.join("next"), fault).unwrap();
        service.signal("-USR2");
        // Longer than the new one may take.
        let until = std::time::Instant::now() + Duration::from_millis(1500);
        while std::time::Instant::now() < until {
            // Each connection is served to its end.
            assert_eq!(visits(|| tcp(service.address())), 1);
            assert_eq!(visits(|| unix(&service.socket())), 1);
            thread::sleep(Duration::from_millis(10));
        }
        assert_eq!(service.current(), first);
    }
    // The next one is sound, and this process may have to find out first that the last one is not.
    fs::remove_file(service.directory.join("next")).unwrap();
    wait_until(|| {
        service.signal("-USR2");
        thread::sleep(Duration::from_millis(100));
        service.lines("serves").len() == 2
    });
    assert_ne!(service.current(), first);
    wait_until(|| service.lines("gave").len() == 1);
    visit(|| unix(&service.socket()));
}

#[test]
fn a_program_that_cannot_be_started_is_told_of() {
    let server =
        EventLoop::builder(Echo).runtime(&runtime(1)).listen("127.0.0.1:0").bind().unwrap();
    let address = server.addresses()[0].inet().unwrap();
    let upgrade = Upgrade::of(&server.handle()).arguments(["unused"]);
    let error = upgrade.clone().program("/nowhere/to/be/found").start().unwrap_err();
    assert!(error.to_string().contains("starting /nowhere/to/be/found"), "{error}");
    let error = upgrade.program("/bin/false").start().unwrap_err();
    assert!(error.to_string().contains("ended before it was ready: exit status: 1"), "{error}");
    visit(|| tcp(address));
    // A child that was handed nothing has nothing to tell.
    upgrade::ready().unwrap();
    assert!(!upgrade::is_upgrade());
}
