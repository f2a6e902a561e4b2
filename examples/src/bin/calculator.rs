//! A service and its client, declared once: a trait.
//!
//! ```sh
//! cargo run -p netpoll-examples --bin calculator -- --listen 127.0.0.1:9000 &
//! cargo run -p netpoll-examples --bin calculator -- 127.0.0.1:9000 2 40
//! ```

use netpoll::{EventLoop, service::Json};

#[netpoll::service(payload = Json)]
trait Calculator {
    /// Adds two numbers.
    async fn add(&self, a: i64, b: i64) -> Result<i64, String>;
}

struct Exact;

impl Calculator for Exact {
    async fn add(&self, a: i64, b: i64) -> Result<i64, String> {
        a.checked_add(b).ok_or(format!("{a} + {b} is too large"))
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let words: Vec<_> = std::env::args().skip(1).collect();
    if let [address, a, b] = &words[..] {
        println!("{}", CalculatorClient::mux(&**address)?.add(a.parse()?, b.parse()?)?);
        return Ok(());
    }
    let address = words.last().map_or("127.0.0.1:9000", |address| address);
    let server = EventLoop::builder(Calculator::serve(Exact)).listen(address).bind()?;
    println!("listening on {}", server.addresses()[0]);
    Ok(server.serve().map(drop)?)
}
