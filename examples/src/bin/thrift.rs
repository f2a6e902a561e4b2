//! A calculator that CloudWeGo's clients reach: Thrift's binary protocol in TTHeader frames.
//!
//! Its methods are `i64 add(1: i64 a, 2: i64 b)` and `i64 divide(1: i64 a, 2: i64 b)`.
//!
//! ```sh
//! cargo run --release -p netpoll-examples --bin thrift -- --listen 127.0.0.1:8888
//! ```

use clap::Parser;
use netpoll::Result;
use netpoll_examples::{
    cli::ServerOptions,
    rpc::{Answer, TtHeader},
    run,
    thrift::{self, Field, INTERNAL_ERROR, Message, Outcome, PROTOCOL_ERROR, UNKNOWN_METHOD},
};

/// A calculator that CloudWeGo's clients reach.
#[derive(Parser)]
#[command(version)]
struct Options {
    /// Where to listen: host:port, unix:/path or unix:@name; may be given several times
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8888")]
    listen: Vec<String>,

    #[command(flatten)]
    server: ServerOptions,
}

struct Calculator;

#[netpoll::server(max_frame = 1 << 20)]
impl Calculator {
    #[on_request(concurrent = 256)]
    async fn call(&self, request: TtHeader<'_>) -> Result<Answer> {
        thrift::answer(request.payload, calculate).map(Answer::new)
    }
}

fn calculate(call: &Message<'_>) -> Outcome<'static> {
    let operation = match call.method {
        "add" => i64::checked_add,
        "divide" => i64::checked_div,
        _ => return Outcome::Exception(UNKNOWN_METHOD, "no such method"),
    };
    let (Some(a), Some(b)) = (call.i64(1), call.i64(2)) else {
        return Outcome::Exception(PROTOCOL_ERROR, "two integers are the arguments");
    };
    match operation(a, b) {
        Some(value) => Outcome::Success(Field::I64 { id: 0, value }),
        None => Outcome::Exception(INTERNAL_ERROR, "there is no such number"),
    }
}

fn main() -> Result<()> {
    let options = Options::parse();
    let runtime = run::runtime(&options.server)?;
    let mut server = Calculator.builder().runtime(&runtime);
    for address in options.listen {
        server = server.listen(address);
    }
    run::until_signal(server.bind()?)
}
