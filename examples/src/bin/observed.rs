//! A server that shows what it does: metrics by route, stalled handlers by name, a page for operators; with clients
//! that call it, so that there is something to see.
//!
//! ```sh
//! cargo run --release -p netpoll-examples --bin observed -- --admin 127.0.0.1:9100
//! curl http://127.0.0.1:9100/metrics
//! ```
//!
//! `http://127.0.0.1:9100/` is the page; `examples/screenshot` takes its picture. `examples/grafana/netpoll.json` is
//! a dashboard for Grafana, over a Prometheus that scrapes `/metrics`.

use std::{thread, time::Duration};

use clap::Parser;
use netpoll::{
    EventLoop, Fault, Result, Runtime,
    admin::Admin,
    client::Client,
    frame::Status,
    metrics::{MetricsObserver, Recorder},
    rpc::{Answer, Call},
};

/// Serves calls and shows what they take.
#[derive(Parser)]
#[command(version)]
struct Options {
    /// Where operators look: a page at /, /metrics, /connections, /stalls and more
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:9100")]
    admin: String,

    /// Clients that call
    #[arg(long, value_name = "N", default_value_t = 8)]
    clients: usize,

    /// Seconds after which it ends; without it, it runs until it is killed
    #[arg(long, value_name = "SECONDS")]
    seconds: Option<u64>,
}

struct Shop;

#[netpoll::server(frame = Call<'_>, reply = Answer<'_>, concurrent = 64)]
impl Shop {
    /// Answers at once.
    #[on_request("stock.get")]
    fn stock(&self, item: Vec<u8>) -> Vec<u8> {
        item.repeat(16)
    }

    /// Waits, as for a database.
    #[on_request("order.place")]
    async fn order(&self, items: Vec<u8>) -> Vec<u8> {
        netpoll::sleep(Duration::from_millis(2 + u64::from(items[0]) % 12)).await;
        items
    }

    /// Refuses now and then.
    #[on_request("card.charge")]
    fn charge(&self, card: Vec<u8>) -> Result<Vec<u8>, Fault> {
        if card[0].is_multiple_of(23) {
            return Err(Fault::new(Status::Denied, "the card is not accepted"));
        }
        Ok(card)
    }

    /// Blocks its thread for long, as a handler does that somebody forgot.
    #[on_request("report.write")]
    fn report(&self) {
        thread::sleep(Duration::from_secs(5));
    }
}

/// Calls for ever.
fn calls(address: &str, first: u8) -> Result<()> {
    let client: Client<Call<'static>, Answer<'static>> =
        Client::pool(address).max_connections(1).build()?;
    for n in (0..=u8::MAX).cycle().skip(first.into()) {
        for route in ["stock.get", "stock.get", "stock.get", "card.charge", "order.place"] {
            client.call(Call::new(route, &[n; 64]))?;
        }
    }
    Ok(())
}

/// Asks for a report again and again, of which none comes in time.
fn reports(address: &str) -> Result<()> {
    let client: Client<Call<'static>, Answer<'static>> =
        Client::pool(address).max_connections(1).build()?;
    loop {
        let report = client.call(Call::new("report.write", &[]));
        tracing::debug!(?report, "asked for");
        thread::sleep(Duration::from_secs(1));
    }
}

fn main() -> Result<()> {
    let options = Options::parse();
    tracing_subscriber::fmt().with_writer(std::io::stderr).init();
    let recorder = Recorder::new();
    let metrics = MetricsObserver::new(recorder.clone());
    let runtime = Runtime::builder().observer(metrics).inspect_stalls(true).build()?;
    let server =
        EventLoop::builder(Shop).runtime(&runtime).name("shop").listen("127.0.0.1:0").bind()?;
    let admin =
        Admin::new().server("shop", &server.handle()).recorder(&recorder).bind(options.admin)?;
    println!("operators look at http://{}", admin.addresses()[0]);
    let address = server.addresses()[0].to_string();
    for n in 0..options.clients {
        let address = address.clone();
        thread::spawn(move || calls(&address, (n * 31) as u8));
    }
    thread::spawn(move || reports(&address));
    match options.seconds {
        Some(seconds) => {
            thread::sleep(Duration::from_secs(seconds));
            server.handle().shutdown(Duration::ZERO);
        }
        None => drop(server.serve()?),
    }
    Ok(())
}
