//! A front that speaks PostgreSQL's protocol and answers simple queries over tables in memory.
//!
//! ```sh
//! cargo run --release -p netpoll-examples --bin postgres -- --listen 127.0.0.1:5433
//! psql -h 127.0.0.1 -p 5433 -U me -c "select * from planet where moons > 1"
//! ```

use std::time::Duration;

use clap::Parser;
use netpoll::{Flow, Result};
use netpoll_examples::{
    cli::ServerOptions,
    postgres::{Database, Event, Output, Postgres, Session},
    run,
};

/// A front that speaks PostgreSQL's protocol and answers simple queries over tables in memory.
///
/// There are CREATE TABLE and DROP TABLE, INSERT, UPDATE, DELETE, and SELECT from one table with WHERE, ORDER BY
/// and LIMIT; types are bigint and text. Each statement is its own transaction.
#[derive(Parser)]
#[command(version)]
struct Options {
    /// Where to listen: host:port, unix:/path or unix:@name; may be given several times
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:5433")]
    listen: Vec<String>,

    /// The password of all users, which they send in clear text [default: none is asked for]
    #[arg(long, value_name = "TEXT")]
    password: Option<String>,

    #[command(flatten)]
    server: ServerOptions,
}

struct Front {
    database: Database,
    password: Option<String>,
}

#[netpoll::server(codec = Postgres, max_frame = 4 << 20, idle_timeout = "10m")]
impl Front {
    #[on_request]
    fn handle(&self, session: &mut Session, event: Event<'_>) -> Flow<Output> {
        session.answer(&self.database, self.password.as_deref(), event)
    }
}

fn main() -> Result<()> {
    let options = Options::parse();
    let runtime = run::runtime(&options.server)?;
    let database = Database::default();
    let planets = "create table planet (name text, moons bigint);
        insert into planet values ('Mercury', 0), ('Venus', 0), ('Earth', 1), ('Mars', 2)";
    if let (_, Some(failure)) = database.run(planets) {
        return Err(netpoll::Error::other(failure.why));
    }
    let mut server = Front { database, password: options.password }
        .builder()
        .runtime(&runtime)
        .frame_timeout(Duration::from_secs(60));
    for address in options.listen {
        server = server.listen(address);
    }
    run::until_signal(server.bind()?)
}
