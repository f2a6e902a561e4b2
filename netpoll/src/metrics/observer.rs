//! An observer that feeds a recorder of the crate `metrics`.

use std::{
    fmt,
    sync::{Arc, OnceLock},
    time::Duration,
};

use metrics::{Counter, Histogram, Key, Label, Level, Metadata, Recorder, Unit};

use super::table::Table;
use crate::{
    facts::CloseReason,
    observe::{
        AcceptFailed, BudgetReached, ConnectionClosed, ConnectionOpened, Observer, Outcome,
        RequestEnded, Stall,
    },
};

const METADATA: Metadata<'static> = Metadata::new("netpoll", Level::INFO, Some("netpoll"));

const COUNTERS: &[(&str, Unit, &str)] = &[
    ("netpoll_requests_total", Unit::Count, "Requests that have ended."),
    ("netpoll_request_received_bytes_total", Unit::Bytes, "Bytes of requests."),
    ("netpoll_request_sent_bytes_total", Unit::Bytes, "Bytes of answers."),
    (
        "netpoll_server_connections_opened_total",
        Unit::Count,
        "Connections that a server has accepted.",
    ),
    (
        "netpoll_server_connections_closed_total",
        Unit::Count,
        "Connections of a server that have ended.",
    ),
    (
        "netpoll_handlers_stalled_total",
        Unit::Count,
        "Handlers that ran or waited for longer than stall_after.",
    ),
    ("netpoll_accept_failures_total", Unit::Count, "Pauses of listeners that could not accept."),
    ("netpoll_budgets_reached_total", Unit::Count, "Budgets that connections have used up."),
];

const HISTOGRAMS: &[(&str, &str)] = &[
    ("netpoll_request_duration_seconds", "Time from the beginning of a handler to its end."),
    (
        "netpoll_request_queue_seconds",
        "Time from the arrival of a request to the beginning of its handler.",
    ),
];

/// An observer that records requests, connections and failures with a recorder of the crate
/// [`metrics`](::metrics); see the [module](super) for the names.
///
/// One observer may be given to several servers, or to their runtime. It looks a series up once, and adds to it by
/// its handle from then on.
pub struct MetricsObserver {
    recorder: Arc<dyn Recorder + Send + Sync>,
    servers: Table<Server>,
}

/// The series of one server.
struct Server {
    name: Label,
    opened: Counter,
    /// By the reason.
    closed: [OnceLock<Counter>; CloseReason::COUNT],
    routes: Table<Route>,
}

/// The series of one route.
struct Route {
    received: Counter,
    sent: Counter,
    queued: Histogram,
    ends: [OnceLock<End>; Outcome::ALL.len()],
}

/// The series of one outcome.
struct End {
    count: Counter,
    duration: Histogram,
}

impl MetricsObserver {
    /// Creates an observer that records with `recorder`.
    pub fn new(recorder: impl Recorder + Send + Sync + 'static) -> Self {
        for (name, unit, help) in COUNTERS {
            recorder.describe_counter((*name).into(), Some(*unit), (*help).into());
        }
        for (name, help) in HISTOGRAMS {
            recorder.describe_histogram((*name).into(), Some(Unit::Seconds), (*help).into());
        }
        Self { recorder: Arc::new(recorder), servers: Table::default() }
    }

    /// Creates an observer that records with the recorder of the process, which has to be installed before the
    /// first event.
    pub fn global() -> Self {
        Self::new(Global)
    }

    fn counter(&self, name: &'static str, labels: Vec<Label>) -> Counter {
        self.recorder.register_counter(&Key::from_parts(name, labels), &METADATA)
    }

    fn histogram(&self, name: &'static str, labels: Vec<Label>) -> Histogram {
        self.recorder.register_histogram(&Key::from_parts(name, labels), &METADATA)
    }

    fn server(&self, index: usize, name: &str) -> &Server {
        self.servers.get(index, || {
            let name = Label::new("server", name.to_owned());
            let opened =
                self.counter("netpoll_server_connections_opened_total", vec![name.clone()]);
            let closed = [const { OnceLock::new() }; CloseReason::COUNT];
            Server { name, opened, closed, routes: Table::default() }
        })
    }

    fn route(&self, server: &Server, route: crate::observe::Route) -> Route {
        let labels = || vec![server.name.clone(), Label::from_static_parts("route", route.name())];
        Route {
            received: self.counter("netpoll_request_received_bytes_total", labels()),
            sent: self.counter("netpoll_request_sent_bytes_total", labels()),
            queued: self.histogram("netpoll_request_queue_seconds", labels()),
            ends: [const { OnceLock::new() }; Outcome::ALL.len()],
        }
    }
}

impl Observer for MetricsObserver {
    fn connection_opened(&self, connection: &ConnectionOpened<'_>) {
        self.server(connection.server_index(), connection.server).opened.increment(1);
    }

    fn connection_closed(&self, connection: &ConnectionClosed<'_>) {
        let server = self.server(connection.server_index(), connection.server);
        let closed = server.closed[connection.reason as usize].get_or_init(|| {
            let reason = Label::from_static_parts("reason", connection.reason.label());
            let labels = vec![server.name.clone(), reason];
            self.counter("netpoll_server_connections_closed_total", labels)
        });
        closed.increment(1);
    }

    fn observes_begin(&self) -> bool {
        false
    }

    fn request_ended(&self, request: &RequestEnded<'_>) {
        let server = self.server(request.server_index(), request.server);
        let route = server.routes.get(request.route.index(), || self.route(server, request.route));
        let end = route.ends[request.outcome as usize].get_or_init(|| {
            let labels = || {
                let route = Label::from_static_parts("route", request.route.name());
                let outcome = Label::from_static_parts("outcome", request.outcome.label());
                vec![server.name.clone(), route, outcome]
            };
            End {
                count: self.counter("netpoll_requests_total", labels()),
                duration: self.histogram("netpoll_request_duration_seconds", labels()),
            }
        });
        end.count.increment(1);
        end.duration.record(seconds(request.handled));
        route.queued.record(seconds(request.queued));
        route.received.increment(request.received as u64);
        route.sent.increment(request.sent as u64);
    }

    fn stalled(&self, stall: &Stall) {
        let server = Label::new("server", stall.server.as_deref().unwrap_or_default().to_owned());
        let place = Label::from_static_parts("place", stall.place.label());
        self.counter("netpoll_handlers_stalled_total", vec![server, place]).increment(1);
    }

    fn accept_failed(&self, failure: &AcceptFailed<'_>) {
        let server = Label::new("server", failure.server.to_owned());
        self.counter("netpoll_accept_failures_total", vec![server]).increment(1);
    }

    fn budget_reached(&self, budget: &BudgetReached<'_>) {
        let server = Label::new("server", budget.server.to_owned());
        let which = Label::from_static_parts("budget", budget.budget.label());
        self.counter("netpoll_budgets_reached_total", vec![server, which]).increment(1);
    }
}

impl fmt::Debug for MetricsObserver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MetricsObserver").finish_non_exhaustive()
    }
}

/// Returns `duration` in seconds, without a division.
fn seconds(duration: Duration) -> f64 {
    duration.as_secs() as f64 + f64::from(duration.subsec_nanos()) * 1e-9
}

/// The recorder of the process.
struct Global;

impl Recorder for Global {
    fn describe_counter(
        &self,
        key: metrics::KeyName,
        unit: Option<Unit>,
        help: metrics::SharedString,
    ) {
        metrics::with_recorder(|recorder| recorder.describe_counter(key, unit, help));
    }

    fn describe_gauge(
        &self,
        key: metrics::KeyName,
        unit: Option<Unit>,
        help: metrics::SharedString,
    ) {
        metrics::with_recorder(|recorder| recorder.describe_gauge(key, unit, help));
    }

    fn describe_histogram(
        &self,
        key: metrics::KeyName,
        unit: Option<Unit>,
        help: metrics::SharedString,
    ) {
        metrics::with_recorder(|recorder| recorder.describe_histogram(key, unit, help));
    }

    fn register_counter(&self, key: &Key, metadata: &Metadata<'_>) -> Counter {
        metrics::with_recorder(|recorder| recorder.register_counter(key, metadata))
    }

    fn register_gauge(&self, key: &Key, metadata: &Metadata<'_>) -> metrics::Gauge {
        metrics::with_recorder(|recorder| recorder.register_gauge(key, metadata))
    }

    fn register_histogram(&self, key: &Key, metadata: &Metadata<'_>) -> Histogram {
        metrics::with_recorder(|recorder| recorder.register_histogram(key, metadata))
    }
}
