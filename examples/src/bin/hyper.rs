//! hyper's server of HTTP/1 and HTTP/2 on this library's connections: a connection becomes a stream, which
//! hyper reads and writes; its tasks and timers are this runtime's.
//!
//! ```sh
//! cargo run --release -p netpoll-examples --bin hyper -- --listen 127.0.0.1:8080
//! curl --http2-prior-knowledge http://127.0.0.1:8080/
//! ```

use std::{
    convert::Infallible,
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::{Duration, Instant},
};

use bytes::Bytes;
use clap::Parser;
use http_body_util::{BodyExt, Full, combinators::BoxBody};
use hyper::{
    Method, Request, Response, StatusCode,
    body::{Body, Incoming},
    rt,
    service::service_fn,
};
use hyper_util::{
    rt::TokioIo,
    server::{conn::auto, graceful::GracefulShutdown},
};
use netpoll::{
    ByteStream, Call, CloseReason, Connection, EventLoop, Flow, In, Result, Service, block_on,
};
use netpoll_examples::{
    cli::{ServerOptions, TlsOptions},
    run,
};
use parking_lot::Mutex;

/// The longest body that is echoed.
const LONGEST: u64 = 64 << 20;

/// The longest time for which a shutdown waits for requests that are under way.
const DRAIN: Duration = Duration::from_secs(30);

/// hyper's server of HTTP/1 and HTTP/2.
#[derive(Parser)]
#[command(version)]
struct Options {
    /// Where to listen: host:port, unix:/path or unix:@name; may be given several times
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8080")]
    listen: Vec<String>,

    #[command(flatten)]
    tls: TlsOptions,

    #[command(flatten)]
    server: ServerOptions,
}

/// Hands each connection to hyper as soon as its first bytes come.
struct Hands {
    http: auto::Builder<Tasks>,
    /// Gone once the server stops.
    graceful: Arc<Mutex<Option<GracefulShutdown>>>,
}

impl Service for Hands {
    type Session = ();
    type Request = In<'static>;

    async fn on_connect(&self, _: &Connection) -> Result<()> {
        Ok(())
    }

    async fn on_request<'a>(&'a self, _: Call<'a, ()>, _: In<'a>) -> Result<Flow> {
        // What came stays, and is the stream's first.
        Ok(Flow::Detach)
    }

    async fn on_close(&self, conn: &Connection, (): (), reason: CloseReason) {
        if reason != CloseReason::Detached {
            return;
        }
        match conn.clone().into_stream() {
            Ok(stream) => self.serve(stream),
            Err(error) => tracing::debug!(%error, "a connection ended before it was served"),
        }
    }
}

impl Hands {
    /// Serves what comes over `stream`, of either version.
    fn serve(&self, stream: ByteStream) {
        let peer = stream.connection().peer().clone();
        let serving = self.http.serve_connection(TokioIo::new(stream), service_fn(answer));
        let graceful = self.graceful.lock();
        let Some(graceful) = &*graceful else { return };
        let serving = graceful.watch(serving.into_owned());
        netpoll::spawn(async move {
            if let Err(error) = serving.await {
                tracing::debug!(error, %peer, "a connection of HTTP has failed");
            }
        });
    }
}

/// Answers one request.
async fn answer(
    request: Request<Incoming>,
) -> Result<Response<BoxBody<Bytes, hyper::Error>>, Infallible> {
    let text = |status, text: String| {
        let mut response = Response::new(Full::from(text).map_err(|never| match never {}).boxed());
        *response.status_mut() = status;
        response
    };
    Ok(match (request.method(), request.uri().path()) {
        (&Method::GET, "/") => text(StatusCode::OK, format!("hello by {:?}\n", request.version())),
        (&Method::POST | &Method::PUT, "/echo") => {
            if request.body().size_hint().lower() > LONGEST {
                text(StatusCode::PAYLOAD_TOO_LARGE, "the body is too long\n".to_owned())
            } else {
                // Piece by piece, as it comes: the client is read no faster than it reads.
                Response::new(request.into_body().boxed())
            }
        }
        (&Method::GET, "/slow") => {
            netpoll::sleep(Duration::from_millis(300)).await;
            text(StatusCode::OK, "at last\n".to_owned())
        }
        _ => text(StatusCode::NOT_FOUND, "not here\n".to_owned()),
    })
}

/// Runs hyper's tasks on the workers of the runtime that asks for them.
#[derive(Clone)]
struct Tasks;

impl<F: Future<Output: Send> + Send + 'static> rt::Executor<F> for Tasks {
    fn execute(&self, future: F) {
        drop(netpoll::spawn(future));
    }
}

/// hyper's timers, by this library's.
#[derive(Clone, Debug)]
struct Timers;

impl rt::Timer for Timers {
    fn sleep(&self, duration: Duration) -> Pin<Box<dyn rt::Sleep>> {
        Box::pin(Sleep(netpoll::sleep(duration)))
    }

    fn sleep_until(&self, deadline: Instant) -> Pin<Box<dyn rt::Sleep>> {
        self.sleep(deadline.saturating_duration_since(Instant::now()))
    }
}

struct Sleep(netpoll::Sleep);

impl Future for Sleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        Pin::new(&mut self.0).poll(cx)
    }
}

impl rt::Sleep for Sleep {}

fn main() -> Result<()> {
    let options = Options::parse();
    let runtime = run::runtime(&options.server)?;
    let graceful = Arc::new(Mutex::new(Some(GracefulShutdown::new())));
    let mut http = auto::Builder::new(Tasks);
    http.http1().timer(Timers).header_read_timeout(Duration::from_secs(30));
    http.http2().timer(Timers).keep_alive_interval(Duration::from_secs(60));
    let service = Hands { http, graceful: graceful.clone() };
    let mut server =
        EventLoop::builder(service).runtime(&runtime).idle_timeout(Duration::from_secs(300));
    if let Some(tls) = options.tls.server(&["h2", "http/1.1"])? {
        server = server.tls(tls);
    }
    for address in options.listen {
        server = server.listen(address);
    }
    run::until_signal(server.bind()?)?;
    // Connections that hyper has are none of the server's any more: they end after their requests.
    let graceful = graceful.lock().take().expect("taken here alone");
    if block_on(netpoll::timeout(DRAIN, graceful.shutdown())).is_err() {
        tracing::warn!("requests were cut after {DRAIN:?}");
    }
    Ok(())
}
