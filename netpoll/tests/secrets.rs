//! What one peer sends stays between it and its handler: not in logs, not in another's output; and who
//! may connect over a Unix socket is said by its file.

mod common;

use std::{
    fs,
    io::{Read, Write},
    os::unix::{
        fs::{MetadataExt, PermissionsExt},
        net::UnixStream,
        process::CommandExt,
    },
    process::{Command, Stdio},
    sync::Arc,
    time::Duration,
};

use common::{
    Answer, Bench, Log, call, connect, frame, read_frame, reset, runtime, serve, serve_on,
    wait_until,
};
use netpoll::{
    Call, CloseReason, Connection, Dialer, ErrorKind, EventLoop, Flow, Frame, Result, Runtime,
    Service, mem,
    observe::{ConnectionClosed, ConnectionOpened, Observer, RequestBegun, RequestEnded, Stall},
};
use parking_lot::Mutex;

/// What no log may hold, in whatever form bytes are printed.
const SECRET: &[u8] = b"pass-word-4711";

/// All that is logged, at every level.
#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl Write for Lines {
    fn write(&mut self, line: &[u8]) -> std::io::Result<usize> {
        self.0.lock().extend(line);
        Ok(line.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Echoes its frames, and fails at some in all ways that there are. Notes its errors as they print.
struct Fails(Log);

#[derive(Frame)]
struct Login<'a> {
    length: netpoll::frame::Auto<u16>,
    #[frame(size = 4)]
    kind: &'a [u8],
    /// Text: bytes that are none are malformed.
    #[frame(size = length)]
    name: &'a str,
}

impl Service for Fails {
    type Session = ();
    type Request = Login<'static>;

    async fn on_connect(&self, _: &Connection) -> Result<()> {
        Ok(())
    }

    async fn on_request<'a>(&'a self, mut call: Call<'a, ()>, login: Login<'a>) -> Result<Flow> {
        match login.kind {
            b"PANI" => panic!("a handler's panic"),
            b"SLOW" => netpoll::sleep(Duration::from_millis(100)).await,
            b"CLOS" => return Ok(Flow::Close),
            _ => {}
        }
        call.out.put(&Bench(login.name.as_bytes()))?;
        Ok(Flow::Continue)
    }

    fn on_error(&self, _: &Connection, error: &netpoll::Error) {
        self.0.lock().push(format!("{error} {error:?}"));
    }

    fn on_disconnect(&self, conn: &Connection, reason: CloseReason) {
        tracing::info!(?conn, %reason, "gone");
    }
}

/// Logs all that observers are told.
struct Tells;

impl Observer for Tells {
    fn connection_opened(&self, connection: &ConnectionOpened<'_>) {
        tracing::info!(?connection);
    }

    fn connection_closed(&self, connection: &ConnectionClosed<'_>) {
        tracing::info!(?connection);
    }

    fn request_begun(&self, request: &RequestBegun<'_>) {
        tracing::info!(?request);
    }

    fn request_ended(&self, request: &RequestEnded<'_>) {
        tracing::info!(?request);
    }

    fn stalled(&self, stall: &Stall) {
        tracing::info!(?stall, "{stall}");
    }
}

fn login(kind: &[u8; 4], name: &[u8]) -> Vec<u8> {
    [&(name.len() as u16).to_be_bytes()[..], kind, name].concat()
}

/// Whether `bytes` hold the secret: as text, in hex, or as a list of numbers.
fn holds_secret(bytes: &[u8]) -> bool {
    let text = String::from_utf8_lossy(bytes);
    let hex: String = SECRET.iter().map(|b| format!("{b:02x}")).collect();
    let numbers: Vec<_> = SECRET.iter().map(u8::to_string).collect();
    let forms = [String::from_utf8_lossy(SECRET).into_owned(), hex, numbers.join(", ")];
    forms.iter().any(|form| text.to_lowercase().contains(form))
}

#[test]
fn no_payload_is_logged() {
    let lines = Lines::default();
    let writer = lines.clone();
    tracing_subscriber::fmt()
        .with_max_level(tracing_subscriber::filter::LevelFilter::TRACE)
        .with_ansi(false)
        .with_writer(move || writer.clone())
        .init();
    tracing::trace!("the capture works");
    assert!(holds_secret(SECRET) && holds_secret(format!("{SECRET:?}").as_bytes()));
    let errors = Log::default();
    // Stalls are told of too.
    let runtime = Runtime::builder()
        .pollers(2)
        .stall_after(Duration::from_millis(20))
        .inspect_stalls(true)
        .observer(Tells)
        .build()
        .unwrap();
    let server = serve_on(&runtime, Fails(errors.clone()), |b| {
        b.max_frame(100_000).frame_timeout(Some(Duration::from_millis(50)))
    });
    let mut echo = connect(&server);
    echo.write_all(&login(b"ECHO", SECRET)).unwrap();
    assert_eq!(read_frame(&mut echo), SECRET);
    let no_text = [SECRET, &[0xFF, 0xFE]].concat();
    for bytes in [
        login(b"PANI", SECRET),
        login(b"CLOS", SECRET),
        login(b"ECHO", &no_text),
        // It is never whole.
        login(b"ECHO", SECRET)[..18].to_vec(),
        [login(b"CLOS", SECRET), SECRET.to_vec()].concat(),
    ] {
        let mut client = connect(&server);
        client.write_all(&bytes).unwrap();
        let _ = client.read_to_end(&mut Vec::new());
    }
    let mut leaves = connect(&server);
    leaves.write_all(&login(b"SLOW", SECRET)).unwrap();
    reset(leaves);
    // What is written to a peer that is gone.
    let pushed = server.connections()[0].clone();
    drop(echo);
    while pushed.write(SECRET).is_ok() {}
    wait_until(|| server.live() == 0);
    let refused = Dialer::new().runtime(&runtime).dial("127.0.0.1:1").unwrap_err();
    tracing::warn!(%refused, "dialled");
    server.shutdown(Duration::ZERO);
    drop((server, runtime));
    let logged = lines.0.lock();
    let text = String::from_utf8_lossy(&logged);
    assert!(text.contains("the capture works") && text.contains("gone"), "{text}");
    for event in ["RequestEnded {", "ConnectionClosed {", "Stall {", "netpoll::stall"] {
        assert!(text.contains(event), "{event}: {text}");
    }
    assert!(text.contains("netpoll"), "the library logged nothing: {text}");
    assert!(!holds_secret(&logged), "{text}");
    let errors = errors.lock();
    assert!(errors.len() >= 3, "{errors:?}");
    assert!(errors.iter().all(|error| !holds_secret(error.as_bytes())), "{errors:?}");
}

/// A handler that reserves space in its answer and does not fill it sends zeroes, whatever came over
/// other connections into the same blocks.
#[test]
fn recycled_blocks_show_nothing_of_others() {
    const N: usize = 350 * SECRET.len();
    for pollers in [1, 2] {
        let runtime = runtime(pollers);
        let service = Answer::by(|call: &mut Call<'_, u32>, frame: &[u8]| {
            call.out.buf.write(&(N as u32).to_be_bytes())?;
            let space = call.out.buf.malloc(N)?;
            if frame != b"forgets" {
                space.copy_from_slice(frame);
            }
            Ok(Flow::Continue)
        });
        let server = serve_on(&runtime, service, |b| b);
        let before = mem::stats().hits;
        let secret = SECRET.repeat(N / SECRET.len());
        for _ in 0..50 {
            // Its blocks are free again when it has gone.
            let mut rich = connect(&server);
            assert!(call(&mut rich, &secret) == secret);
            drop(rich);
            let mut poor = connect(&server);
            let zeroes = call(&mut poor, b"forgets");
            assert!(zeroes.len() == N && zeroes.iter().all(|&byte| byte == 0));
        }
        assert!(mem::stats().hits > before, "no block was used again");
        server.shutdown(Duration::from_secs(1));
    }
}

/// What a peer's frames lie in is the peer's: bytes behind them are not seen.
#[test]
fn a_frame_ends_where_its_peer_ended_it() {
    let service = Answer::by(|call: &mut Call<'_, u32>, frame: &[u8]| {
        // All that the handler can reach of its input.
        call.out.put(&Bench(frame))?;
        Ok(Flow::Continue)
    });
    let (_runtime, server) = serve(service, |b| b);
    let mut rich = connect(&server);
    let mut poor = connect(&server);
    poor.set_nodelay(true).unwrap();
    for n in 0..200 {
        call(&mut rich, &SECRET.repeat(100));
        // In two parts, so that it is kept over a turn.
        let bytes = frame(&[b'x'; 40]);
        poor.write_all(&bytes[..n % 44]).unwrap();
        call(&mut rich, SECRET);
        poor.write_all(&bytes[n % 44..]).unwrap();
        assert_eq!(read_frame(&mut poor), [b'x'; 40]);
    }
}

/// A directory of this test's own, removed with it.
struct Directory(std::path::PathBuf);

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[test]
fn the_file_of_a_socket_says_who_may_connect() {
    let name = format!("netpoll-secrets-{}", std::process::id());
    let dir = Directory(std::env::temp_dir().join(name));
    fs::create_dir(&dir.0).unwrap();
    fs::set_permissions(&dir.0, fs::Permissions::from_mode(0o755)).unwrap();
    let own = fs::metadata("/proc/self").unwrap();
    for mode in [0o600, 0o666] {
        let path = dir.0.join(format!("{mode:o}"));
        let runtime = runtime(1);
        let server = EventLoop::builder(common::Echo::default())
            .runtime(&runtime)
            .listen(format!("unix:{}", path.display()))
            .socket_mode(mode)
            .bind()
            .unwrap();
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, mode);
        let mut client = UnixStream::connect(&path).unwrap();
        assert_eq!(call(&mut client, b"owner"), b"owner");
        let who = server.handle().connections()[0].peer_credentials().unwrap();
        assert_eq!((who.uid, who.gid, who.pid), (own.uid(), own.gid(), Some(std::process::id())));
        if own.uid() == 0 {
            // Another user: `curl` says by 7 that it could not connect.
            let asked = Command::new("curl")
                .args(["--silent", "--max-time", "2", "--unix-socket"])
                .arg(&path)
                .arg("http://localhost/")
                .uid(65_534)
                .gid(65_534)
                .stdout(Stdio::null())
                .status()
                .unwrap();
            assert_eq!(asked.code() == Some(7), mode == 0o600, "{asked}, mode {mode:o}");
        }
    }
}

#[test]
fn an_abstract_name_tells_who_connected() {
    use std::os::linux::net::SocketAddrExt;
    let name = format!("netpoll-secrets-{}", std::process::id());
    let runtime = runtime(1);
    let server = EventLoop::builder(common::Echo::default())
        .runtime(&runtime)
        .listen(format!("unix:@{name}"))
        .bind()
        .unwrap();
    let address = std::os::unix::net::SocketAddr::from_abstract_name(name.as_bytes()).unwrap();
    let mut client = UnixStream::connect_addr(&address).unwrap();
    assert_eq!(call(&mut client, b"hello"), b"hello");
    let who = server.handle().connections()[0].peer_credentials().unwrap();
    assert_eq!(
        (who.uid, who.pid),
        (fs::metadata("/proc/self").unwrap().uid(), Some(std::process::id()))
    );
}

/// While a thread was in a call that writes, the connection was said to be closed.
#[test]
fn credentials_are_told_beside_writes() {
    use std::os::linux::net::SocketAddrExt;
    let name = format!("netpoll-credentials-{}", std::process::id());
    let runtime = runtime(1);
    let server = EventLoop::builder(common::Echo::default())
        .runtime(&runtime)
        .listen(format!("unix:@{name}"))
        .bind()
        .unwrap();
    let address = std::os::unix::net::SocketAddr::from_abstract_name(name.as_bytes()).unwrap();
    let mut client = UnixStream::connect_addr(&address).unwrap();
    call(&mut client, b"first");
    let conn = server.handle().connections()[0].clone();
    let calls = std::thread::spawn(move || (0..2000).for_each(|_| drop(call(&mut client, b"x"))));
    while !calls.is_finished() {
        match conn.peer_credentials() {
            Ok(who) => assert_eq!(who.pid, Some(std::process::id())),
            // The client has gone meanwhile.
            Err(error) => {
                assert!(error.kind() == ErrorKind::Closed && !conn.is_active(), "{error}")
            }
        }
    }
    calls.join().unwrap();
}
