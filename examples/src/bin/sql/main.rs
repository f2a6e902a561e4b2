//! Handlers that use tokio's crates: prices in PostgreSQL, asked by `tokio-postgres`, and pages of another
//! server, asked by `reqwest`.
//!
//! ```sh
//! cargo run -p netpoll-examples --bin sql -- --database 'host=localhost user=postgres' &
//! cargo run -p netpoll-examples --bin sql -- set tea 250
//! cargo run -p netpoll-examples --bin sql -- price tea
//! ```

mod database;

use std::time::Duration;

use clap::{Parser, Subcommand};
use netpoll::{EventLoop, Runtime, service::Json};

use database::Database;

/// A service over PostgreSQL and HTTP, and its client.
#[derive(Parser)]
#[command(version)]
struct Options {
    /// Where to listen, or which server to ask: host:port, unix:/path or unix:@name
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:9100")]
    listen: String,

    /// The database, as `host=/run/postgresql user=me dbname=shop`
    #[arg(long, value_name = "PARAMETERS", default_value = "host=localhost user=postgres")]
    database: tokio_postgres::Config,

    /// The server whose pages are fetched
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:8080")]
    upstream: reqwest::Url,

    /// What to ask a running server; without it, this is the server
    #[command(subcommand)]
    ask: Option<Ask>,
}

#[derive(Subcommand)]
enum Ask {
    /// Sets the price of something, in cents
    Set {
        name: String,
        #[arg(allow_negative_numbers = true)]
        cents: i64,
    },
    /// Prints the price of something
    Price { name: String },
    /// Prints a page of the other server
    Page { path: String },
}

#[netpoll::service(payload = Json)]
trait Shop {
    /// Sets a price in cents; returns the one before.
    async fn set(&self, name: String, cents: i64) -> Result<Option<i64>, String>;

    /// Looks a price up.
    async fn price(&self, name: String) -> Result<Option<i64>, String>;

    /// Fetches a page of the other server.
    async fn page(&self, path: String) -> Result<String, String>;
}

struct Store {
    database: Database,
    upstream: reqwest::Url,
    http: reqwest::Client,
}

impl Shop for Store {
    async fn set(&self, name: String, cents: i64) -> Result<Option<i64>, String> {
        if cents < 0 {
            return Err(format!("{cents} cents are no price"));
        }
        self.database.set(&name, cents).await.map_err(failed)
    }

    async fn price(&self, name: String) -> Result<Option<i64>, String> {
        self.database.price(&name).await.map_err(failed)
    }

    async fn page(&self, path: String) -> Result<String, String> {
        let url = self.upstream.join(&path).map_err(|_| format!("{path} is no path"))?;
        if url.origin() != self.upstream.origin() {
            return Err(format!("{path} is another server's"));
        }
        let response = self.http.get(url).send().await.and_then(|r| r.error_for_status());
        response.map_err(failed)?.text().await.map_err(failed)
    }
}

/// The error that a client is told, without its details, which are logged.
fn failed(error: impl std::error::Error) -> String {
    let mut causes = vec![error.to_string()];
    let mut cause = error.source();
    while let Some(error) = cause {
        causes.push(error.to_string());
        cause = error.source();
    }
    tracing::warn!("{}", causes.join(": "));
    "what the answer depends on does not work".to_owned()
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let options = Options::parse();
    match options.ask {
        Some(ask) => return client(&options.listen, ask),
        None => tracing_subscriber::fmt().with_writer(std::io::stderr).init(),
    }
    // One thread of tokio's waits for its sockets and timers; handlers run on this library's workers.
    let tokio =
        tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    let runtime = Runtime::builder().tokio(tokio.handle()).build()?;
    let store = Store {
        database: Database::new(options.database),
        upstream: options.upstream,
        http: reqwest::Client::builder().timeout(Duration::from_secs(10)).build()?,
    };
    let server =
        EventLoop::builder(Shop::serve(store)).runtime(&runtime).listen(options.listen).bind()?;
    println!("listening on {}", server.addresses()[0]);
    println!("{}", server.serve_until(netpoll::signal::shutdown())?);
    // The last handle to it: its workers are in the context of tokio's, which outlives them.
    drop(runtime);
    Ok(())
}

fn client(address: &str, ask: Ask) -> Result<(), Box<dyn std::error::Error>> {
    let shop = ShopClient::mux(address)?;
    let price = |cents: Option<i64>| cents.map_or("none".to_owned(), |cents| cents.to_string());
    match ask {
        Ask::Set { name, cents } => println!("{}", price(shop.set(name, cents)?)),
        Ask::Price { name } => println!("{}", price(shop.price(name)?)),
        Ask::Page { path } => print!("{}", shop.page(path)?),
    }
    Ok(())
}
