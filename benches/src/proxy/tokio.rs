//! A proxy of tokio's parts.

use std::io;
use std::net::{SocketAddr, TcpListener};

use ::tokio::io::copy_bidirectional;
use ::tokio::net::TcpStream;

pub(super) fn serve(listener: TcpListener, to: SocketAddr) -> io::Result<()> {
    listener.set_nonblocking(true)?;
    let runtime = ::tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let listener = ::tokio::net::TcpListener::from_std(listener)?;
        loop {
            let (client, _) = listener.accept().await?;
            // A connection's error ends that connection.
            ::tokio::spawn(pass(client, to));
        }
    })
}

async fn pass(mut client: TcpStream, to: SocketAddr) -> io::Result<()> {
    client.set_nodelay(true)?;
    let mut server = TcpStream::connect(to).await?;
    server.set_nodelay(true)?;
    copy_bidirectional(&mut client, &mut server).await?;
    Ok(())
}
