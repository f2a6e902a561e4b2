//! The text format of Prometheus, version 0.0.4.
//!
//! Names and units follow its conventions: base units, counters that end in `_total`. Labels are few and
//! bounded: a runtime's index, a server's name, a poller's index.

use crate::{
    prometheus::Exposition,
    sched::{Runtime, Stats},
    server::ServerHandle,
};

/// Adds all metrics of `servers` and their `runtimes`.
pub(super) fn expose(
    out: &mut Exposition,
    servers: &[(String, ServerHandle)],
    runtimes: &[Runtime],
) {
    let stats: Vec<Stats> = runtimes.iter().map(Runtime::stats).collect();
    of_servers(out, servers);
    of_runtimes(out, &stats);
    // The memory of buffers is the process's: each runtime's figures are the same.
    if let Some(memory) = stats.first().map(|stats| stats.memory) {
        let bytes = [("used", memory.out), ("free", memory.cached)];
        out.family("netpoll_memory_bytes", "gauge", "Buffer memory of the process.");
        for (state, bytes) in bytes {
            out.sample("netpoll_memory_bytes", &[("state", &state)], bytes);
        }
        if let Some(limit) = memory.limit {
            out.family(
                "netpoll_memory_limit_bytes",
                "gauge",
                "Limit of the process's buffer memory.",
            );
            out.sample("netpoll_memory_limit_bytes", &[], limit);
        }
        out.family(
            "netpoll_memory_refused_total",
            "counter",
            "Allocations that the limit or the system refused.",
        );
        out.sample("netpoll_memory_refused_total", &[], memory.refused);
    }
}

fn of_servers(out: &mut Exposition, servers: &[(String, ServerHandle)]) {
    out.family("netpoll_server_connections", "gauge", "Open connections of a server.");
    for (name, server) in servers {
        out.sample("netpoll_server_connections", &[("server", name)], server.live());
    }
    out.family(
        "netpoll_server_pending_output_bytes",
        "gauge",
        "Output that a server's peers have not taken yet.",
    );
    for (name, server) in servers {
        let pending: usize = server.connections().iter().map(|conn| conn.pending()).sum();
        out.sample("netpoll_server_pending_output_bytes", &[("server", name)], pending);
    }
    out.family(
        "netpoll_server_requests_in_flight",
        "gauge",
        "Requests of a server that were begun and not answered yet.",
    );
    for (name, server) in servers {
        let open: usize = server.connections().iter().map(|conn| conn.in_flight()).sum();
        out.sample("netpoll_server_requests_in_flight", &[("server", name)], open);
    }
    out.family(
        "netpoll_server_stalled_handlers",
        "gauge",
        "Handlers of a server that have run or waited for longer than stall_after.",
    );
    for (name, server) in servers {
        out.sample("netpoll_server_stalled_handlers", &[("server", name)], server.stalls().len());
    }
    out.family(
        "netpoll_server_ready",
        "gauge",
        "1 while a server accepts, 0 while it drains or has failed.",
    );
    for (name, server) in servers {
        out.sample("netpoll_server_ready", &[("server", name)], u8::from(server.is_ready()));
    }
}

/// A metric of a runtime: name, type, help, value.
type Metric = (&'static str, &'static str, &'static str, fn(&Stats) -> u64);

const METRICS: &[Metric] = &[
    ("netpoll_pollers", "gauge", "Pollers.", |s| s.pollers as u64),
    ("netpoll_workers", "gauge", "Worker threads.", |s| s.workers as u64),
    ("netpoll_workers_parked", "gauge", "Worker threads that are parked.", |s| s.standbys as u64),
    (
        "netpoll_workers_late",
        "gauge",
        "Workers in a handler whose poller was given to another.",
        |s| s.late as u64,
    ),
    ("netpoll_workers_waiting", "gauge", "Workers that wait in the library's own waits.", |s| {
        s.waiting as u64
    }),
    ("netpoll_connections", "gauge", "Open connections, accepted and dialled.", |s| {
        s.connections as u64
    }),
    ("netpoll_tasks", "gauge", "Spawned futures that have not ended.", |s| s.tasks as u64),
    ("netpoll_timers", "gauge", "Entries in the timer wheels.", |s| s.timers as u64),
    ("netpoll_connections_accepted_total", "counter", "Connections accepted.", |s| s.accepted),
    ("netpoll_connections_dialled_total", "counter", "Connections dialled.", |s| s.dialled),
    (
        "netpoll_connections_refused_total",
        "counter",
        "Clients refused by a limit, a hook, or for want of descriptors.",
        |s| s.refused,
    ),
    ("netpoll_handlers_called_total", "counter", "Requests whose handlers were called.", |s| {
        s.requests
    }),
    (
        "netpoll_stalls_total",
        "counter",
        "Handlers that ran or waited for longer than stall_after.",
        |s| s.stalls,
    ),
    ("netpoll_turns_total", "counter", "Turns run.", |s| s.turns),
    ("netpoll_steals_total", "counter", "Turns run by another poller's worker.", |s| s.steals),
    ("netpoll_wakeups_total", "counter", "Wake-ups of parked pollers.", |s| s.wakeups),
    ("netpoll_panics_total", "counter", "Panics caught in users' code.", |s| s.panics),
    ("netpoll_events_total", "counter", "Events that the selectors reported.", |s| s.events),
    ("netpoll_received_bytes_total", "counter", "Bytes read from sockets.", |s| s.bytes_in),
    ("netpoll_sent_bytes_total", "counter", "Bytes written to sockets.", |s| s.bytes_out),
    ("netpoll_datagrams_received_total", "counter", "Datagrams received.", |s| s.datagrams_in),
    ("netpoll_datagrams_sent_total", "counter", "Datagrams sent.", |s| s.datagrams_out),
    ("netpoll_datagrams_refused_total", "counter", "Datagrams dropped on receipt.", |s| {
        s.datagrams_refused
    }),
    (
        "netpoll_datagrams_unsent_total",
        "counter",
        "Datagrams dropped before they were sent.",
        |s| s.datagrams_unsent,
    ),
];

fn of_runtimes(out: &mut Exposition, all: &[Stats]) {
    for (name, kind, help, value) in METRICS {
        out.family(name, kind, help);
        for (index, stats) in all.iter().enumerate() {
            out.sample(name, &[("runtime", &index)], value(stats));
        }
    }
    out.family("netpoll_handovers_total", "counter", "Pollers given to another worker, by cause.");
    for (index, stats) in all.iter().enumerate() {
        let causes = [("wait", stats.handovers_by_wait), ("monitor", stats.handovers_by_monitor)];
        for (cause, count) in causes {
            out.sample("netpoll_handovers_total", &[("runtime", &index), ("cause", &cause)], count);
        }
    }
    out.family("netpoll_syscalls_total", "counter", "System calls, by kind.");
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
            out.sample("netpoll_syscalls_total", &[("runtime", &index), ("call", &call)], count);
        }
    }
    out.family("netpoll_poller_connections", "gauge", "Open connections at a poller.");
    of_pollers(out, "netpoll_poller_connections", all, |stats| &stats.connections_of);
    out.family("netpoll_poller_queued_turns", "gauge", "Turns that wait in a poller's queue.");
    of_pollers(out, "netpoll_poller_queued_turns", all, |stats| &stats.queued_of);
}

/// Adds a gauge for each poller.
fn of_pollers(out: &mut Exposition, name: &str, all: &[Stats], of: impl Fn(&Stats) -> &Vec<usize>) {
    for (index, stats) in all.iter().enumerate() {
        for (poller, value) in of(stats).iter().enumerate() {
            out.sample(name, &[("runtime", &index), ("poller", &poller)], value);
        }
    }
}
