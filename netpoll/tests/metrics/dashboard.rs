//! The Grafana dashboard of the examples asks for metrics that exist, with labels that they have.

use std::{
    collections::{BTreeMap, BTreeSet},
    io::{Read, Write},
    net::TcpStream,
    time::Duration,
};

use netpoll::{EventLoop, service::Free};

use super::{
    common::wait_until,
    setup::{Bed, Byte},
};

const DASHBOARD: &str = include_str!("../../../examples/grafana/netpoll.json");

/// The expressions of all panels and variables.
fn expressions() -> Vec<String> {
    let mut found = Vec::new();
    let mut rest = DASHBOARD;
    for key in ["\"expr\": \"", "\"query\": \""] {
        while let Some(at) = rest.find(key) {
            let text = &rest[at + key.len()..];
            let mut end = 0;
            while !text[end..].starts_with('"') {
                end += if text[end..].starts_with('\\') { 2 } else { 1 };
            }
            found.push(text[..end].replace("\\\"", "\""));
            rest = &text[end..];
        }
        rest = DASHBOARD;
    }
    found
}

/// The words of `text` that may be names.
fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).filter(|word| !word.is_empty())
}

#[test]
fn every_metric_of_the_dashboard_exists() {
    #[netpoll::on_request]
    fn echo(byte: Byte) -> Byte {
        byte
    }
    #[netpoll::on_request]
    fn sleeps(byte: Byte) -> Byte {
        std::thread::sleep(Duration::from_millis(800));
        byte
    }
    let bed = Bed::new();
    bed.call("double", 2);
    // One of each kind of event, so that each family is there.
    let builder = EventLoop::builder(Free::<echo>::new()).runtime(&bed.runtime).name("echo");
    let server = builder.listen("127.0.0.1:0").bind().unwrap();
    let mut client = TcpStream::connect(server.addresses()[0].inet().unwrap()).unwrap();
    client.write_all(&[7; 5_000]).unwrap();
    client.read_exact(&mut [0; 5_000]).unwrap();
    drop(client);
    let builder = EventLoop::builder(Free::<sleeps>::new()).runtime(&bed.runtime).name("sleeps");
    let server = builder.listen("127.0.0.1:0").bind().unwrap();
    let mut client = TcpStream::connect(server.addresses()[0].inet().unwrap()).unwrap();
    client.write_all(&[7]).unwrap();
    for name in [
        "netpoll_handlers_stalled_total",
        "netpoll_budgets_reached_total",
        "netpoll_server_connections_closed_total",
    ] {
        wait_until(|| bed.sample(name, &[]) > 0.0);
    }
    let text = bed.get("/metrics");
    let mut labels: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let end = line.find(['{', ' ']).unwrap();
        let of = labels.entry(&line[..end]).or_default();
        of.extend(
            line[end..]
                .split(['{', ','])
                .filter_map(|pair| pair.split_once('='))
                .map(|(label, _)| label),
        );
    }
    let expressions = expressions();
    assert!(expressions.len() >= 12, "{expressions:?}");
    for expression in &expressions {
        let names: Vec<_> = words(expression).filter(|word| word.starts_with("netpoll_")).collect();
        // The variable of the data source asks for none.
        assert!(!names.is_empty() || expression == "prometheus", "{expression} asks for nothing");
        for name in names {
            // Failures to accept are the one event that is not provoked here.
            if name == "netpoll_accept_failures_total" {
                continue;
            }
            let known =
                labels.get(name).unwrap_or_else(|| panic!("{expression}: there is no {name}"));
            // Each label by which it selects or groups.
            for by in [
                "server", "route", "outcome", "reason", "place", "budget", "runtime", "poller",
                "cause", "call", "state", "le",
            ] {
                let selects = expression.contains(&format!("{by}="))
                    || expression.contains(&format!("{by}!="));
                let groups = expression.split("by (").skip(1).any(|rest| {
                    rest.split(')').next().unwrap().split(',').any(|label| label.trim() == by)
                });
                assert!(
                    !(selects || groups) || known.contains(by),
                    "{expression}: {name} has no {by}: {known:?}"
                );
            }
        }
    }
}
