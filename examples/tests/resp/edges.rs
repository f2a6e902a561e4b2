//! Bytes at the edges of the protocol are answered as Redis answers them: `edges.txt` has what Redis said.

use std::{
    io::{Read, Write},
    net::{Shutdown, TcpStream},
    time::Duration,
};

use crate::server::Server;

/// The mark of a reply after which the server closes.
const END: &[u8] = b"<EOF>";

/// What is sent, what is answered, and whether the server then closes.
struct Case {
    name: &'static str,
    sent: Vec<u8>,
    reply: Vec<u8>,
    closes: bool,
}

fn cases() -> Vec<Case> {
    let blocks = include_str!("edges.txt").split("\n\n").skip(1);
    let case = |block: &'static str| {
        let mut lines = block.lines();
        let name = lines.next().and_then(|line| line.strip_prefix("# ")).expect("a name");
        let sent = unescape(lines.next().expect("what is sent"));
        let mut reply =
            unescape(lines.next().and_then(|line| line.strip_prefix("    ")).expect("a reply"));
        let closes = reply.ends_with(END);
        if closes {
            reply.truncate(reply.len() - END.len());
        }
        Case { name, sent, reply, closes }
    };
    blocks.map(case).collect()
}

fn unescape(text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let [first, after @ ..] = rest {
        (rest, bytes) = match (first, after) {
            (b'\\', [b'x', high, low, after @ ..]) => {
                let digits = [*high, *low];
                let byte = u8::from_str_radix(str::from_utf8(&digits).unwrap(), 16).unwrap();
                (after, [bytes, vec![byte]].concat())
            }
            (b'\\', [escaped, after @ ..]) => {
                let byte = match escaped {
                    b'n' => b'\n',
                    b'r' => b'\r',
                    b't' => b'\t',
                    other => *other,
                };
                (after, [bytes, vec![byte]].concat())
            }
            (byte, after) => (after, [bytes, vec![*byte]].concat()),
        };
    }
    bytes
}

/// Sends each case's bytes to the server at `address`, which it empties, and compares.
pub(crate) fn check(address: &str) {
    for Case { name, sent, reply, closes } in cases() {
        let connect = || {
            let stream = TcpStream::connect(address).unwrap();
            stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
            stream.set_nodelay(true).unwrap();
            stream
        };
        let mut flush = connect();
        flush.write_all(b"FLUSHALL\r\n").unwrap();
        flush.read_exact(&mut [0; 5]).unwrap();
        let mut stream = connect();
        // It may close before it has all.
        let _ = stream.write_all(&sent);
        let mut said = vec![0; reply.len()];
        stream.read_exact(&mut said).unwrap_or_else(|error| panic!("{name}: {error}"));
        let shown = |bytes: &[u8]| bytes.escape_ascii().to_string();
        assert_eq!(shown(&said), shown(&reply), "{name}: {}", shown(&sent));
        if !closes {
            stream.shutdown(Shutdown::Write).unwrap();
        }
        let mut rest = Vec::new();
        stream.read_to_end(&mut rest).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert!(rest.is_empty(), "{name}: {} and then {}", shown(&reply), shown(&rest));
    }
}

#[test]
fn bytes_at_the_edges_are_answered_as_by_redis() {
    let server = Server::start(&[]);
    check(&server.address());
}

/// Where lines are too long, and where there are more arguments than a vector should begin with.
#[test]
fn long_lines_and_many_arguments_are_taken_or_refused_as_by_redis() {
    let server = Server::start(&[]);
    let mut wires = vec![
        (vec![b'a'; 65_537], "-ERR Protocol error: too big inline request\r\n"),
        (
            [&b"a\0"[..], &[b'b'; 70_000], b"\r\n"].concat(),
            "-ERR Protocol error: too big inline request\r\n",
        ),
        (
            [&b"*"[..], &[b'1'; 70_000]].concat(),
            "-ERR Protocol error: too big mbulk count string\r\n",
        ),
        (
            [&b"*1\r\n$"[..], &[b'1'; 70_000]].concat(),
            "-ERR Protocol error: too big bulk count string\r\n",
        ),
    ];
    let many = [&b"*1048600\r\n$3\r\nDEL\r\n"[..], &b"$1\r\na\r\n".repeat(1_048_599)].concat();
    wires.push(([&b"SET a b\r\n"[..], &many].concat(), "+OK\r\n:1\r\n"));
    for (wire, wanted) in wires {
        let mut stream = TcpStream::connect(server.address()).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        let _ = stream.write_all(&wire);
        let mut said = vec![0; wanted.len()];
        stream.read_exact(&mut said).unwrap();
        assert_eq!(String::from_utf8_lossy(&said), wanted);
    }
}
