//! What tokio's I/O traits and those of futures-io have in common. Both files bring the traits into scope
//! under the same names, and say which half of a stream a method is for.

/// Implements `AsyncBufRead` for a type whose reading half is `$half`.
macro_rules! buffered {
    ($type:ty, |$this:ident| $half:expr) => {
        impl AsyncBufRead for $type {
            fn poll_fill_buf(
                self: Pin<&mut Self>,
                cx: &mut Context<'_>,
            ) -> Poll<io::Result<&[u8]>> {
                let $this = self.get_mut();
                let half: &mut ReadHalf = $half;
                ready!(half.poll_fill(cx))?;
                Poll::Ready(Ok(half.chunk()))
            }

            fn consume(self: Pin<&mut Self>, n: usize) {
                let $this = self.get_mut();
                let half: &mut ReadHalf = $half;
                half.consume(n);
            }
        }
    };
}

/// Implements what `AsyncWrite` has in both crates, for a type whose writing half is `$half`.
macro_rules! writes {
    (|$this:ident| $half:expr) => {
        fn poll_write(
            self: Pin<&mut Self>,
            cx: &mut Context<'_>,
            bytes: &[u8],
        ) -> Poll<io::Result<usize>> {
            self.poll_write_vectored(cx, &[IoSlice::new(bytes)])
        }

        fn poll_write_vectored(
            self: Pin<&mut Self>,
            cx: &mut Context<'_>,
            parts: &[IoSlice<'_>],
        ) -> Poll<io::Result<usize>> {
            let $this = self.get_mut();
            let half: &mut WriteHalf = $half;
            half.poll_write(cx, parts)
        }

        fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
            let $this = self.get_mut();
            let half: &mut WriteHalf = $half;
            half.poll_flush(cx)
        }
    };
}

pub(super) use {buffered, writes};
