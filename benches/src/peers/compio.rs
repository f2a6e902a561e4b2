//! compio: a thread-per-core runtime on completions (io_uring here), at default settings.
//!
//! All replies to what one read brought go out by one write. Side by side, each request is a task,
//! and one task for each connection writes.

use std::io;
use std::time::Duration;

use ::compio::buf::{BufResult, IntoInner, IoBuf};
use ::compio::io::{AsyncRead, AsyncWriteExt};
use ::compio::net::TcpStream;
use ::tokio::sync::mpsc;

use super::inbox::Inbox;
use super::{Listen, Setup};
use crate::wire::{LENGTH_BYTES, SLEEP_MILLIS, asks_to_sleep};

pub(super) fn serve(listen: Listen, setup: Setup) -> io::Result<()> {
    let listener = listen.here()?;
    ::compio::runtime::Runtime::new()?.block_on(async {
        let listener = ::compio::net::TcpListener::from_std(listener)?;
        loop {
            let (stream, _) = listener.accept().await?;
            stream.set_nodelay(true)?;
            // A connection's error ends that connection.
            ::compio::runtime::spawn(async move {
                let _ = match setup.side_by_side {
                    true => side_by_side(stream).await,
                    false => in_series(stream).await,
                };
            })
            .detach();
        }
    })
}

/// Reads once; false at the end.
async fn receive(stream: &mut TcpStream, inbox: &mut Inbox) -> io::Result<bool> {
    let bytes = inbox.lend()?;
    let at = bytes.len();
    let BufResult(read, slice) = stream.read(bytes.slice(at..)).await;
    inbox.give_back(slice.into_inner());
    Ok(read? > 0)
}

async fn handle(frame: &[u8], out: &mut Vec<u8>) {
    if asks_to_sleep(&frame[LENGTH_BYTES..]) {
        ::compio::runtime::time::sleep(Duration::from_millis(SLEEP_MILLIS)).await;
    }
    out.extend_from_slice(frame);
}

async fn in_series(mut stream: TcpStream) -> io::Result<()> {
    let mut inbox = Inbox::default();
    let mut out = Vec::new();
    while receive(&mut stream, &mut inbox).await? {
        while let Some(frame) = inbox.next()? {
            handle(frame, &mut out).await;
        }
        if !out.is_empty() {
            let BufResult(written, bytes) = stream.write_all(out).await;
            written?;
            out = bytes;
            out.clear();
        }
    }
    Ok(())
}

async fn side_by_side(stream: TcpStream) -> io::Result<()> {
    let (mut reader, mut writer) = stream.into_split();
    let (replies, mut to_write) = mpsc::unbounded_channel::<Vec<u8>>();
    ::compio::runtime::spawn(async move {
        while let Some(mut out) = to_write.recv().await {
            while let Ok(reply) = to_write.try_recv() {
                out.extend_from_slice(&reply);
            }
            if writer.write_all(out).await.0.is_err() {
                return;
            }
        }
    })
    .detach();
    let mut inbox = Inbox::default();
    while receive(&mut reader, &mut inbox).await? {
        while let Some(frame) = inbox.next()? {
            let frame = frame.to_vec();
            let replies = replies.clone();
            ::compio::runtime::spawn(async move {
                let mut reply = Vec::with_capacity(frame.len());
                handle(&frame, &mut reply).await;
                // The connection may be gone by now.
                let _ = replies.send(reply);
            })
            .detach();
        }
    }
    Ok(())
}
