//! Many answers to one request, with backpressure.

use std::{future::poll_fn, pin::pin, task::Poll};

use futures_core::Stream;

use super::{
    call::{Flow, Out},
    reply::IntoReply,
};
use crate::error::Result;

/// Answers that are sent before the last one is made: past so many bytes.
const GATHER: usize = 32 * 1024;

/// Many answers to one request: those of an iterator, or of a [`FromStream`].
///
/// They leave as they are made, some tens of KiB at a time. While the peer takes none and more than
/// `write_high` bytes are pending, the next one is not asked for.
///
/// ```
/// use netpoll::{Frame, Replies};
///
/// #[derive(Frame)]
/// struct Count {
///     n: u32,
/// }
///
/// #[netpoll::on_request]
/// fn count(upto: Count) -> Replies<impl Iterator<Item = Count>> {
///     Replies((0..upto.n).map(|n| Count { n }))
/// }
/// # let _ = count {};
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Replies<I>(pub I);

/// A stream whose items are answers: `Replies(FromStream(stream))`. While it has no next one, what was
/// answered so far is sent.
#[derive(Clone, Copy, Debug)]
pub struct FromStream<S>(pub S);

impl<I, P> IntoReply<P> for Replies<I>
where
    I: Iterator<Item: IntoReply<P> + Send> + Send,
    P: Send,
{
    async fn reply(self, put: &mut P, out: &mut Out<'_>) -> Result<Flow> {
        for item in self.0 {
            let flow = item.reply(put, out).await?;
            if flow != Flow::Continue {
                return Ok(flow);
            }
            if out.len() >= GATHER {
                out.flush_async().await?;
            }
        }
        Ok(Flow::Continue)
    }
}

impl<S, P> IntoReply<P> for Replies<FromStream<S>>
where
    S: Stream<Item: IntoReply<P> + Send> + Send,
    P: Send,
{
    async fn reply(self, put: &mut P, out: &mut Out<'_>) -> Result<Flow> {
        let mut stream = pin!(self.0.0);
        // What a flush left, since it waits for the answers before it.
        let mut held = 0;
        loop {
            let ready = poll_fn(|cx| match stream.as_mut().poll_next(cx) {
                Poll::Ready(item) => Poll::Ready(Some(item)),
                Poll::Pending if out.len() == held => Poll::Pending,
                Poll::Pending => Poll::Ready(None),
            });
            match ready.await {
                // What is there leaves before the wait.
                None => {
                    out.flush_async().await?;
                    held = out.len();
                }
                Some(None) => return Ok(Flow::Continue),
                Some(Some(item)) => {
                    let flow = item.reply(put, out).await?;
                    if flow != Flow::Continue {
                        return Ok(flow);
                    }
                    if out.len() >= GATHER {
                        out.flush_async().await?;
                    }
                }
            }
        }
    }
}
