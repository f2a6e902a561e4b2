//! A web server: HTTP/1.1 with keep-alive and pipelining.
//!
//! ```sh
//! cargo run --release -p netpoll-examples --bin http -- --listen 127.0.0.1:8080
//! curl http://127.0.0.1:8080/
//! ```
//!
//! Over TLS, with a certificate that `certs` makes for tests:
//!
//! ```sh
//! cargo run --release -p netpoll-examples --bin certs -- target/certs
//! cargo run --release -p netpoll-examples --bin http -- --listen 127.0.0.1:8443 --tls target/certs
//! curl --cacert target/certs/ca.pem https://localhost:8443/
//! ```

use std::time::Duration;

use clap::Parser;
use netpoll::{
    Connection, Error, ErrorKind, EventLoopBuilder, Flow, Result, Service,
    buf::LinkBuffer,
    frame::{self, Codec},
};
use netpoll_examples::{
    cli::{self, ServerOptions, TlsOptions},
    http::{Http1, Message, Refusal, Request, Response},
    run,
};

/// A web server: `/` greets, `/echo` answers with the body, `/count/N` with N lines, in chunks.
#[derive(Parser)]
#[command(version)]
struct Options {
    /// Where to listen: host:port, unix:/path or unix:@name; may be given several times
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8080")]
    listen: Vec<String>,

    /// How long a request may take to arrive, in seconds
    #[arg(long, value_name = "SECONDS", default_value = "30", value_parser = cli::seconds)]
    request_timeout: Duration,

    #[command(flatten)]
    server: ServerOptions,

    #[command(flatten)]
    tls: TlsOptions,
}

/// The longest request: a head of 64 KiB, and a body of 16 MiB.
const MAX_REQUEST: usize = (64 << 10) + (16 << 20);

struct Http;

#[netpoll::server(codec = Http1, max_frame = MAX_REQUEST, idle_timeout = "1m")]
impl Http {
    #[on_request]
    fn handle<'a>(&self, message: Message<'a>) -> Flow<Response<'a>> {
        let request = match message {
            Message::Request(request) => request,
            // Nothing that would be refused is asked for.
            Message::Expects(request) if takes_body(&request) => {
                return Flow::Reply(Response::CONTINUE);
            }
            Message::Expects(request) => {
                return Flow::CloseAfter(Response { close: true, ..route(request) });
            }
            Message::Blank => return Flow::Continue,
            Message::Refused(refusal) => return Flow::CloseAfter(refusal.into()),
        };
        if request.keep_alive() {
            return Flow::Reply(route(request));
        }
        Flow::CloseAfter(Response { close: true, ..route(request) })
    }

    /// A request that does not arrive in time is answered before the connection closes.
    #[on_error]
    fn fault(&self, conn: &Connection, error: &Error) -> Result<()> {
        if error.kind() != ErrorKind::TimedOut {
            return Ok(());
        }
        let refusal = Refusal { status: 408, why: "the request did not arrive in time" };
        let mut out = LinkBuffer::new();
        frame::write(&mut out, |w| Http1::default().encode(&refusal.into(), w))?;
        out.flush();
        conn.try_send(out)
    }
}

/// Whether the resource takes a body.
fn takes_body(request: &Request<'_>) -> bool {
    matches!(request.method(), "POST" | "PUT") && request.path() == "/echo"
}

fn route(request: Request<'_>) -> Response<'_> {
    match (request.method(), request.path()) {
        ("GET" | "HEAD", "/") => Response::text(200, &b"hello\n"[..]),
        ("POST" | "PUT", "/echo") => {
            let content_type = "application/octet-stream";
            Response { content_type, ..Response::text(200, request.body) }
        }
        (_, path @ ("/" | "/echo")) => {
            let fields = if path == "/" { "allow: GET, HEAD\r\n" } else { "allow: POST, PUT\r\n" };
            Response { fields, ..Response::text(405, &b"not so\n"[..]) }
        }
        ("GET" | "HEAD", path) => match path.strip_prefix("/count/").and_then(|n| n.parse().ok()) {
            Some(n @ 0..=1_000_000) => {
                let lines: String = (0..n).map(|i: u32| format!("{i}\n")).collect();
                Response { chunked: true, ..Response::text(200, lines.into_bytes()) }
            }
            _ => Response::text(404, &b"not here\n"[..]),
        },
        _ => Response::text(404, &b"not here\n"[..]),
    }
}

/// The server, without its addresses.
pub(crate) fn server() -> EventLoopBuilder<impl Service> {
    Http.builder()
}

fn main() -> Result<()> {
    let options = Options::parse();
    let runtime = run::runtime(&options.server)?;
    let mut server = server().runtime(&runtime).frame_timeout(Some(options.request_timeout));
    for address in options.listen {
        server = server.listen(address);
    }
    if let Some(tls) = options.tls.server(&["http/1.1"])? {
        server = server.tls(tls);
    }
    run::until_signal(server.bind()?)
}
