//! The WebSocket server, used by a browser: Chromium without a window, from a page that the test serves.

use std::{
    fs,
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    process::{Child, Command, Stdio},
    sync::mpsc,
    thread,
    time::Duration,
};

use netpoll_examples::testing::real_client;

use crate::server::Server;

/// Echoes of texts and bytes of each length's form, many at once, then a close; the page tells what came of it.
const PAGE: &str = r#"<!doctype html><meta charset="utf-8"><script>
const said = [];
const tell = (text) => fetch("/told", { method: "POST", body: text });
const socket = new WebSocket("ws://ADDRESS/");
socket.binaryType = "arraybuffer";
const sent = ["", "hello", "h\u00e9llo \u{1f30d}", "x".repeat(126), "y".repeat(70000), "z".repeat(1 << 20)];
const sizes = [0, 1, 125, 126, 65535, 65536, 3000000];
socket.onerror = () => tell("an error");
socket.onopen = () => {
    sent.forEach((text) => socket.send(text));
    sizes.forEach((size) => socket.send(new Uint8Array(size).fill(size)));
};
socket.onmessage = ({ data }) => {
    const n = said.length;
    const right = n < sent.length
        ? data === sent[n]
        : data.byteLength === sizes[n - sent.length] && new Uint8Array(data).every((byte) => byte === data.byteLength % 256);
    said.push(right);
    if (said.length === sent.length + sizes.length) socket.close(4001, "enough");
};
socket.onclose = (event) =>
    tell(`${said.filter((right) => right).length} of ${sent.length + sizes.length}, ` +
        `${event.code} ${event.reason} ${event.wasClean} [${socket.protocol}${socket.extensions}]`);
</script>"#;

/// Serves the page, and sends what it tells.
fn serve(listener: &TcpListener, page: &str, told: &mpsc::Sender<String>) {
    for client in listener.incoming() {
        let Ok(client) = client else { return };
        let (page, told) = (page.to_owned(), told.clone());
        thread::spawn(move || answer(&client, &page, &told));
    }
}

fn answer(client: &TcpStream, page: &str, told: &mpsc::Sender<String>) -> Option<()> {
    let mut input = BufReader::new(client);
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if input.read_line(&mut head).ok()? == 0 {
            return None;
        }
    }
    let length = head.lines().find_map(|line| line.strip_prefix("Content-Length: "));
    let mut body = vec![0; length.and_then(|length| length.parse().ok()).unwrap_or(0)];
    input.read_exact(&mut body).ok()?;
    if head.starts_with("POST /told ") {
        told.send(String::from_utf8(body).ok()?).ok()?;
    }
    let page = if head.starts_with("GET / ") { page } else { "" };
    let head = "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nConnection: close\r\nContent-Length:";
    write!(&mut &*client, "{head} {}\r\n\r\n{page}", page.len()).ok()
}

/// A browser, ended when it is dropped.
struct Browser(Child);

impl Drop for Browser {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn chromium_uses_the_websocket_server() {
    let Some(chromium) = real_client("chromium") else { return };
    let server = Server::start(env!("CARGO_BIN_EXE_websocket"));
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let page = PAGE.replace("ADDRESS", &server.address);
    let (tell, told) = mpsc::channel();
    thread::spawn(move || serve(&listener, &page, &tell));
    let profile = std::env::temp_dir().join(format!("netpoll-browser-{}", std::process::id()));
    fs::create_dir_all(&profile).unwrap();
    let child = Command::new(chromium)
        .args(["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"])
        .args(["--disable-background-networking", "--remote-debugging-port=0"])
        .arg(format!("--user-data-dir={}", profile.display()))
        .arg(url)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let browser = Browser(child);
    let said = told.recv_timeout(Duration::from_secs(90));
    drop(browser);
    // Its helpers may still write for a moment.
    let _ = fs::remove_dir_all(&profile);
    assert_eq!(said.unwrap(), "13 of 13, 4001 enough true []");
}
