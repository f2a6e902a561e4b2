//! The web server, asked by hand, by `curl` and by `wrk`.

use std::{
    io::{Read, Write},
    process::{Command, Stdio},
};

use netpoll_examples::testing::{Certificates, node, printed, python, real_client};

use crate::{http_framing::answers, server::Server};

fn start() -> Server {
    Server::start(env!("CARGO_BIN_EXE_http"))
}

#[test]
fn pipelined_requests_are_answered_in_order() {
    let server = start();
    let asked = "GET /a HTTP/1.1\r\nHost: a\r\n\r\n\
                 POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc\
                 POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n\
                 4\r\nwiki\r\n5;x=y\r\npedia\r\n0\r\nt: v\r\n\r\n\
                 HEAD / HTTP/1.1\r\nHost: a\r\n\r\n\
                 GET / HTTP/1.1\r\nHost: a\r\nconnection: close\r\n\r\n\
                 GET /never HTTP/1.1\r\nHost: a\r\n\r\n";
    let all = answers(&server, asked.as_bytes());
    let parts: Vec<_> = all.split("HTTP/1.1 ").skip(1).collect();
    assert_eq!(parts.len(), 5, "{all}");
    assert!(parts[0].starts_with("404 ") && parts[0].ends_with("\r\n\r\nnot here\n"), "{all}");
    assert!(parts[1].ends_with("content-length: 3\r\n\r\nabc"), "{all}");
    assert!(parts[2].ends_with("\r\n\r\nwikipedia"), "{all}");
    assert!(parts[3].ends_with("content-length: 6\r\n\r\n"), "{all}");
    assert!(parts[4].contains("connection: close") && parts[4].ends_with("hello\n"), "{all}");
}

#[test]
fn a_request_in_single_bytes() {
    let server = start();
    let mut client = server.connect();
    client.set_nodelay(true).unwrap();
    let asked =
        b"PUT /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n\
                  3\r\nabc\r\n0\r\n\r\n";
    for byte in asked {
        client.write_all(&[*byte]).unwrap();
    }
    let mut all = String::new();
    client.read_to_string(&mut all).unwrap();
    assert!(all.ends_with("\r\n\r\nabc"), "{all}");
}

#[test]
fn what_is_no_request_is_answered_and_closed() {
    let server = start();
    for asked in [
        "GE T / HTTP/1.1 x\r\n\r\n",
        "POST /echo HTTP/1.1\r\nhost: a\r\ncontent-length: 1\r\ntransfer-encoding: chunked\r\n\r\n",
        "POST /echo HTTP/1.1\r\nhost: a\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n",
        "POST /echo HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\nxyz\r\n",
    ] {
        let all = answers(&server, asked.as_bytes());
        assert!(all.starts_with("HTTP/1.1 400 Bad Request\r\n"), "{asked:?}: {all:?}");
    }
}

#[test]
fn curl_uses_it() {
    let Some(curl) = real_client("curl") else { return };
    let server = start();
    let url = |path: &str| format!("http://{}{path}", server.address);
    let run = |args: &[&str]| {
        let output =
            Command::new(&curl).args(["-sS", "--max-time", "20"]).args(args).output().unwrap();
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    assert_eq!(run(&[&url("/")]), "hello\n");
    assert_eq!(run(&["--http1.0", &url("/")]), "hello\n");
    assert_eq!(run(&["-d", "by length", &url("/echo")]), "by length");
    let chunked = ["-H", "Transfer-Encoding: chunked", "-d", "in chunks", &url("/echo")];
    assert_eq!(run(&chunked), "in chunks");
    let lines: String = (0..5000).map(|i| format!("{i}\n")).collect();
    assert_eq!(run(&[&url("/count/5000")]), lines);
    // Several on one connection.
    let reused = run(&["-w", "%{num_connects} ", &url("/"), &url("/"), &url("/")]);
    assert_eq!(reused, "hello\n1 hello\n0 hello\n0 ");
}

#[test]
fn curl_uses_it_over_tls() {
    let Some(curl) = real_client("curl") else { return };
    let made = Certificates::by(env!("CARGO_BIN_EXE_certs"));
    let server = Server::start_with(env!("CARGO_BIN_EXE_http"), &["--tls", &made.directory()]);
    let url = |path: &str| format!("https://{}{path}", server.address);
    let run = |args: &[&str]| {
        let mut command = Command::new(&curl);
        command.args(["-sS", "-v", "--max-time", "20", "--cacert", &made.file("ca.pem")]);
        let output = command.args(args).output().unwrap();
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{told}");
        (String::from_utf8(output.stdout).unwrap(), told)
    };
    for (version, name) in [("1.2", "TLSv1.2"), ("1.3", "TLSv1.3")] {
        let only = [&format!("--tlsv{version}")[..], "--tls-max", version];
        // What curl offers is HTTP/2 and HTTP/1.1, of which the server speaks one.
        let (said, told) = run(&[&only[..], &[&url("/")]].concat());
        assert_eq!(said, "hello\n");
        let mut agreed = told.lines().filter(|line| line.contains("server accepted"));
        assert!(agreed.any(|line| line.ends_with("http/1.1")), "{told}");
        assert!(told.contains(&format!("SSL connection using {name}")), "{told}");
    }
    assert_eq!(run(&["--no-alpn", &url("/")]).0, "hello\n");
    let lines: String = (0..50_000).map(|i| format!("{i}\n")).collect();
    assert_eq!(run(&[&url("/count/50000")]).0, lines);
    let sent = "x".repeat(100_000);
    let chunked = ["-H", "Transfer-Encoding: chunked", "-d", &sent, &url("/echo")];
    assert_eq!(run(&chunked).0, sent);
    // Several on one connection.
    let reused = run(&["-w", "%{num_connects} ", &url("/"), &url("/"), &url("/")]).0;
    assert_eq!(reused, "hello\n1 hello\n0 hello\n0 ");
    // A client that does not know the authority learns nothing, and harms nobody.
    let stranger = Command::new(&curl).args(["-sS", "--max-time", "20", &url("/")]).output();
    assert_eq!(stranger.unwrap().status.code(), Some(60), "the certificate is not trusted");
    assert_eq!(run(&[&url("/")]).0, "hello\n");
}

#[test]
fn wrk_uses_it() {
    let Some(wrk) = real_client("wrk") else { return };
    let server = start();
    let url = format!("http://{}/", server.address);
    let output = Command::new(wrk).args(["-t1", "-c8", "-d1s", &url]).output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success() && said.contains("Requests/sec:"), "{said}");
    assert!(!said.contains("Socket errors") && !said.contains("Non-2xx"), "{said}");
}

/// A client that asks first gets `100 Continue` at once, without waiting until it loses patience.
#[test]
fn curl_is_told_to_continue_or_not() {
    let Some(curl) = real_client("curl") else { return };
    let server = start();
    let upload = |path: &str, megabytes: usize| {
        let mut command = Command::new(&curl);
        let url = format!("http://{}{path}", server.address);
        // Should no answer come, curl would wait for longer than it may take.
        command.args(["-sS", "--max-time", "30", "--expect100-timeout", "40", "-T", "-"]);
        command.args(["-o", "-", "-w", " %{http_code}", "-H", "Expect: 100-continue"]);
        command.args([
            "-H",
            "Transfer-Encoding:",
            "-H",
            &format!("Content-Length: {}", megabytes << 20),
        ]);
        let mut child =
            command.arg(url).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let mut input = child.stdin.take().unwrap();
        // A server that refuses stops the upload.
        let _ = input.write_all(&vec![b'x'; megabytes << 20]);
        drop(input);
        let output = child.wait_with_output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    let echoed = upload("/echo", 3);
    assert!(echoed.ends_with("xxx 200") && echoed.len() == (3 << 20) + 4, "{}", echoed.len());
    assert_eq!(upload("/echo", 50), "the request is too large\n 413");
    assert_eq!(upload("/nowhere", 3), "not here\n 404");
}

/// The answer reaches a client that sends without asking, and goes on for some time.
#[test]
fn curl_reads_why_its_upload_is_refused() {
    let Some(curl) = real_client("curl") else { return };
    let server = start();
    let url = format!("http://{}/echo", server.address);
    let file = std::env::temp_dir().join(format!("netpoll-upload-{}", std::process::id()));
    std::fs::write(&file, vec![b'x'; 50 << 20]).unwrap();
    for chunked in [false, true] {
        let mut command = Command::new(&curl);
        command.args(["-s", "--max-time", "30", "-w", "%{http_code}", "-o", "/dev/null"]);
        command.args(["-H", "Expect:", "-T"]).arg(&file);
        if chunked {
            command.args(["-H", "Transfer-Encoding: chunked"]);
        }
        let output = command.arg(&url).output().unwrap();
        assert_eq!(String::from_utf8(output.stdout).unwrap(), "413");
    }
    std::fs::remove_file(file).unwrap();
}

#[test]
fn ab_keeps_its_connections() {
    let Some(ab) = real_client("ab") else { return };
    let server = start();
    let url = format!("http://{}/", server.address);
    // It speaks HTTP/1.0, and waits for ever where keep-alive is not said.
    let said = printed(Command::new(ab).args(["-q", "-k", "-c4", "-n200", "-s20", &url]));
    let line = said.lines().find_map(|line| line.strip_prefix("Keep-Alive requests:"));
    assert_eq!(line.map(str::trim), Some("200"), "{said}");
}

const AIOHTTP: &str = r#"
import asyncio, sys, aiohttp
async def main(base):
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=20)) as session:
        async with session.post(base + "/echo", data=b"x" * 100_000, expect100=True) as answer:
            assert answer.status == 200 and len(await answer.read()) == 100_000
        async def parts():
            for n in range(100):
                yield b"%d " % n
        async with session.post(base + "/echo", data=parts()) as answer:
            assert (await answer.read()).split() == [b"%d" % n for n in range(100)]
        async with session.get(base + "/count/1000") as answer:
            assert len((await answer.text()).split()) == 1000
        async with session.post(base + "/echo", data=b"x" * (20 << 20), expect100=True) as answer:
            assert answer.status == 413
asyncio.run(main(sys.argv[1]))
print("done")
"#;

#[test]
fn aiohttp_uses_it() {
    let Some(mut client) = python("aiohttp", AIOHTTP) else { return };
    let server = start();
    let said = printed(client.arg(format!("http://{}", server.address)));
    assert_eq!(said, "done\n");
}

const NODE: &str = r#"
const http = require("http");
const base = process.argv[1];
const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
function ask(path, options, body, expect) {
    return new Promise((resolve, reject) => {
        const request = http.request(base + path, { agent, ...options }, (response) => {
            let text = "";
            response.on("data", (data) => (text += data));
            response.on("end", () => resolve(`${response.statusCode} ${text.length}`));
        });
        request.on("error", reject);
        if (expect) {
            request.flushHeaders();
            request.on("continue", () => request.end(body));
        } else {
            request.end(body);
        }
    });
}
(async () => {
    const body = "x".repeat(100000);
    const expect = { Expect: "100-continue", "Content-Length": body.length };
    console.log(await ask("/", {}));
    console.log(await ask("/echo", { method: "POST", headers: expect }, body, true));
    console.log(await ask("/echo", { method: "PUT" }, body));
    console.log(await ask("/count/1000", {}));
    console.log((await fetch(base + "/count/10")).status);
    agent.destroy();
})();
"#;

#[test]
fn node_uses_it() {
    let Some(mut client) = node("http", NODE) else { return };
    let server = start();
    let said = printed(client.arg(format!("http://{}", server.address)));
    assert_eq!(said, "200 6\n200 100000\n200 100000\n200 3890\n200\n");
}
