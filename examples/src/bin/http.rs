//! A web server: HTTP/1.1 with keep-alive and pipelining.
//!
//! ```sh
//! cargo run --release -p netpoll-examples --bin http -- --listen 127.0.0.1:8080
//! curl http://127.0.0.1:8080/
//! ```

use clap::Parser;
use netpoll::{
    Connection, Error, ErrorKind, EventLoopBuilder, Flow, Result, Service, buf::LinkBuffer, frame,
};
use netpoll_examples::{
    cli::ServerOptions,
    http::{Request, Response},
    run,
};

/// A web server: `/` greets, `/echo` answers with the body, `/count/N` with N lines, in chunks.
#[derive(Parser)]
#[command(version)]
struct Options {
    /// Where to listen: host:port, unix:/path or unix:@name; may be given several times
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8080")]
    listen: Vec<String>,

    #[command(flatten)]
    server: ServerOptions,
}

struct Http;

#[netpoll::server(max_frame = 16 << 20, idle_timeout = "1m")]
impl Http {
    #[on_request]
    fn handle<'a>(&self, request: Request<'a>) -> Flow<Response<'a>> {
        let (head_only, close) = (request.method == "HEAD", !request.keep_alive);
        let response = Response { head_only, close, ..route(request) };
        if close { Flow::CloseAfter(response) } else { Flow::Reply(response) }
    }

    /// What is no request is answered before the connection closes.
    #[on_error]
    fn fault(&self, conn: &Connection, error: &Error) -> Result<()> {
        if error.kind() != ErrorKind::Malformed {
            return Ok(());
        }
        let response =
            Response { close: true, ..Response::text(400, error.to_string().into_bytes()) };
        let mut out = LinkBuffer::new();
        frame::encode(&response, &mut out)?;
        conn.try_send(out)
    }
}

fn route(request: Request<'_>) -> Response<'_> {
    let path = request.path.split('?').next().unwrap_or_default();
    match (request.method, path) {
        ("GET" | "HEAD", "/") => Response::text(200, &b"hello\n"[..]),
        ("POST" | "PUT", "/echo") => {
            let content_type = "application/octet-stream";
            Response { content_type, ..Response::text(200, request.body) }
        }
        (_, "/" | "/echo") => Response::text(405, &b"not so\n"[..]),
        ("GET" | "HEAD", _) => match path.strip_prefix("/count/").and_then(|n| n.parse().ok()) {
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
    let mut server = server().runtime(&runtime);
    for address in options.listen {
        server = server.listen(address);
    }
    run::until_signal(server.bind()?)
}
