//! The series that requests, connections and failures make.

use std::{
    io::{Read, Write},
    net::TcpStream,
    process::{Command, Stdio},
    time::Duration,
};

use netpoll::{
    EventLoop,
    metrics::{MetricsObserver, Recorder},
    service::Free,
};

use super::{
    common::wait_until,
    setup::{Bed, Byte},
};

#[test]
fn requests_are_counted_by_route_and_outcome() {
    let bed = Bed::new();
    bed.call("double", 5);
    bed.call("boom", 2);
    bed.call("made up by the caller", 1);
    let requests = |route: &str, outcome: &str| {
        let labels = [
            "server=\"calculator\"",
            &format!("route=\"{route}\""),
            &format!("outcome=\"{outcome}\""),
        ];
        bed.sample("netpoll_requests_total", &labels)
    };
    wait_until(|| bed.sample("netpoll_requests_total", &[]) == 8.0);
    assert_eq!(
        [requests("double", "ok"), requests("boom", "panic"), requests("", "unknown")],
        [5.0, 2.0, 1.0]
    );
    assert!(!bed.get("/metrics").contains("made up"));
    assert_eq!(bed.sample("netpoll_server_connections_opened_total", &["calculator"]), 1.0);
    // A call of `double` with one byte of payload, and its answer.
    let bytes =
        |which| bed.sample(&format!("netpoll_request_{which}_bytes_total"), &["\"double\""]);
    assert_eq!((bytes("received"), bytes("sent")), (5.0 * 24.0, 5.0 * 14.0));
}

#[test]
fn histograms_hold_times_of_handlers_and_queues() {
    let bed = Bed::new();
    bed.call("slow", 3);
    bed.call("double", 1);
    let count = |name: &str, route: &str, bound: &str| {
        bed.sample(name, &[&format!("route=\"{route}\""), &format!("le=\"{bound}\"")])
    };
    let duration = "netpoll_request_duration_seconds_bucket";
    wait_until(|| {
        count(duration, "slow", "+Inf") == 3.0 && count(duration, "double", "+Inf") == 1.0
    });
    assert_eq!((count(duration, "slow", "0.025"), count(duration, "slow", "10")), (0.0, 3.0));
    assert_eq!(count("netpoll_request_queue_seconds_bucket", "double", "+Inf"), 1.0);
    let sum = bed.sample("netpoll_request_duration_seconds_sum", &["\"slow\""]);
    assert!((0.09..30.0).contains(&sum), "{sum}");
    assert_eq!(bed.sample("netpoll_request_duration_seconds_count", &["\"slow\""]), 3.0);
}

#[test]
fn ends_of_connections_are_counted_by_reason() {
    let bed = Bed::new();
    bed.call("double", 1);
    let mut peer = TcpStream::connect(bed.server.addresses()[0].inet().unwrap()).unwrap();
    peer.write_all(&[0xFF; 64]).unwrap();
    let _ = peer.read_to_end(&mut Vec::new());
    bed.client.close(Duration::from_secs(1));
    let closed = |reason: &str| {
        let label = format!("reason=\"{reason}\"");
        bed.sample("netpoll_server_connections_closed_total", &[&label])
    };
    wait_until(|| closed("eof") == 1.0 && closed("frame_too_large") + closed("malformed") == 1.0);
}

#[test]
fn stalls_are_counted_and_shown() {
    #[netpoll::on_request]
    fn sleeps(byte: Byte) -> Byte {
        std::thread::sleep(Duration::from_secs(2));
        byte
    }
    let bed = Bed::new();
    bed.call("double", 1);
    let builder = EventLoop::builder(Free::<sleeps>::new()).runtime(&bed.runtime).name("sleepy");
    let server = builder.listen("127.0.0.1:0").bind().unwrap();
    let mut client = TcpStream::connect(server.addresses()[0].inet().unwrap()).unwrap();
    client.write_all(&[1]).unwrap();
    let shown = || bed.get("/stalls");
    wait_until(|| shown().contains("\"server\":\"sleepy\""));
    let text = shown();
    for part in [
        "\"place\":\"outside\"",
        "\"deadlock\":false",
        "\"route\":\"\"",
        &client.local_addr().unwrap().to_string(),
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    let labels = ["server=\"sleepy\"", "place=\"outside\""];
    wait_until(|| bed.sample("netpoll_handlers_stalled_total", &labels) == 1.0);
    assert_eq!(bed.sample("netpoll_stalls_total", &[]), 1.0);
    let connections = bed.get("/connections");
    assert!(connections.contains("\"requests_in_flight\":"), "{connections}");
    server.handle().shutdown(Duration::ZERO);
}

/// The process's recorder, for those who have one: any of the crate's.
#[test]
fn the_recorder_of_the_process_is_used_where_none_is_named() {
    #[netpoll::on_request]
    fn echo(byte: Byte) -> Byte {
        byte
    }
    let recorder = Recorder::new();
    recorder.install().unwrap();
    assert!(Recorder::new().install().is_err());
    let builder =
        netpoll::server::<echo>().name("of the process").observer(MetricsObserver::global());
    let server = builder.listen("127.0.0.1:0").bind().unwrap();
    let mut client = TcpStream::connect(server.addresses()[0].inet().unwrap()).unwrap();
    client.write_all(&[1]).unwrap();
    client.read_exact(&mut [0]).unwrap();
    wait_until(|| {
        recorder.exposition().contains("netpoll_requests_total{server=\"of the process\"")
    });
}

/// `promtool check metrics`, where Debian's package `prometheus` is installed.
#[test]
fn promtool_accepts_histograms_and_counters() {
    let bed = Bed::new();
    bed.call("double", 3);
    bed.call("boom", 1);
    let text = bed.get("/metrics");
    assert!(text.contains("# TYPE netpoll_request_duration_seconds histogram"));
    let started = Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let Ok(mut promtool) = started else {
        assert!(std::env::var_os("CI").is_none(), "promtool is missing");
        return println!("skipped: promtool is not installed");
    };
    promtool.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    let output = promtool.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.is_empty(), "{said}");
}
