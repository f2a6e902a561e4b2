//! Streams by the I/O traits of the crate `futures-io`.

use std::{
    io::{self, IoSlice},
    pin::Pin,
    task::{Context, Poll, ready},
};

use futures_io::{AsyncBufRead, AsyncRead, AsyncWrite};

use super::{
    ByteStream, ReadHalf, WriteHalf,
    common::{buffered, writes},
};

impl AsyncRead for ReadHalf {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        to: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        self.get_mut().poll_copy(cx, to)
    }
}

impl AsyncRead for ByteStream {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        to: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        self.get_mut().read.poll_copy(cx, to)
    }
}

buffered!(ReadHalf, |this| this);
buffered!(ByteStream, |this| &mut this.read);

impl AsyncWrite for WriteHalf {
    writes!(|this| this);

    fn poll_close(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.get_mut().poll_shutdown(cx)
    }
}

impl AsyncWrite for ByteStream {
    writes!(|this| &mut this.write);

    fn poll_close(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.get_mut().write.poll_shutdown(cx)
    }
}
