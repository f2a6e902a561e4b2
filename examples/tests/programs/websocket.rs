//! The WebSocket server, asked by hand, by Python's `websockets` and by node.

use std::{
    io::{Read, Write},
    net::TcpStream,
    process::Command,
};

use netpoll_examples::testing::{node, printed, python, real_client};

use crate::server::Server;

const UPGRADE: &str = "GET /chat HTTP/1.1\r\nHost: a\r\nUpgrade: WebSocket\r\nConnection: keep-alive, Upgrade\r\n\
                       Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n";

const ACCEPTED: &str = "HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: Upgrade\r\n\
                        sec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";

fn start() -> Server {
    Server::start(env!("CARGO_BIN_EXE_websocket"))
}

/// A connection that is upgraded.
fn open(server: &Server) -> TcpStream {
    let mut client = server.connect();
    client.write_all(UPGRADE.as_bytes()).unwrap();
    let mut head = vec![0; ACCEPTED.len()];
    client.read_exact(&mut head).unwrap();
    assert_eq!(String::from_utf8(head).unwrap(), ACCEPTED);
    client
}

/// A client's frame, with its first byte.
fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mask = [7, 77, 177, 0];
    let mut frame = vec![first];
    match payload.len() {
        len @ 0..126 => frame.push(0x80 | len as u8),
        len @ 126..0x1_0000 => {
            frame.push(0x80 | 126);
            frame.extend_from_slice(&(len as u16).to_be_bytes());
        }
        len => {
            frame.push(0x80 | 127);
            frame.extend_from_slice(&(len as u64).to_be_bytes());
        }
    }
    frame.extend_from_slice(&mask);
    frame.extend(payload.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask));
    frame
}

/// The next frame of the server: its first byte, and its payload.
fn next(client: &mut TcpStream) -> (u8, Vec<u8>) {
    let mut head = [0; 2];
    client.read_exact(&mut head).unwrap();
    let len = match head[1] {
        126 => {
            let mut len = [0; 2];
            client.read_exact(&mut len).unwrap();
            u16::from_be_bytes(len).into()
        }
        127 => {
            let mut len = [0; 8];
            client.read_exact(&mut len).unwrap();
            u64::from_be_bytes(len) as usize
        }
        len => usize::from(len),
    };
    let mut payload = vec![0; len];
    client.read_exact(&mut payload).unwrap();
    (head[0], payload)
}

#[test]
fn websocket_messages_come_back_at_any_length_and_in_fragments() {
    let server = start();
    let mut client = open(&server);
    for len in [0, 1, 125, 126, 127, 65_535, 65_536, 1 << 20] {
        let bytes = vec![b'x'; len];
        client.write_all(&frame(0x82, &bytes)).unwrap();
        assert!(next(&mut client) == (0x82, bytes), "{len}");
    }
    // Fragments, with a ping between them, byte by byte; then several in one piece.
    client.set_nodelay(true).unwrap();
    let parts =
        [frame(0x01, b"h\xc3"), frame(0x89, b"alive?"), frame(0x00, b""), frame(0x80, b"\xa9!")];
    for byte in parts.concat() {
        client.write_all(&[byte]).unwrap();
    }
    assert_eq!(next(&mut client), (0x8a, b"alive?".to_vec()));
    assert_eq!(next(&mut client), (0x81, "hé!".into()));
    client
        .write_all(&[frame(0x81, b"a"), frame(0x8a, b"pong"), frame(0x81, b"b")].concat())
        .unwrap();
    assert_eq!(next(&mut client), (0x81, b"a".to_vec()));
    assert_eq!(next(&mut client), (0x81, b"b".to_vec()));
    // A close is answered by the same code.
    client.write_all(&frame(0x88, b"\x03\xe8bye")).unwrap();
    assert_eq!(next(&mut client), (0x88, b"\x03\xe8bye".to_vec()));
    assert_eq!(client.read(&mut [0]).unwrap(), 0);
}

#[test]
fn websocket_violations_are_answered_by_their_codes() {
    let server = start();
    let long = [&[0x82, 0xff][..], &(17u64 << 20).to_be_bytes(), &[0; 4]].concat();
    for (sent, code) in [
        (frame(0xc1, b"x"), 1002),
        (frame(0x83, b"x"), 1002),
        (frame(0x8b, b""), 1002),
        (frame(0x80, b"x"), 1002),
        (frame(0x09, b"x"), 1002),
        (frame(0x89, &[0; 126]), 1002),
        ([frame(0x01, b"x"), frame(0x81, b"y")].concat(), 1002),
        (vec![0x81, 0x01, b'x'], 1002),
        (frame(0x81, b"\xff"), 1007),
        (frame(0x01, b"\xc3("), 1007),
        (frame(0x81, b"\xc3"), 1007),
        (frame(0x88, b"\x03"), 1002),
        (frame(0x88, b"\x03\xed"), 1002),
        (frame(0x88, b"\0\x01"), 1002),
        (frame(0x88, b"\x03\xe8\xff"), 1007),
        (long, 1009),
    ] {
        let mut client = open(&server);
        client.write_all(&sent).unwrap();
        let (first, payload) = next(&mut client);
        let shown = &sent[..sent.len().min(20)];
        assert_eq!((first, &payload[..2]), (0x88, &u16::to_be_bytes(code)[..]), "{shown:x?}");
        assert_eq!(client.read(&mut [0]).unwrap(), 0);
    }
    // Without a code there is none in the answer.
    let mut client = open(&server);
    client.write_all(&frame(0x88, b"")).unwrap();
    assert_eq!(next(&mut client), (0x88, vec![]));
}

#[test]
fn websocket_refuses_what_is_no_upgrade() {
    let server = start();
    for (from, to, status) in [
        ("GET", "POST", "400"),
        ("HTTP/1.1", "HTTP/1.0", "400"),
        ("Upgrade: WebSocket\r\n", "", "426"),
        ("keep-alive, Upgrade", "close", "426"),
        ("Version: 13", "Version: 8", "426"),
        ("dGhlIHNhbXBsZSBub25jZQ==", "short", "400"),
        ("Host: a\r\n", "", "400"),
    ] {
        let mut client = server.connect();
        client.write_all(UPGRADE.replacen(from, to, 1).as_bytes()).unwrap();
        let mut answer = String::new();
        client.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{to}: {answer}");
        assert!(
            status != "426" || answer.contains("\r\nsec-websocket-version: 13\r\n"),
            "{answer}"
        );
    }
}

const WEBSOCKETS: &str = r#"
import asyncio, sys, websockets
async def main(url):
    async with websockets.connect(url, open_timeout=20, max_size=None) as socket:
        for message in ["", "hello", "h\u00e9llo", "x" * 70000, b"", b"\x00\xff" * 100000]:
            await socket.send(message)
            assert await socket.recv() == message
        await socket.send(["in ", "three ", "parts"])
        assert await socket.recv() == "in three parts"
        await asyncio.wait_for(await socket.ping(b"alive?"), 20)
        for n in range(500):
            await socket.send(str(n))
        assert [await socket.recv() for n in range(500)] == [str(n) for n in range(500)]
        await socket.close(4000, "enough")
        assert (socket.close_code, socket.close_reason) == (4000, "enough")
    print("done")
asyncio.run(main(sys.argv[1]))
"#;

#[test]
fn websockets_of_python_uses_it() {
    let Some(mut client) = python("websockets", WEBSOCKETS) else { return };
    let server = start();
    assert_eq!(printed(client.arg(format!("ws://{}/", server.address))), "done\n");
}

const NODE: &str = r#"
const WebSocket = require("ws");
const socket = new WebSocket(process.argv[1]);
const said = [];
socket.onopen = () => ["hello", "x".repeat(100000), "\u00e9"].forEach((text) => socket.send(text));
socket.onmessage = (event) => {
    said.push(event.data.length);
    if (said.length === 3) socket.close(1000, "done");
};
socket.onclose = (event) => console.log(said.join(), event.code, event.reason, event.wasClean);
socket.onerror = (event) => console.log(event.error);
"#;

#[test]
fn ws_of_node_uses_it() {
    let Some(mut client) = node("ws", NODE) else { return };
    let server = start();
    let said = printed(client.arg(format!("ws://{}/", server.address)));
    assert_eq!(said, "5,100000,1 1000 done true\n");
}

/// The cases by which implementations of the protocol are judged, some hundred of them.
///
/// The script stands for Autobahn's cases 1 to 7, 9 and 10. Its own package, autobahntestsuite 25.10.1, can be installed but
/// not started: it is written in Python 2.
#[test]
fn websocket_passes_the_catalogue_of_cases() {
    let Some(python) = real_client("python3") else { return };
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/clients/websocket_cases.py");
    let server = start();
    let (host, port) = server.address.rsplit_once(':').unwrap();
    let said = printed(Command::new(python).args([script, host, port]));
    assert!(said.ends_with(" passed, 0 failed\n"), "{said}");
}
