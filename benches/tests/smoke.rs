//! Every scenario and every peer runs for a moment, answers rightly and loses nothing.

#![cfg(target_os = "linux")]

use std::path::{Path, PathBuf};
use std::process::Command;

use netpoll_benches::case::Scenario;
use netpoll_benches::results::{Metric, Results};

/// A directory of this test's own.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Self {
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Runs `rpc` and checks that every row has answers and no errors.
fn run(name: &str, args: &[&str]) -> (Results, Scratch) {
    let scratch = Scratch::new(name);
    let json = scratch.0.join("results.json");
    let output = Command::new(env!("CARGO_BIN_EXE_rpc"))
        .args(args)
        .args(["--rounds", "1", "--json"])
        .arg(&json)
        .arg("--report")
        .arg(&scratch.0)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{name}: {said}");
    let results: Results = serde_json::from_slice(&std::fs::read(&json).unwrap()).unwrap();
    for row in &results.rows {
        let what = format!("{} of {}: {:?}", row.case, row.peer, row.samples);
        assert_eq!(row.errors(), 0, "{what} {:?}", row.failures);
        assert!(row.spread(Metric::PerSecond).unwrap().median > 0.0, "{what}");
        assert!(row.spread(Metric::Cpu).unwrap().median > 0.0, "{what}");
    }
    (results, scratch)
}

fn scenario(scenario: Scenario, more: &[&str]) -> (Results, Scratch) {
    let name = scenario.name();
    let args = ["server", "--scenario", name, "--peers", "bare,tokio"];
    let (results, scratch) = run(name, &[&args, more].concat());
    assert!(results.rows.iter().all(|row| row.case.scenario == scenario));
    (results, scratch)
}

#[test]
fn echo() {
    scenario(Scenario::Echo, &["--secs", "1", "--conns", "20"]);
}

#[test]
fn idle() {
    let (results, _scratch) = scenario(Scenario::Idle, &["--secs", "1", "--conns", "100"]);
    assert_eq!(results.rows[0].case.idle, 80);
}

#[test]
fn mux() {
    scenario(Scenario::Mux, &["--secs", "1"]);
}

#[test]
fn pipeline() {
    scenario(Scenario::Pipeline, &["--secs", "1", "--conns", "10"]);
}

#[test]
fn large() {
    scenario(Scenario::Large, &["--secs", "1", "--conns", "4"]);
}

#[test]
fn latency() {
    scenario(Scenario::Latency, &["--secs", "1"]);
}

#[test]
fn mixed() {
    let (results, _scratch) = scenario(Scenario::Mixed, &["--secs", "1", "--conns", "20"]);
    for row in results.rows.iter().filter(|row| row.case.slow_percent > 0.0) {
        let slow = row.spread(Metric::SlowP99).unwrap().median;
        assert!(slow >= 20_000.0, "{} slept for {slow} us", row.peer);
    }
    let tokio = results.rows.iter().find(|row| row.peer == "tokio").unwrap();
    assert!(tokio.spread(Metric::P50).unwrap().median < 20_000.0);
}

#[test]
fn churn() {
    scenario(Scenario::Churn, &["--secs", "1", "--conns", "8"]);
}

#[test]
fn sweep() {
    let (_, scratch) = scenario(Scenario::Sweep, &["--secs", "0.3", "--conns", "10"]);
    let page = std::fs::read_to_string(scratch.0.join("report.html")).unwrap();
    assert!(page.contains("CPU us/request by bytes of a payload"));
    let summary = std::fs::read_to_string(scratch.0.join("report.md")).unwrap();
    assert!(summary.contains("## sweep 10 x 1 MiB"));
}

#[test]
fn every_server_echoes() {
    let plain = netpoll_benches::peers::PEERS.iter().filter(|peer| peer.suits(false));
    let peers = plain.map(|peer| peer.name).collect::<Vec<_>>().join(",");
    for (name, scenario, size) in
        [("all-echo", "echo", "1024"), ("all-mux", "mux", "128"), ("all-large", "large", "300000")]
    {
        let args = ["server", "--scenario", scenario, "--peers", &peers, "--size", size];
        run(name, &[&args[..], &["--secs", "0.2", "--conns", "4"]].concat());
    }
}

#[test]
fn every_server_echoes_over_tls() {
    let all = netpoll_benches::catalog::names(netpoll_benches::catalog::Role::Server, true);
    for (name, scenario, peers) in
        [("tls-echo", "echo", all.join(",")), ("tls-churn", "churn", "netpoll,tokio".to_owned())]
    {
        let args = ["server", "--tls", "--scenario", scenario, "--peers", &peers];
        let (results, _scratch) =
            run(name, &[&args[..], &["--secs", "0.1", "--conns", "4"]].concat());
        assert!(results.rows.len() + results.left_out.len() >= peers.split(',').count());
        assert!(results.rows.iter().all(|row| row.case.tls));
    }
}

#[test]
fn every_client_calls() {
    let clients: Vec<&str> = netpoll_benches::clients::CLIENTS.iter().map(|it| it.name).collect();
    let clients = clients.join(",");
    let args = ["client", "--scenario", "echo,mux", "--peers", &clients, "--conns", "4"];
    run("clients", &[&args[..], &["--secs", "0.5"]].concat());
}

#[test]
fn go_peers_echo_and_call() {
    if let Err(error) = Command::new("go").arg("version").output() {
        assert!(std::env::var_os("CI").is_none(), "no Go toolchain: {error}");
        eprintln!("skipped: no Go toolchain: {error}");
        return;
    }
    for (role, scenario) in [("server", "echo"), ("server", "mux"), ("client", "echo")] {
        let known: &[(&str, &str)] = match role {
            "server" => netpoll_benches::go::SERVERS,
            _ => netpoll_benches::go::CLIENTS,
        };
        let peers: Vec<&str> = known.iter().map(|(name, _)| *name).collect();
        let peers = peers.join(",");
        let args = [role, "--scenario", scenario, "--peers", &peers, "--conns", "4"];
        let (results, _scratch) =
            run(&format!("go-{role}-{scenario}"), &[&args[..], &["--secs", "0.5"]].concat());
        assert_eq!(results.left_out.len(), 0, "{:?}", results.left_out);
        assert_eq!(results.rows.len(), known.len());
    }
}

#[test]
fn an_unknown_peer_is_named() {
    let output = Command::new(env!("CARGO_BIN_EXE_rpc"))
        .args(["server", "--peers", "nobody"])
        .output()
        .unwrap();
    assert!(!output.status.success());
    assert!(String::from_utf8_lossy(&output.stderr).contains("no server \"nobody\""));
}
