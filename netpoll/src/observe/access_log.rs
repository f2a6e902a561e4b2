//! A line in the log for each request.

use super::{Observer, event::RequestEnded, outcome::Outcome};

/// An observer that logs each request: `info` for those that went well, `warn` for others. The target is
/// `netpoll::access`.
///
/// A line has the server, the route, the peer, the connection, the outcome, times and sizes, and no byte of the
/// request or its answer. A line for each request costs more than many handlers do: it is for servers with few
/// requests, or with a subscriber that takes samples.
///
/// ```
/// # use netpoll::Frame;
/// # #[derive(Frame)] struct Byte { byte: u8 }
/// #[netpoll::on_request]
/// fn echo(byte: Byte) -> Byte { byte }
///
/// use netpoll::observe::AccessLog;
/// let server = netpoll::server::<echo>().observer(AccessLog::new()).listen("127.0.0.1:0").bind()?;
/// # drop(server);
/// # Ok::<(), netpoll::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct AccessLog(());

/// The target of the lines.
const TARGET: &str = "netpoll::access";

impl AccessLog {
    /// Creates the observer.
    pub fn new() -> Self {
        Self(())
    }
}

macro_rules! line {
    ($level:ident, $request:ident) => {
        tracing::$level!(
            target: TARGET,
            server = $request.server,
            route = $request.route.name(),
            peer = %$request.peer,
            connection = $request.connection.map(|id| id.number()),
            outcome = $request.outcome.label(),
            queued_us = u64::try_from($request.queued.as_micros()).unwrap_or(u64::MAX),
            handled_us = u64::try_from($request.handled.as_micros()).unwrap_or(u64::MAX),
            received = $request.received,
            sent = $request.sent,
            "a request"
        )
    };
}

impl Observer for AccessLog {
    fn request_ended(&self, request: &RequestEnded<'_>) {
        if request.outcome == Outcome::Ok {
            line!(info, request);
        } else {
            line!(warn, request);
        }
    }
}
