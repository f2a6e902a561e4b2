//! tokio: a task for each caller, a pool behind a channel, or shared connections with a task that
//! writes and a task that reads.

use std::collections::HashMap;
use std::io;
use std::sync::{Arc, Mutex};
use std::time::Instant;

use ::tokio::net::TcpStream;
use ::tokio::sync::{mpsc, oneshot};
use bytes::{Bytes, BytesMut};
use futures_util::{SinkExt, StreamExt};
use tokio_util::codec::{Framed, LengthDelimitedCodec};

use super::{Caller, Meter, Report, Shape, differs};
use crate::wire::MAX_PAYLOAD;

type Frames = Framed<TcpStream, LengthDelimitedCodec>;

pub(super) fn run(shape: Shape) -> io::Result<Report> {
    let runtime = ::tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let meter = Arc::new(Meter::default());
    let callers = runtime.block_on(start(shape.clone(), meter.clone()))?;
    let spent = meter.time(&shape)?;
    runtime.block_on(async {
        for caller in callers {
            caller.await.map_err(io::Error::other)??;
        }
        io::Result::Ok(())
    })?;
    Ok(meter.report(spent))
}

type Callers = Vec<::tokio::task::JoinHandle<io::Result<()>>>;

async fn start(shape: Shape, meter: Arc<Meter>) -> io::Result<Callers> {
    let mut conns = Vec::new();
    for _ in 0..shape.conns {
        let stream = TcpStream::connect(&shape.addr).await?;
        stream.set_nodelay(true)?;
        let codec = LengthDelimitedCodec::builder().max_frame_length(MAX_PAYLOAD).new_codec();
        conns.push(Framed::new(stream, codec));
    }
    let size = shape.size;
    if shape.shared {
        let shared: Vec<_> = conns.into_iter().map(Shared::start).collect();
        let caller = |index: usize| {
            let (conn, meter) = (shared[index % shared.len()].clone(), meter.clone());
            ::tokio::spawn(async move {
                let mut caller = Caller::new(&meter, size)?;
                let result = call_shared(&mut caller, &conn).await;
                caller.end(result);
                Ok(())
            })
        };
        return Ok((0..shape.callers).map(caller).collect());
    }
    let pool = Arc::new(Pool::new(conns));
    let caller = |_| {
        let (pool, meter) = (pool.clone(), meter.clone());
        ::tokio::spawn(async move {
            let mut caller = Caller::new(&meter, size)?;
            let result = call_pooled(&mut caller, &pool).await;
            caller.end(result);
            Ok(())
        })
    };
    Ok((0..shape.callers).map(caller).collect())
}

/// Idle connections, and a permit for each.
struct Pool {
    idle: Mutex<Vec<Frames>>,
    permits: ::tokio::sync::Semaphore,
}

impl Pool {
    fn new(conns: Vec<Frames>) -> Self {
        let permits = ::tokio::sync::Semaphore::new(conns.len());
        Self { idle: Mutex::new(conns), permits }
    }
}

async fn call_pooled(caller: &mut Caller<'_>, pool: &Pool) -> io::Result<()> {
    loop {
        let begin = Instant::now();
        let permit = pool.permits.acquire().await.map_err(io::Error::other)?;
        let conn = pool.idle.lock().expect("no caller panics").pop();
        let mut conn = conn.expect("a connection for each permit");
        conn.send(Bytes::copy_from_slice(caller.payload(1))).await?;
        let reply = conn.next().await.ok_or(io::ErrorKind::UnexpectedEof)??;
        pool.idle.lock().expect("no caller panics").push(conn);
        drop(permit);
        if reply != caller.payload(1) {
            return Err(differs());
        }
        if !caller.done(begin) {
            return Ok(());
        }
    }
}

type Waiting = Arc<Mutex<HashMap<u32, oneshot::Sender<BytesMut>>>>;

/// A connection that callers share.
#[derive(Clone)]
struct Shared {
    requests: mpsc::UnboundedSender<Bytes>,
    waiting: Waiting,
    next: Arc<std::sync::atomic::AtomicU32>,
}

impl Shared {
    fn start(frames: Frames) -> Self {
        let (mut sink, mut stream) = frames.split();
        let (requests, mut to_send) = mpsc::unbounded_channel();
        let waiting = Waiting::default();
        ::tokio::spawn(async move {
            while let Some(request) = to_send.recv().await {
                sink.feed(request).await?;
                while let Ok(request) = to_send.try_recv() {
                    sink.feed(request).await?;
                }
                sink.flush().await?;
            }
            io::Result::Ok(())
        });
        let replies = waiting.clone();
        ::tokio::spawn(async move {
            while let Some(Ok(reply)) = stream.next().await {
                let Some(sequence) = reply.first_chunk() else { break };
                let sequence = u32::from_be_bytes(*sequence);
                let caller = replies.lock().expect("no task panics").remove(&sequence);
                caller.map(|caller| caller.send(reply));
            }
            // Whoever still waits is told by the loss of its sender.
            replies.lock().expect("no task panics").clear();
        });
        Self { requests, waiting, next: Arc::default() }
    }
}

async fn call_shared(caller: &mut Caller<'_>, conn: &Shared) -> io::Result<()> {
    loop {
        let begin = Instant::now();
        let next = conn.next.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let sequence = next % crate::wire::SEQUENCES;
        let (to_caller, reply) = oneshot::channel();
        conn.waiting.lock().expect("no task panics").insert(sequence, to_caller);
        let request = Bytes::copy_from_slice(caller.payload(sequence));
        conn.requests.send(request).map_err(io::Error::other)?;
        let reply = reply.await.map_err(io::Error::other)?;
        if reply != caller.payload(sequence) {
            return Err(differs());
        }
        if !caller.done(begin) {
            return Ok(());
        }
    }
}
