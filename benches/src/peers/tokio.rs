//! tokio's multi-thread runtime with tokio-util's `LengthDelimitedCodec`, at default settings.
//!
//! A slow handler awaits tokio's own sleep. Side by side, each request is a task, and one task for
//! each connection writes the replies that come to it by a channel. Two peers differ in when they
//! flush: after each reply, as `SinkExt::send` does, or when no other reply is ready. TLS is tokio-rustls'.

use std::io;
use std::net::TcpListener;
use std::time::Duration;

use ::tokio::io::{AsyncRead, AsyncWrite};
use ::tokio::sync::mpsc;
use bytes::{Bytes, BytesMut};
use futures_util::{FutureExt, SinkExt, StreamExt};
use tokio_rustls::TlsAcceptor;
use tokio_util::codec::{Framed, LengthDelimitedCodec};

use super::{Listen, Setup};
use crate::secure;
use crate::wire::{MAX_PAYLOAD, SLEEP_MILLIS, asks_to_sleep};

pub(super) fn serve(listen: Listen, setup: Setup) -> io::Result<()> {
    run(listen.here()?, setup, false)
}

pub(super) fn serve_batched(listen: Listen, setup: Setup) -> io::Result<()> {
    run(listen.here()?, setup, true)
}

fn run(listener: TcpListener, setup: Setup, batched: bool) -> io::Result<()> {
    listener.set_nonblocking(true)?;
    let tls = if setup.tls { Some(TlsAcceptor::from(secure::server_config()?)) } else { None };
    let runtime = ::tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let listener = ::tokio::net::TcpListener::from_std(listener)?;
        loop {
            let (stream, _) = listener.accept().await?;
            stream.set_nodelay(true)?;
            let tls = tls.clone();
            // A connection's error ends that connection.
            ::tokio::spawn(async move {
                match tls {
                    Some(tls) => serve_one(tls.accept(stream).await?, setup, batched).await,
                    None => serve_one(stream, setup, batched).await,
                }
            });
        }
    })
}

async fn serve_one<S>(stream: S, setup: Setup, batched: bool) -> io::Result<()>
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    match setup.side_by_side {
        true => side_by_side(stream, batched).await,
        false => in_series(stream, batched).await,
    }
}

fn codec() -> LengthDelimitedCodec {
    LengthDelimitedCodec::builder().max_frame_length(MAX_PAYLOAD).new_codec()
}

/// The handler: the reply is a copy of the request.
async fn handle(request: BytesMut) -> Bytes {
    if asks_to_sleep(&request) {
        ::tokio::time::sleep(Duration::from_millis(SLEEP_MILLIS)).await;
    }
    Bytes::copy_from_slice(&request)
}

async fn in_series<S>(stream: S, batched: bool) -> io::Result<()>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let mut framed = Framed::new(stream, codec());
    while let Some(request) = framed.next().await {
        framed.feed(handle(request?).await).await?;
        if batched {
            while let Some(Some(request)) = framed.next().now_or_never() {
                framed.feed(handle(request?).await).await?;
            }
        }
        SinkExt::<Bytes>::flush(&mut framed).await?;
    }
    Ok(())
}

async fn side_by_side<S>(stream: S, batched: bool) -> io::Result<()>
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let (mut sink, mut stream) = Framed::new(stream, codec()).split();
    let (replies, mut to_write) = mpsc::unbounded_channel();
    ::tokio::spawn(async move {
        while let Some(reply) = to_write.recv().await {
            sink.feed(reply).await?;
            while batched && let Ok(reply) = to_write.try_recv() {
                sink.feed(reply).await?;
            }
            sink.flush().await?;
        }
        io::Result::Ok(())
    });
    while let Some(request) = stream.next().await {
        let request = request?;
        let replies = replies.clone();
        ::tokio::spawn(async move { replies.send(handle(request).await) });
    }
    Ok(())
}
