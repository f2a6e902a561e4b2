//! The text format of Prometheus, version 0.0.4.
//!
//! Names and units follow its conventions: base units, counters that end in `_total`. Labels are few and
//! bounded: a runtime's index, a server's name, a poller's index.

use std::fmt::{Display, Write};

use crate::{
    sched::{Runtime, Stats},
    server::ServerHandle,
};

/// Returns all metrics of `servers` and their `runtimes`.
pub(super) fn exposition(servers: &[(String, ServerHandle)], runtimes: &[Runtime]) -> String {
    let stats: Vec<Stats> = runtimes.iter().map(Runtime::stats).collect();
    let mut out = Exposition::default();
    of_servers(&mut out, servers);
    of_runtimes(&mut out, &stats);
    // The memory of buffers is the process's: each runtime's figures are the same.
    if let Some(memory) = stats.first().map(|stats| stats.memory) {
        let bytes = [("used", memory.out), ("free", memory.cached)];
        out.family("memory_bytes", "gauge", "Buffer memory of the process.");
        for (state, bytes) in bytes {
            out.sample("memory_bytes", &[("state", &state)], bytes);
        }
        if let Some(limit) = memory.limit {
            out.family("memory_limit_bytes", "gauge", "Limit of the process's buffer memory.");
            out.sample("memory_limit_bytes", &[], limit);
        }
        out.family(
            "memory_refused_total",
            "counter",
            "Allocations that the limit or the system refused.",
        );
        out.sample("memory_refused_total", &[], memory.refused);
    }
    out.text
}

fn of_servers(out: &mut Exposition, servers: &[(String, ServerHandle)]) {
    out.family("server_connections", "gauge", "Open connections of a server.");
    for (name, server) in servers {
        out.sample("server_connections", &[("server", name)], server.live());
    }
    out.family(
        "server_pending_output_bytes",
        "gauge",
        "Output that a server's peers have not taken yet.",
    );
    for (name, server) in servers {
        let pending: usize = server.connections().iter().map(|conn| conn.pending()).sum();
        out.sample("server_pending_output_bytes", &[("server", name)], pending);
    }
    out.family(
        "server_ready",
        "gauge",
        "1 while a server accepts, 0 while it drains or has failed.",
    );
    for (name, server) in servers {
        out.sample("server_ready", &[("server", name)], u8::from(server.is_ready()));
    }
}

/// A metric of a runtime: name, type, help, value.
type Metric = (&'static str, &'static str, &'static str, fn(&Stats) -> u64);

const METRICS: &[Metric] = &[
    ("pollers", "gauge", "Pollers.", |s| s.pollers as u64),
    ("workers", "gauge", "Worker threads.", |s| s.workers as u64),
    ("workers_parked", "gauge", "Worker threads that are parked.", |s| s.standbys as u64),
    ("workers_late", "gauge", "Workers in a handler whose poller was given to another.", |s| {
        s.late as u64
    }),
    ("workers_waiting", "gauge", "Workers that wait in the library's own waits.", |s| {
        s.waiting as u64
    }),
    ("connections", "gauge", "Open connections, accepted and dialled.", |s| s.connections as u64),
    ("tasks", "gauge", "Spawned futures that have not ended.", |s| s.tasks as u64),
    ("timers", "gauge", "Entries in the timer wheels.", |s| s.timers as u64),
    ("connections_accepted_total", "counter", "Connections accepted.", |s| s.accepted),
    ("connections_dialled_total", "counter", "Connections dialled.", |s| s.dialled),
    (
        "connections_refused_total",
        "counter",
        "Clients refused by a limit, a hook, or for want of descriptors.",
        |s| s.refused,
    ),
    ("turns_total", "counter", "Turns run.", |s| s.turns),
    ("steals_total", "counter", "Turns run by another poller's worker.", |s| s.steals),
    ("wakeups_total", "counter", "Wake-ups of parked pollers.", |s| s.wakeups),
    ("panics_total", "counter", "Panics caught in users' code.", |s| s.panics),
    ("events_total", "counter", "Events that the selectors reported.", |s| s.events),
    ("received_bytes_total", "counter", "Bytes read from sockets.", |s| s.bytes_in),
    ("sent_bytes_total", "counter", "Bytes written to sockets.", |s| s.bytes_out),
    ("datagrams_received_total", "counter", "Datagrams received.", |s| s.datagrams_in),
    ("datagrams_sent_total", "counter", "Datagrams sent.", |s| s.datagrams_out),
    ("datagrams_refused_total", "counter", "Datagrams dropped on receipt.", |s| {
        s.datagrams_refused
    }),
    ("datagrams_unsent_total", "counter", "Datagrams dropped before they were sent.", |s| {
        s.datagrams_unsent
    }),
];

fn of_runtimes(out: &mut Exposition, all: &[Stats]) {
    for (name, kind, help, value) in METRICS {
        out.family(name, kind, help);
        for (index, stats) in all.iter().enumerate() {
            out.sample(name, &[("runtime", &index)], value(stats));
        }
    }
    out.family("handovers_total", "counter", "Pollers given to another worker, by cause.");
    for (index, stats) in all.iter().enumerate() {
        let causes = [("wait", stats.handovers_by_wait), ("monitor", stats.handovers_by_monitor)];
        for (cause, count) in causes {
            out.sample("handovers_total", &[("runtime", &index), ("cause", &cause)], count);
        }
    }
    out.family("syscalls_total", "counter", "System calls, by kind.");
    for (index, stats) in all.iter().enumerate() {
        let calls = &stats.syscalls;
        for (call, count) in [
            ("read", calls.read),
            ("write", calls.write),
            ("wait", calls.wait),
            ("control", calls.control),
            ("accept", calls.accept),
            ("connect", calls.connect),
            ("wake", calls.wake),
            ("close", calls.close),
        ] {
            out.sample("syscalls_total", &[("runtime", &index), ("call", &call)], count);
        }
    }
    out.family("poller_connections", "gauge", "Open connections at a poller.");
    out.of_pollers("poller_connections", all, |stats| &stats.connections_of);
    out.family("poller_queued_turns", "gauge", "Turns that wait in a poller's queue.");
    out.of_pollers("poller_queued_turns", all, |stats| &stats.queued_of);
}

/// An exposition in the making. All names begin with `netpoll_`.
#[derive(Default)]
struct Exposition {
    text: String,
}

impl Exposition {
    fn family(&mut self, name: &str, kind: &str, help: &str) {
        // Nothing fails to be written to a `String`.
        let _ = writeln!(self.text, "# HELP netpoll_{name} {help}\n# TYPE netpoll_{name} {kind}");
    }

    fn sample(&mut self, name: &str, labels: &[(&str, &dyn Display)], value: impl Display) {
        let _ = write!(self.text, "netpoll_{name}");
        for (i, (label, text)) in labels.iter().enumerate() {
            let text = escaped(&text.to_string());
            let _ = write!(self.text, "{}{label}=\"{text}\"", if i == 0 { '{' } else { ',' });
        }
        let _ = writeln!(self.text, "{} {value}", if labels.is_empty() { "" } else { "}" });
    }

    fn of_pollers(&mut self, name: &str, all: &[Stats], of: impl Fn(&Stats) -> &Vec<usize>) {
        for (index, stats) in all.iter().enumerate() {
            for (poller, value) in of(stats).iter().enumerate() {
                self.sample(name, &[("runtime", &index), ("poller", &poller)], value);
            }
        }
    }
}

/// Escapes a label's value.
fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_labels_value_is_escaped() {
        let mut out = Exposition::default();
        out.sample("x", &[("server", &"a\"\\\nb"), ("n", &1)], 2);
        out.sample("y", &[], 3);
        assert_eq!(out.text, "netpoll_x{server=\"a\\\"\\\\\\nb\",n=\"1\"} 2\nnetpoll_y 3\n");
    }
}
