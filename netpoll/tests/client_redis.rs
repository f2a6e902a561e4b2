//! A pipelined client of a real Redis: replies in order, a login on each new connection, lost connections.

mod common;

use std::{
    os::unix::net::UnixStream,
    path::PathBuf,
    process::{self, Child, Command, Stdio},
    sync::atomic::{AtomicUsize, Ordering::SeqCst},
    thread,
    time::Duration,
};

use common::wait_until;
use netpoll::{
    Error, ErrorKind, Result,
    client::{CallOptions, Client, Hello},
    frame::{
        Decode, DecodeError, Decoder, Encode, EncodeError, Encoder, Frame, FrameErrorKind,
        Progress, ScanError, Scanner, Window,
    },
};

/// A command, as Redis takes it on the wire.
struct Words(Vec<u8>);

fn words(words: &[&str]) -> Words {
    let mut wire = format!("*{}\r\n", words.len());
    for word in words {
        wire.push_str(&format!("${}\r\n{word}\r\n", word.len()));
    }
    Words(wire.into_bytes())
}

/// A reply without its end of line: a status, an error, an integer, or a bulk string with its head.
#[derive(Debug, PartialEq)]
struct Reply<'a>(&'a [u8]);

/// Finds a line, and what the head of a bulk string announces. Requests are not scanned.
#[derive(Default)]
struct Lines;

impl Scanner for Lines {
    fn scan(&mut self, w: &Window<'_>, _: usize) -> Result<Progress, ScanError> {
        let head: Vec<u8> =
            (0..w.len().min(64)).map_while(|at| w.array::<1>(at)).flatten().collect();
        let Some(line) = head.windows(2).position(|end| end == b"\r\n") else {
            return Ok(Progress::Need(w.len() + 1));
        };
        let text = std::str::from_utf8(&head[1..line]).unwrap_or_default();
        let body = match (head[0], text.parse::<usize>()) {
            (b'$', Ok(n)) => n + 2,
            (b'$' | b'+' | b'-' | b':', _) => 0,
            _ => {
                return Err(ScanError::new(
                    FrameErrorKind::TooLarge { size: usize::MAX, max: 0 },
                    0,
                ));
            }
        };
        let total = line + 2 + body;
        Ok(if w.len() >= total { Progress::Ready(total) } else { Progress::Need(total) })
    }
}

impl Frame for Reply<'_> {
    type Scan = Lines;
    type At<'a> = Reply<'a>;
    const MIN: usize = 3;
}

impl<'a> Decode<'a> for Reply<'a> {
    fn decode(r: &mut Decoder<'a>) -> Result<Self, DecodeError> {
        let bytes = r.bytes(r.left())?;
        Ok(Self(&bytes[..bytes.len() - 2]))
    }
}

impl Frame for Words {
    type Scan = Lines;
    type At<'a> = Words;
}

impl Decode<'_> for Words {
    fn decode(r: &mut Decoder<'_>) -> Result<Self, DecodeError> {
        r.bytes(r.left()).map(|bytes| Self(bytes.to_vec()))
    }
}

impl Encode for Words {
    fn encoded_len(&self) -> usize {
        self.0.len()
    }

    fn encode(&self, w: &mut Encoder<'_>) -> Result<(), EncodeError> {
        w.write(&self.0)
    }
}

type Redis = Client<Words, Reply<'static>>;

struct Server {
    child: Child,
    socket: PathBuf,
    address: String,
}

impl Server {
    /// `None`, and says why, where Redis is missing.
    fn start() -> Option<Self> {
        // No port: one that is free now may be another test's server's a moment later.
        static STARTED: AtomicUsize = AtomicUsize::new(0);
        let name = format!("netpoll-redis-{}-{}", process::id(), STARTED.fetch_add(1, SeqCst));
        let socket = std::env::temp_dir().join(name);
        let child = Command::new("redis-server")
            .args(["--port", "0", "--requirepass", "secret", "--save", "", "--appendonly", "no"])
            .arg("--unixsocket")
            .arg(&socket)
            .stdout(Stdio::null())
            .spawn();
        let child = match child {
            Ok(child) => child,
            Err(error) => {
                assert!(std::env::var_os("CI").is_none(), "redis-server: {error}, and CI is set");
                println!("skipped: needs redis-server: {error}");
                return None;
            }
        };
        wait_until(|| UnixStream::connect(&socket).is_ok());
        let address = format!("unix:{}", socket.display());
        Some(Self { child, socket, address })
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = std::fs::remove_file(&self.socket);
    }
}

async fn log_in(mut hello: Hello<Words, Reply<'static>>, password: &str) -> Result<()> {
    match hello.call(words(&["AUTH", password])).await?.get()? {
        Reply(b"+OK") => Ok(()),
        other => Err(Error::new(ErrorKind::Io, String::from_utf8_lossy(other.0).into_owned())),
    }
}

fn value(reply: &Result<netpoll::client::Received<Reply<'static>>>) -> String {
    let reply = reply.as_ref().unwrap().get().unwrap();
    String::from_utf8_lossy(reply.0).into_owned()
}

#[test]
fn pipelined_commands_of_many_threads_get_their_own_replies() {
    let Some(server) = Server::start() else { return };
    let client = Redis::pipeline(&*server.address)
        .on_connect(|hello| log_in(hello, "secret"))
        .build()
        .unwrap();
    thread::scope(|scope| {
        for caller in 0..16 {
            let client = &client;
            scope.spawn(move || {
                let key = format!("key-{caller}");
                for n in 0..200 {
                    let text = format!("{caller}.{n}");
                    let replies = client.batch([
                        words(&["SET", &key, &text]),
                        words(&["GET", &key]),
                        words(&["STRLEN", &key]),
                    ]);
                    let length = text.len();
                    let wanted =
                        ["+OK".to_owned(), format!("${length}\r\n{text}"), format!(":{length}")];
                    assert_eq!(replies.iter().map(value).collect::<Vec<_>>(), wanted);
                }
            });
        }
    });
    assert_eq!(client.stats().dials, 1);
}

#[test]
fn connections_that_redis_kills_cost_no_idempotent_call() {
    let Some(server) = Server::start() else { return };
    let build = || Redis::pipeline(&*server.address).on_connect(|hello| log_in(hello, "secret"));
    let (client, admin) = (build().build().unwrap(), build().build().unwrap());
    thread::scope(|scope| {
        let callers: Vec<_> = (0..4)
            .map(|_| {
                scope.spawn(|| {
                    for _ in 0..500 {
                        let options = CallOptions::new().idempotent(true);
                        assert_eq!(
                            value(&client.call_with(words(&["ECHO", "x"]), options)),
                            "$1\r\nx"
                        );
                    }
                })
            })
            .collect();
        let mut kills = 0;
        while !callers.iter().all(thread::ScopedJoinHandle::is_finished) {
            // One that fails is made again.
            let kill = words(&["CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"]);
            kills += usize::from(admin.call(kill).is_ok());
            thread::sleep(Duration::from_millis(20));
        }
        assert!(kills > 0, "none was killed");
        callers.into_iter().for_each(|caller| caller.join().unwrap());
    });
}

#[test]
fn a_refused_login_is_what_calls_are_told() {
    let Some(server) = Server::start() else { return };
    let client = Redis::pipeline(&*server.address)
        .on_connect(|hello| log_in(hello, "wrong"))
        .build()
        .unwrap();
    let error = client.call(words(&["PING"])).unwrap_err();
    assert!(error.to_string().contains("WRONGPASS"), "{error}");
    assert_eq!(client.stats().failed_dials, client.stats().dials);
}
