//! An HTTP endpoint for operators: metrics, health, readiness, connections.
//!
//! | path | answer |
//! | --- | --- |
//! | `/` | a page that shows live rates and connections |
//! | `/metrics` | all counters and gauges in the text format of Prometheus |
//! | `/healthz` | 200 as long as the runtime answers |
//! | `/readyz` | 200 while all servers accept; 503 as soon as one of them drains or has failed |
//! | `/connections` | the open connections as JSON: number, server, peer, stage, age, silence, bytes each way, pending output, requests in flight |
//! | `/stalls` | the handlers that have run or waited for longer than `stall_after`, as JSON |
//! | `/runtime` | the statistics of the runtimes as JSON |
//!
//! The page runs in the browser alone and asks for nothing from elsewhere. The example `observed` is a server to look
//! at; `examples/operators.png` is its picture.
//!
//! It answers GET and HEAD, one request a connection. It has no authentication and shows peers'
//! addresses, but never a byte of what they sent: listen on a loopback address, a Unix socket or a private
//! network.
//!
//! ```
//! # use netpoll::{EventLoop, Frame};
//! # #[derive(Frame)] struct Byte { byte: u8 }
//! #[netpoll::on_request]
//! fn echo(byte: Byte) -> Byte { byte }
//!
//! let server = EventLoop::builder(netpoll::service::Free::<echo>::new()).listen("127.0.0.1:0").bind()?;
//! let admin = netpoll::admin::Admin::new().server("echo", &server.handle()).bind("127.0.0.1:0")?;
//!
//! use std::io::{Read, Write};
//! let mut client = std::net::TcpStream::connect(admin.addresses()[0].inet().unwrap())?;
//! client.write_all(b"GET /readyz HTTP/1.1\r\nHost: localhost\r\n\r\n")?;
//! let mut answer = String::new();
//! client.read_to_string(&mut answer)?;
//! assert!(answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.ends_with("echo ready\n"));
//! # Ok::<(), netpoll::Error>(())
//! ```

mod http;
mod json;
mod metrics;

use std::time::Duration;

use self::{
    http::{Answer, Head},
    json::Json,
};
use crate::{
    addr::ToAddress,
    conn::{Connection, ConnectionOptions},
    error::Result,
    prometheus::Exposition,
    sched::Runtime,
    server::{EventLoop, ServerHandle},
    service::{Call, Flow, Service},
};

/// The page `/`.
const PAGE: &str = include_str!("page.html");

/// The settings of an endpoint for operators; see the [module](self).
#[derive(Clone, Debug, Default)]
#[must_use]
pub struct Admin {
    servers: Vec<(String, ServerHandle)>,
    runtime: Option<Runtime>,
    #[cfg(feature = "metrics")]
    recorders: Vec<crate::metrics::Recorder>,
}

/// Starts an endpoint that shows one server; see the [module](self).
///
/// # Errors
/// Those of [`EventLoopBuilder::bind`](crate::EventLoopBuilder::bind).
pub fn serve(
    address: impl ToAddress,
    name: impl Into<String>,
    server: &ServerHandle,
) -> Result<EventLoop> {
    Admin::new().server(name, server).bind(address)
}

impl Admin {
    /// Creates an endpoint that shows no server yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a server, under a name that labels its metrics.
    pub fn server(mut self, name: impl Into<String>, server: &ServerHandle) -> Self {
        self.servers.push((name.into(), server.clone()));
        self
    }

    /// Adds all that `recorder` has to `/metrics`: the histograms of
    /// [`MetricsObserver`](crate::metrics::MetricsObserver), and whatever else is recorded with it. A family of a name
    /// that stands there already is left out.
    #[cfg(feature = "metrics")]
    pub fn recorder(mut self, recorder: &crate::metrics::Recorder) -> Self {
        self.recorders.push(recorder.clone());
        self
    }

    /// Sets the runtime that serves the endpoint. Default: a runtime of its own with one poller, which
    /// answers also while the servers' workers are all busy.
    pub fn runtime(mut self, runtime: &Runtime) -> Self {
        self.runtime = Some(runtime.clone());
        self
    }

    /// Listens on `address` and starts to answer, until the returned server is dropped or shut down.
    ///
    /// # Errors
    /// Those of [`EventLoopBuilder::bind`](crate::EventLoopBuilder::bind).
    pub fn bind(self, address: impl ToAddress) -> Result<EventLoop> {
        let runtime = match &self.runtime {
            Some(runtime) => runtime.clone(),
            None => Runtime::builder().pollers(1).max_workers(8).build()?,
        };
        let options = ConnectionOptions::new()
            .max_frame(8 << 10)
            .frame_timeout(Duration::from_secs(10))
            .idle_timeout(Duration::from_secs(10));
        EventLoop::builder(Endpoint(self))
            .runtime(&runtime)
            .options(options)
            .max_connections(64)
            .listen(address)
            .bind()
    }

    fn answer(&self, path: &str) -> Answer {
        match path {
            "/" => Answer::html(PAGE),
            "/metrics" => Answer::metrics(self.exposition()),
            "/healthz" => Answer::text(true, "ok\n".into()),
            "/readyz" => self.readiness(),
            "/connections" => Answer::json(self.connections()),
            "/stalls" => Answer::json(self.stalls()),
            "/runtime" => Answer::json(self.statistics()),
            _ => Answer::not_found(),
        }
    }

    fn readiness(&self) -> Answer {
        let line = |(name, server): &(String, ServerHandle)| {
            format!("{name} {}\n", if server.is_ready() { "ready" } else { "not ready" })
        };
        let ready = self.servers.iter().all(|(_, server)| server.is_ready());
        Answer::text(ready, self.servers.iter().map(line).collect())
    }

    fn connections(&self) -> String {
        let mut json = Json::default();
        json.list(|list| {
            for (name, server) in &self.servers {
                for (conn, age) in server.ages() {
                    list.object(|object| {
                        object.text("id", conn.id());
                        object.text("server", name);
                        object.text("peer", conn.peer());
                        object.text("stage", conn.conn.stage());
                        object.number("age_seconds", age.as_secs_f64());
                        if let Some(silence) = conn.conn.silence() {
                            object.number("silence_seconds", silence.as_secs_f64());
                        }
                        object.number("received_bytes", conn.received());
                        object.number("sent_bytes", conn.sent());
                        object.number("pending_bytes", conn.pending());
                        object.number("requests_in_flight", conn.in_flight());
                        object.flag("active", conn.is_active());
                    });
                }
            }
        });
        json.finish()
    }

    fn exposition(&self) -> String {
        let mut out = Exposition::default();
        metrics::expose(&mut out, &self.servers, &self.runtimes());
        #[cfg(feature = "metrics")]
        self.recorders.iter().for_each(|recorder| recorder.write_to(&mut out));
        out.finish()
    }

    fn stalls(&self) -> String {
        let mut json = Json::default();
        json.list(|list| {
            for stall in self.runtimes().iter().flat_map(Runtime::stalls) {
                list.object(|object| {
                    if let Some(server) = &stall.server {
                        object.text("server", server);
                    }
                    object.text("route", stall.route);
                    if let Some(connection) = stall.connection {
                        object.text("connection", connection);
                    }
                    if let Some(peer) = &stall.peer {
                        object.text("peer", peer);
                    }
                    object.number("age_seconds", stall.age.as_secs_f64());
                    object.text("place", stall.place.label());
                    object.flag("deadlock", stall.deadlock);
                    if let Some(thread) = &stall.thread {
                        object.text("thread", thread);
                    }
                    object.text("text", &stall);
                });
            }
        });
        json.finish()
    }

    fn statistics(&self) -> String {
        let mut json = Json::default();
        json.list(|list| {
            for runtime in self.runtimes() {
                let stats = runtime.stats();
                list.object(|object| {
                    object.number("pollers", stats.pollers);
                    object.number("workers", stats.workers);
                    object.number("workers_parked", stats.standbys);
                    object.number("workers_late", stats.late);
                    object.number("workers_waiting", stats.waiting);
                    object.number("connections", stats.connections);
                    object.number("queued", stats.queued_of.iter().sum::<usize>());
                    object.number("tasks", stats.tasks);
                    object.number("timers", stats.timers);
                    object.number("accepted", stats.accepted);
                    object.number("dialled", stats.dialled);
                    object.number("refused", stats.refused);
                    object.number("requests", stats.requests);
                    object.number("stalls", stats.stalls);
                    object.number("turns", stats.turns);
                    object.number("panics", stats.panics);
                    object.number("bytes_in", stats.bytes_in);
                    object.number("bytes_out", stats.bytes_out);
                    object.number("memory_used_bytes", stats.memory.out);
                    object.number("memory_free_bytes", stats.memory.cached);
                });
            }
        });
        json.finish()
    }

    /// The runtimes of the servers, each once.
    fn runtimes(&self) -> Vec<Runtime> {
        let mut runtimes: Vec<Runtime> = Vec::new();
        for (_, server) in &self.servers {
            if !runtimes.iter().any(|known| known.is_same(server.runtime())) {
                runtimes.push(server.runtime().clone());
            }
        }
        runtimes
    }
}

/// The service of the endpoint.
struct Endpoint(Admin);

impl Service for Endpoint {
    type Session = ();
    type Request = Head<'static>;

    async fn on_connect(&self, _: &Connection) -> Result<()> {
        Ok(())
    }

    async fn on_request<'a>(&'a self, call: Call<'a, ()>, head: Head<'a>) -> Result<Flow> {
        let (answer, with_body) = match head.method() {
            method @ ("GET" | "HEAD") => (self.0.answer(head.path()), method == "GET"),
            _ => (Answer::not_allowed(), true),
        };
        call.out.buf.write(&answer.into_bytes(with_body))?;
        Ok(Flow::Close)
    }
}
