//! This project's proxy, as the example `proxy`.

use std::io;
use std::net::{SocketAddr, TcpListener};

use netpoll::{Connection, Detach, Dialer, EventLoop, Result, copy_bidirectional};

struct Proxy {
    to: SocketAddr,
}

#[netpoll::server]
impl Proxy {
    #[on_connect]
    async fn enter(&self, client: &Connection) -> Result<Detach> {
        let dialer = Dialer::new().beside(client).write_timeout(None);
        let server = dialer.dial_async(self.to).await?;
        let client = client.clone();
        Ok(Detach::then(async move {
            // A connection's error ends that connection.
            let _ = copy_bidirectional(&client, &server).await;
        }))
    }
}

pub(super) fn serve(listener: TcpListener, to: SocketAddr) -> io::Result<()> {
    let server = EventLoop::builder(Proxy { to }).keep_half_open(true).write_timeout(None);
    server.adopt(listener).bind().and_then(EventLoop::serve).map(drop).map_err(io::Error::other)
}
