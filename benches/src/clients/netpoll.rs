//! This project's client: a future for each caller, over a pool or over shared connections.

use std::io;
use std::sync::Arc;
use std::time::Instant;

use ::netpoll::client::Client;
use ::netpoll::frame::Auto;
use ::netpoll::{Frame, JoinHandle, Runtime, block_on};

use super::{Caller, Meter, Report, Shape, differs};
use crate::wire::SEQUENCES;

/// A frame with the caller's payload.
#[derive(Frame)]
struct Message<'a> {
    #[frame(len(of = rest))]
    length: Auto<u32>,
    #[frame(rest, max = "16 MiB")]
    payload: &'a [u8],
}

/// The same frame, whose payload begins with the sequence number.
#[derive(Frame)]
struct Numbered<'a> {
    #[frame(len(of = rest))]
    length: Auto<u32>,
    #[frame(seq)]
    sequence: u32,
    #[frame(rest, max = "16 MiB")]
    pattern: &'a [u8],
}

/// Bytes of the sequence number.
const TAG: usize = 4;

type Pool = Client<Message<'static>, Message<'static>>;
type Mux = Client<Numbered<'static>, Numbered<'static>>;

pub(super) fn run(shape: Shape) -> io::Result<Report> {
    let (runtime, meter) = (Runtime::global(), Arc::new(Meter::default()));
    let address = shape.addr.as_str();
    let callers: Vec<_> = if shape.shared {
        let mux = Mux::mux(address).connections(shape.conns).max_sequence(u64::from(SEQUENCES - 1));
        let mux = mux.build().map_err(io::Error::other)?;
        mux.warm_up(shape.conns).map_err(io::Error::other)?;
        (0..shape.callers).map(|_| share(runtime, mux.clone(), meter.clone(), shape.size)).collect()
    } else {
        let pool = Pool::pool(address).max_connections(shape.conns).build();
        let pool = pool.map_err(io::Error::other)?;
        pool.warm_up(shape.conns).map_err(io::Error::other)?;
        (0..shape.callers).map(|_| take(runtime, pool.clone(), meter.clone(), shape.size)).collect()
    };
    let spent = meter.time(&shape)?;
    for caller in callers {
        block_on(caller).map_err(io::Error::other)??;
    }
    Ok(meter.report(spent))
}

/// A caller that has a connection to itself for each call.
fn take(
    runtime: &Runtime,
    pool: Pool,
    meter: Arc<Meter>,
    size: usize,
) -> JoinHandle<io::Result<()>> {
    runtime.spawn(async move {
        let mut caller = Caller::new(&meter, size)?;
        let result = call_pooled(&mut caller, &pool).await;
        caller.end(result);
        Ok(())
    })
}

async fn call_pooled(caller: &mut Caller<'_>, pool: &Pool) -> io::Result<()> {
    loop {
        let begin = Instant::now();
        let payload = caller.payload(1);
        let reply = pool.call_async(Message { length: Auto::default(), payload }).await?;
        if reply.get()?.payload != payload {
            return Err(differs());
        }
        if !caller.done(begin) {
            return Ok(());
        }
    }
}

/// A caller that shares connections.
fn share(
    runtime: &Runtime,
    mux: Mux,
    meter: Arc<Meter>,
    size: usize,
) -> JoinHandle<io::Result<()>> {
    runtime.spawn(async move {
        let mut caller = Caller::new(&meter, size)?;
        let result = call_shared(&mut caller, &mux).await;
        caller.end(result);
        Ok(())
    })
}

async fn call_shared(caller: &mut Caller<'_>, mux: &Mux) -> io::Result<()> {
    loop {
        let begin = Instant::now();
        let pattern = &caller.payload(0)[TAG..];
        let request = Numbered { length: Auto::default(), sequence: 0, pattern };
        let reply = mux.call_async(request).await?;
        if reply.get()?.pattern != pattern {
            return Err(differs());
        }
        if !caller.done(begin) {
            return Ok(());
        }
    }
}
