//! hyper over this library's connections, asked by hand and by `curl`, in HTTP/1.1 and HTTP/2.

use std::{
    io::{Read, Write},
    process::{Command, Stdio},
    thread,
};

use netpoll_examples::testing::{Certificates, printed, real_client};

use crate::server::Server;

fn start() -> Server {
    Server::start(env!("CARGO_BIN_EXE_hyper"))
}

#[test]
fn hyper_answers_pipelined_requests_and_closes_when_asked() {
    let server = start();
    let mut client = server.connect();
    let asked = "GET / HTTP/1.1\r\nHost: a\r\n\r\n\
                 POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nwiki\r\n0\r\n\r\n\
                 GET /nowhere HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
    client.write_all(asked.as_bytes()).unwrap();
    let mut all = String::new();
    client.read_to_string(&mut all).unwrap();
    let statuses: Vec<_> = all.split("HTTP/1.1 ").skip(1).map(|answer| &answer[..3]).collect();
    assert_eq!(statuses, ["200", "200", "404"], "{all}");
    assert!(all.contains("hello by HTTP/1.1\n") && all.contains("4\r\nwiki\r\n"), "{all}");
}

#[test]
fn curl_talks_to_hyper_in_both_versions() {
    let Some(curl) = real_client("curl") else { return };
    let server = start();
    let url = |path: &str| format!("http://{}{path}", server.address);
    for (version, number) in [("--http1.1", "1.1"), ("--http2-prior-knowledge", "2")] {
        let run = |args: &[&str]| {
            let mut command = Command::new(&curl);
            printed(command.args(["-sS", "--max-time", "30", version]).args(args))
        };
        let said = run(&["-w", "%{http_version} %{http_code}", &url("/")]);
        let shown = if number == "2" { "HTTP/2.0" } else { "HTTP/1.1" };
        assert_eq!(said, format!("hello by {shown}\n{number} 200"));
        assert_eq!(run(&["-w", "%{http_code}", &url("/nowhere")]), "not here\n404");
        // Bodies both ways, larger than windows and marks.
        let body: Vec<u8> = (0..5_000_000u32).map(|i| (i / 11) as u8).collect();
        let mut child = Command::new(&curl)
            .args(["-sS", "--max-time", "60", version, "-T", "-", &url("/echo")])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let (mut input, sent) = (child.stdin.take().unwrap(), body.clone());
        let sends = thread::spawn(move || input.write_all(&sent).unwrap());
        let echoed = child.wait_with_output().unwrap();
        sends.join().unwrap();
        assert!(echoed.status.success() && echoed.stdout == body, "{number}");
    }
}

#[test]
fn hyper_ends_a_request_before_the_server_ends() {
    let server = start();
    let mut client = server.connect();
    client.write_all(b"GET /slow HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
    // It has been handed over once a second connection, which came later, is answered.
    let mut other = server.connect();
    other.write_all(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").unwrap();
    other.read_to_string(&mut String::new()).unwrap();
    let ends = thread::spawn(move || server.end_by("TERM"));
    let mut all = String::new();
    client.read_to_string(&mut all).unwrap();
    assert!(all.starts_with("HTTP/1.1 200 ") && all.ends_with("at last\n"), "{all}");
    assert_eq!(ends.join().unwrap(), Some(0));
}

#[test]
fn curl_agrees_with_hyper_on_a_version_over_tls() {
    let Some(curl) = real_client("curl") else { return };
    let made = Certificates::by(env!("CARGO_BIN_EXE_certs"));
    let options = ["--tls-cert", &made.file("server.pem"), "--tls-key", &made.file("server.key")];
    let server = Server::start_with(env!("CARGO_BIN_EXE_hyper"), &options);
    let url = format!("https://{}/", server.address);
    let run = |version: &str, args: &[&str]| {
        let mut command = Command::new(&curl);
        command.args(["-sS", "--max-time", "30", version, "--cacert", &made.file("ca.pem")]);
        printed(command.args(args))
    };
    let slow = format!("{url}slow");
    for (version, said) in [("--http1.1", "HTTP/1.1"), ("--http2", "HTTP/2.0")] {
        assert_eq!(run(version, &[&url]), format!("hello by {said}\n"));
        // Several on one connection. (Debian's curl does that wrongly where it knows of HTTP/2 before.)
        let reused = run(version, &["-w", "%{num_connects} ", &slow, &slow]);
        assert_eq!(reused, "at last\n1 at last\n0 ");
    }
    // Requests of one connection that wait do not hold each other up.
    let mut many = vec!["--parallel", "--parallel-max", "30", "-w", "%{num_connects} "];
    many.extend([&*slow; 30]);
    let said = run("--http2", &many);
    assert_eq!(said.matches("at last").count(), 30, "{said}");
    let connects = said.split_whitespace().filter_map(|word| word.parse::<u32>().ok());
    assert!(connects.sum::<u32>() < 30, "{said}");
}
