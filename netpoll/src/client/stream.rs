//! Streams of replies: several replies to one request, on a connection of their own.
//!
//! A stream shares its connection with no other call. So a reader that is slow holds up the server by the
//! socket's own flow control, and nobody else; and a reader that leaves ends the connection, by which the
//! server knows that nobody waits.

use std::{
    fmt,
    marker::PhantomData,
    pin::Pin,
    sync::{Arc, atomic::Ordering::Relaxed},
    task::{Context, Poll},
};

use futures_core::Stream;

use super::{call_connection::Matching, hub::Hub, options::Span, received::Received};
use crate::{
    buf::LinkSlice,
    conn::{
        Connection, Reader,
        frames::{self, Found},
    },
    dial::Dialer,
    error::{Error, ErrorKind, Result},
    frame::{self, Arena, Frame},
    guard::{self, Place},
    sched::{BoxFuture, block_on},
};

/// The replies to one request, up to the one that is marked [`last`](crate::frame::Streamed): of
/// [`Client::stream`](super::Client::stream).
///
/// It is a [`Stream`], and an [`Iterator`] that blocks the thread. It ends behind the last reply, or behind
/// an error. While nobody asks for the next reply no more are read than the socket and the reader's buffer
/// hold: then the server waits. Dropping it before its end closes its connection, which cancels the request
/// at the server.
pub struct ReplyStream<R: Frame> {
    state: State<R>,
    conn: Connection,
}

enum State<R: Frame> {
    Rests(Box<Source<R>>),
    Reads(BoxFuture<(Box<Source<R>>, Result<LinkSlice>)>),
    Over,
}

/// The frames of the connection.
struct Source<R: Frame> {
    reader: Reader,
    scan: R::Scan,
    dialer: Dialer,
    span: Span,
    address: String,
    frame: PhantomData<fn() -> R>,
}

/// Opens a connection for a stream, and sends the request that `encode` gives.
pub(super) async fn open<M: Matching, R: Frame>(
    hub: &Arc<Hub<M>>,
    span: Span,
    encode: impl FnOnce() -> Result<LinkSlice>,
) -> Result<ReplyStream<R>> {
    let opened = async {
        let endpoint = hub.endpoint().await?;
        hub.counters.dials.fetch_add(1, Relaxed);
        let endpoints = &hub.connections.endpoints;
        let made = hub.connect(&endpoint.address).await;
        match &made {
            Ok(_) => endpoints.connected(&endpoint),
            Err(error) => {
                hub.counters.failed_dials.fetch_add(1, Relaxed);
                endpoints.unreachable(&endpoint, error);
            }
        }
        let (conn, _) = made?;
        let address = endpoint.address.clone();
        let sent = match encode() {
            Ok(request) => conn.send_async(request.into()).await,
            Err(error) => Err(error),
        };
        let reader = sent.and_then(|()| conn.reader()).inspect_err(|_| conn.abort())?;
        let (dialer, scan) = (hub.dialer.clone(), R::Scan::default());
        let source = Source { reader, scan, dialer, span, address, frame: PhantomData };
        Ok(ReplyStream { state: State::Rests(Box::new(source)), conn })
    };
    match hub.dialer.within(span.until, opened).await {
        Some(opened) => opened,
        None => {
            let names = hub.connections.endpoints.names();
            let why = format!("a stream from {names}: not begun within {:?}", span.limit);
            Err(Error::new(ErrorKind::TimedOut, why))
        }
    }
}

impl<R: Frame + 'static> Source<R> {
    /// Returns the next frame if its bytes are there, or the number of bytes to wait for.
    fn find(&mut self) -> Result<Result<LinkSlice, usize>> {
        let max = self.reader.max_frame();
        let Self { reader, scan, .. } = self;
        let found = guard::run(Place::Scan, || frames::find::<R>(scan, reader.received(), max))??;
        Ok(match found {
            Found::Frame(n) => Ok(reader.slice(n)?),
            Found::Need(n) => Err(n),
        })
    }

    async fn next(&mut self) -> Result<LinkSlice> {
        loop {
            match self.find()? {
                Ok(bytes) => return Ok(bytes),
                Err(n) => {
                    let (until, dialer) = (self.span.until, self.dialer.clone());
                    match dialer.within(until, self.reader.fill_async(n)).await {
                        Some(filled) => filled?,
                        None => {
                            let limit = self.span.limit;
                            let why = format!("the last reply did not come within {limit:?}");
                            return Err(Error::new(ErrorKind::TimedOut, why));
                        }
                    }
                }
            }
        }
    }
}

/// The part of a frame that a stream acts on.
enum Kind {
    Reply,
    Last,
    /// The server drains; the stream goes on.
    Goodbye,
}

fn kind<R: Frame>(bytes: &LinkSlice) -> Result<Kind> {
    let arena = Arena::new();
    let decode = || {
        let frame = frame::decode::<R>(bytes, bytes.len(), &arena)?;
        Ok::<_, Error>(if R::says_goodbye(&frame) && R::new_goodbye().is_some() {
            Kind::Goodbye
        } else if R::ends_stream(&frame) {
            Kind::Last
        } else {
            Kind::Reply
        })
    };
    guard::run(Place::Decode, decode)?
}

impl<R: Frame + 'static> ReplyStream<R> {
    /// Waits for the next reply; `None` behind the last one.
    ///
    /// # Errors
    /// The connection's end before the last reply: `Eof`, `Io` and others; `TimedOut` if the last reply has
    /// not come within the call's timeout; `Malformed`. The stream ends with it.
    ///
    /// # Cancel safety
    /// A future that is dropped loses no reply.
    pub async fn next(&mut self) -> Option<Result<Received<R>>> {
        std::future::poll_fn(|cx| Pin::new(&mut *self).poll_next(cx)).await
    }

    fn end(&mut self, error: Option<Error>) -> Option<Result<Received<R>>> {
        self.state = State::Over;
        match error {
            None => {
                self.conn.close();
                None
            }
            Some(error) => {
                self.conn.abort();
                Some(Err(error))
            }
        }
    }

    /// Takes a frame; `None` if it is no reply.
    fn took(&mut self, source: Box<Source<R>>, bytes: LinkSlice) -> Option<Result<Received<R>>> {
        match kind::<R>(&bytes) {
            Ok(Kind::Goodbye) => {
                self.state = State::Rests(source);
                return None;
            }
            Ok(Kind::Reply) => self.state = State::Rests(source),
            Ok(Kind::Last) => {
                self.end(None);
            }
            Err(error) => return self.end(Some(error)),
        }
        Some(Ok(Received::new(bytes)))
    }
}

impl<R: Frame + 'static> Stream for ReplyStream<R> {
    type Item = Result<Received<R>>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        loop {
            match std::mem::replace(&mut this.state, State::Over) {
                State::Over => return Poll::Ready(None),
                State::Rests(mut source) => match source.find() {
                    Ok(Ok(bytes)) => {
                        if let Some(reply) = this.took(source, bytes) {
                            return Poll::Ready(Some(reply));
                        }
                    }
                    Ok(Err(_)) => {
                        this.state = State::Reads(Box::pin(async move {
                            let next = source.next().await;
                            (source, next)
                        }));
                    }
                    Err(error) => return Poll::Ready(this.end(Some(error))),
                },
                State::Reads(mut reads) => match reads.as_mut().poll(cx) {
                    Poll::Pending => {
                        this.state = State::Reads(reads);
                        return Poll::Pending;
                    }
                    Poll::Ready((source, Ok(bytes))) => {
                        if let Some(reply) = this.took(source, bytes) {
                            return Poll::Ready(Some(reply));
                        }
                    }
                    Poll::Ready((source, Err(error))) => {
                        let context = format!("a stream from {}", source.address);
                        return Poll::Ready(this.end(Some(error.context(context))));
                    }
                },
            }
        }
    }
}

impl<R: Frame + 'static> Iterator for ReplyStream<R> {
    type Item = Result<Received<R>>;

    /// Blocks this thread until the next reply; a worker gives its poller away meanwhile.
    fn next(&mut self) -> Option<Self::Item> {
        block_on(ReplyStream::next(self))
    }
}

impl<R: Frame> Drop for ReplyStream<R> {
    fn drop(&mut self) {
        if !matches!(self.state, State::Over) {
            self.conn.abort();
        }
    }
}

impl<R: Frame> fmt::Debug for ReplyStream<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let over = matches!(self.state, State::Over);
        f.debug_struct("ReplyStream").field("peer", self.conn.peer()).field("over", &over).finish()
    }
}
