//! The runner: handles the requests that wait on a connection's board, one after the other.

use std::{
    future::Future,
    mem,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, Waker},
};

use super::{
    Service,
    call::{Call, Flow, Out},
    flight::Flight,
    flights::{Begun, Flights, Job, Landed, Next},
    request::Take,
    served::Done,
};
use crate::{
    buf::LinkBuffer,
    conn::{Connection, state::event},
    error::{Error, Result},
    sched::{
        is_late, panic_error,
        turn::{Desk, Turn},
    },
};

/// Requests that one run handles at most: then the rest goes to the back of the queue.
const REQUESTS: usize = 128;

/// See the module's documentation. It is in the queue once for each run.
pub(super) struct Runner<S: Service> {
    flights: Arc<Flights<S>>,
    service: Arc<S>,
    conn: Connection,
}

/// What a handler works with: on the heap, since a future that is not ready at once takes it along.
pub(super) struct Kit<S: Service> {
    service: Arc<S>,
    conn: Connection,
    ordered: bool,
    job: Option<Job<S>>,
    /// Goes on in the block of the answer before.
    out: LinkBuffer,
}

impl<S: Service> Runner<S> {
    pub(super) fn new(flights: &Arc<Flights<S>>, service: &Arc<S>, conn: &Connection) -> Arc<Self> {
        let (flights, service, conn) = (flights.clone(), service.clone(), conn.clone());
        Arc::new(Self { flights, service, conn })
    }

    /// Queues so many runs.
    pub(super) fn queue(self: &Arc<Self>, runs: usize) {
        for _ in 0..runs {
            self.conn.conn.home.push(self.clone());
        }
    }

    fn kit(&self) -> Box<Kit<S>> {
        Box::new(Kit {
            service: self.service.clone(),
            conn: self.conn.clone(),
            ordered: self.flights.ordered,
            job: None,
            out: LinkBuffer::new(),
        })
    }

    /// Handles what waits, `most` requests at most. Whether there was any.
    fn handle(self: &Arc<Self>, most: usize) -> bool {
        let mut slot = Box::pin(None);
        let mut spare: Option<Box<Kit<S>>> = None;
        let mut landed = None;
        for ran in 0.. {
            let Next { job, missing, end } = self.flights.next_job(landed.take(), ran < most);
            self.queue(missing);
            if let Some(end) = end {
                end();
            }
            let Some(job) = job else { return ran > 0 };
            let (number, deadline) = (job.number, job.deadline);
            let mut kit = spare.take().unwrap_or_else(|| self.kit());
            kit.job = Some(job);
            slot.set(Some(run(kit)));
            let future = slot.as_mut().as_pin_mut().expect("it was just set");
            // A waker is for who waits: a future that is not ready is polled again as a task.
            let done = match poll(future, &mut Context::from_waker(Waker::noop())) {
                Poll::Ready(Ok((mut kit, result))) => {
                    let out = kit.take_out();
                    spare = Some(kit);
                    Done { out, result }
                }
                Poll::Ready(Err(error)) => Done { out: LinkBuffer::new(), result: Err(error) },
                Poll::Pending => {
                    let mut future = mem::replace(&mut slot, Box::pin(None));
                    let work = async move {
                        let future = future.as_mut().as_pin_mut().expect("it is under way");
                        let (mut kit, result) = future.await;
                        Done { out: kit.take_out(), result }
                    };
                    Flight::start(&self.flights, &self.conn, number, deadline, Box::pin(work));
                    continue;
                }
            };
            slot.set(None);
            landed = Some((number, Landed::new(done, false)));
        }
        unreachable!("a run ends with its last request")
    }
}

impl<S: Service> Turn for Runner<S> {
    fn run(self: Arc<Self>, _desk: &mut Desk) {
        let Begun { answers_wait, heavy } = self.flights.begin_run();
        if answers_wait {
            // Of a run that may be in a handler which takes long.
            self.conn.conn.schedule(event::WAKE);
        }
        if self.handle(if heavy { 1 } else { REQUESTS }) {
            self.flights.end_run(is_late());
            self.conn.conn.schedule(event::WAKE);
        }
    }
}

impl<S: Service> Kit<S> {
    /// The answer. What comes next goes on behind it.
    fn take_out(&mut self) -> LinkBuffer {
        let next = self.out.split_spare();
        mem::replace(&mut self.out, next)
    }
}

/// Handles the kit's request, and gives the kit back without it.
async fn run<S: Service>(mut kit: Box<Kit<S>>) -> (Box<Kit<S>>, Result<Flow>) {
    let this = &mut *kit;
    let result = match this.job.as_mut() {
        None => Ok(Flow::Continue),
        Some(job) => match S::Request::at(&mut job.held) {
            Err(error) => Err(error),
            Ok(request) => {
                let out = match this.ordered {
                    true => Out::held(&this.conn, &mut this.out),
                    false => Out::new(&this.conn, &mut this.out),
                };
                let (session, deadline) = (&mut job.session, job.deadline);
                let call = Call { conn: &this.conn, session, out, deadline };
                this.service.on_request(call, request).await
            }
        },
    };
    kit.job = None;
    kit.out.flush();
    (kit, result)
}

/// Polls; a panic is an error.
pub(super) fn poll<F: Future + ?Sized>(
    future: Pin<&mut F>,
    cx: &mut Context<'_>,
) -> Poll<Result<F::Output, Error>> {
    catch_unwind(AssertUnwindSafe(|| future.poll(cx)))
        .map_or_else(|payload| Poll::Ready(Err(panic_error(&*payload))), |polled| polled.map(Ok))
}
