//! Metrics by the crate `metrics`: what requests take, by server, route and outcome.
//!
//! [`MetricsObserver`] is an [observer](crate::observe) that feeds any recorder of that crate. [`Recorder`] is one that
//! shows all it has, yours too, at `/metrics` of the [endpoint for operators](crate::admin) (feature `admin`).
//!
//! | name | type | labels |
//! | --- | --- | --- |
//! | `netpoll_requests_total` | counter | server, route, outcome |
//! | `netpoll_request_duration_seconds` | histogram: the time of handlers | server, route, outcome |
//! | `netpoll_request_queue_seconds` | histogram: from a request's arrival to its handler | server, route |
//! | `netpoll_request_received_bytes_total`, `netpoll_request_sent_bytes_total` | counters | server, route |
//! | `netpoll_server_connections_opened_total` | counter | server |
//! | `netpoll_server_connections_closed_total` | counter | server, reason |
//! | `netpoll_handlers_stalled_total` | counter | server, place |
//! | `netpoll_accept_failures_total` | counter | server |
//! | `netpoll_budgets_reached_total` | counter | server, budget |
//!
//! Labels are bounded: servers, routes, outcomes and reasons are names that code declares, never what a peer sent.
//!
//! ```
//! # use netpoll::Frame;
//! # #[derive(Frame)] struct Byte { byte: u8 }
//! #[netpoll::on_request]
//! fn echo(byte: Byte) -> Byte { byte }
//!
//! use netpoll::metrics::{Recorder, MetricsObserver};
//! let recorder = Recorder::new();
//! let metrics = MetricsObserver::new(recorder.clone());
//! let server = netpoll::server::<echo>().name("echo").observer(metrics).listen("127.0.0.1:0").bind()?;
//!
//! use std::io::{Read, Write};
//! let mut client = std::net::TcpStream::connect(server.addresses()[0].inet().unwrap())?;
//! client.write_all(b"x")?;
//! client.read_exact(&mut [0])?;
//! # while !recorder.exposition().contains("requests_total") { std::thread::yield_now() }
//! let one = "netpoll_requests_total{server=\"echo\",route=\"\",outcome=\"ok\"} 1\n";
//! assert!(recorder.exposition().contains(one));
//! # Ok::<(), netpoll::Error>(())
//! ```

mod cells;
mod observer;
mod recorder;
mod stripes;
mod table;

pub use observer::MetricsObserver;
pub use recorder::Recorder;
