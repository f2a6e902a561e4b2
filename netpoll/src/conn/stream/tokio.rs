//! Streams by tokio's I/O traits.

use std::{
    io::{self, IoSlice},
    pin::Pin,
    task::{Context, Poll, ready},
};

use tokio::io::{AsyncBufRead, AsyncRead, AsyncWrite, ReadBuf};

use super::{
    ByteStream, ReadHalf, WriteHalf,
    common::{buffered, writes},
};

impl AsyncRead for ReadHalf {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        to: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let room = to.remaining();
        if room == 0 {
            return Poll::Ready(Ok(()));
        }
        ready!(self.poll_fill(cx))?;
        let chunk = self.chunk();
        let n = chunk.len().min(room);
        to.put_slice(&chunk[..n]);
        ReadHalf::consume(&mut self, n);
        Poll::Ready(Ok(()))
    }
}

impl AsyncRead for ByteStream {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        to: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().read).poll_read(cx, to)
    }
}

buffered!(ReadHalf, |this| this);
buffered!(ByteStream, |this| &mut this.read);

impl AsyncWrite for WriteHalf {
    writes!(|this| this);

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        WriteHalf::poll_shutdown(self.get_mut(), cx)
    }
}

impl AsyncWrite for ByteStream {
    writes!(|this| &mut this.write);

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.get_mut().write.poll_shutdown(cx)
    }
}
