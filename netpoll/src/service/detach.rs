//! The order to detach a connection from its service.

use std::{fmt, future::Future};

use crate::sched::BoxFuture;

/// Detaches a connection from its server, as the result of `on_connect`: for a server that speaks first, or
/// that passes bytes on without reading a request.
///
/// The connection goes on without handlers, and belongs to whoever has a handle of it: the last one that is
/// dropped closes it. It still counts towards the server's `max_connections`, and a shutdown ends it.
///
/// ```no_run
/// use netpoll::{Connection, Detach, Dialer, Result, copy_bidirectional};
///
/// struct Proxy;
///
/// #[netpoll::server(listen = "127.0.0.1:5000")]
/// impl Proxy {
///     #[on_connect]
///     async fn enter(&self, client: &Connection) -> Result<Detach> {
///         let server = Dialer::new().beside(client).dial_async("127.0.0.1:5001").await?;
///         let client = client.clone();
///         Ok(Detach::then(async move {
///             if let Err(error) = copy_bidirectional(&client, &server).await {
///                 eprintln!("{error}");
///             }
///         }))
///     }
/// }
/// # Proxy.serve().unwrap();
/// ```
#[derive(Default)]
#[must_use = "it takes effect when `on_connect` returns it"]
pub struct Detach {
    task: Option<BoxFuture<()>>,
}

impl Detach {
    /// Creates an order after which nothing else is run: somebody else has a handle.
    pub fn new() -> Self {
        Self::default()
    }

    /// Creates an order after which workers run `task`. It begins when the connection is detached, so that
    /// [`reader`](crate::Connection::reader) gives it the reader at once.
    pub fn then(task: impl Future<Output = ()> + Send + 'static) -> Self {
        Self { task: Some(Box::pin(task)) }
    }

    pub(super) fn into_task(self) -> Option<BoxFuture<()>> {
        self.task
    }
}

impl fmt::Debug for Detach {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Detach").field("task", &self.task.is_some()).finish()
    }
}
