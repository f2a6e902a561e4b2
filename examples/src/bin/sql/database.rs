//! The prices, in a table of PostgreSQL's.

use std::sync::Arc;

use tokio::sync::Mutex;
use tokio_postgres::{Client, Config, Error, NoTls};

/// Makes the table, where it does not exist.
const TABLE: &str =
    "create table if not exists price (name text primary key, cents bigint not null)";

/// A connection to PostgreSQL, on which the statements of many requests are under way at once; it is made
/// when it is first needed, and anew when it was lost.
pub(crate) struct Database {
    config: Config,
    client: Mutex<Option<Arc<Client>>>,
}

impl Database {
    pub(crate) fn new(config: Config) -> Self {
        Self { config, client: Mutex::default() }
    }

    /// Sets a price; returns the one before.
    pub(crate) async fn set(&self, name: &str, cents: i64) -> Result<Option<i64>, Error> {
        let statement = "with before as (select cents from price where name = $1)
            insert into price values ($1, $2) on conflict (name) do update set cents = $2
            returning (select cents from before)";
        Ok(self.client().await?.query_one(statement, &[&name, &cents]).await?.get(0))
    }

    /// Looks a price up.
    pub(crate) async fn price(&self, name: &str) -> Result<Option<i64>, Error> {
        let statement = "select cents from price where name = $1";
        let row = self.client().await?.query_opt(statement, &[&name]).await?;
        Ok(row.map(|row| row.get(0)))
    }

    async fn client(&self) -> Result<Arc<Client>, Error> {
        let mut held = self.client.lock().await;
        if let Some(client) = &*held
            && !client.is_closed()
        {
            return Ok(client.clone());
        }
        let (client, connection) = self.config.connect(NoTls).await?;
        // It drives what its clients ask for, on a worker of this library's.
        netpoll::spawn(async move {
            if let Err(error) = connection.await {
                tracing::warn!(%error, "the connection to the database has ended");
            }
        });
        client.batch_execute(TABLE).await?;
        let client = Arc::new(client);
        *held = Some(client.clone());
        Ok(client)
    }
}
