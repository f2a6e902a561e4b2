//! The batch runner: handles the waiting requests of a connection, batch by batch.

use std::{
    future::{Future, poll_fn},
    mem,
    sync::Arc,
    task::{Context, Poll, Waker},
};

use super::{
    Service,
    batch::{self, BatchOwner},
    call::{Call, Flow, Out},
    concurrent_task::ConcurrentTask,
    done::Done,
    guard::decoded,
    in_flight::{Completed, InFlight},
    inherited::inherited,
    notes::Notes,
    observed::{Pending, outcome},
    request::Take,
};
use crate::{
    buf::LinkBuffer,
    conn::{Connection, Deadline},
    counters::{self, Counter},
    error::Result,
    guard::{self, Place},
    observe::Watch,
    sched::{
        BoxFuture, is_late,
        turn::{About, Scratch, Turn},
    },
};

/// A request that waits.
pub(super) struct Job<S: Service> {
    pub(super) held: <S::Request as Take>::Held,
    pub(super) session: S::Session,
    pub(super) deadline: Deadline,
    /// Its measurement, if it is observed.
    pub(super) watch: Option<Watch>,
    pub(super) notes: Option<Box<Notes>>,
}

/// The runner of a connection's batches. It is in the run queue once for each queued batch.
pub(super) struct BatchRunner<S: Service> {
    table: Arc<InFlight<Job<S>>>,
    service: Arc<S>,
    conn: Connection,
}

/// A handler's request and surroundings, on the heap: a future that is not ready at once takes it along.
struct RequestContext<S: Service> {
    service: Arc<S>,
    conn: Connection,
    ordered: bool,
    job: Option<Job<S>>,
    /// Continues in the memory block of the answer before.
    out: LinkBuffer,
}

impl<S: Service> BatchRunner<S> {
    pub(super) fn new(
        table: &Arc<InFlight<Job<S>>>,
        service: &Arc<S>,
        conn: &Connection,
    ) -> Arc<Self> {
        let (table, service, conn) = (table.clone(), service.clone(), conn.clone());
        Arc::new(Self { table, service, conn })
    }

    fn context(&self) -> Box<RequestContext<S>> {
        Box::new(RequestContext {
            service: self.service.clone(),
            conn: self.conn.clone(),
            ordered: self.table.ordered,
            job: None,
            out: LinkBuffer::new(),
        })
    }
}

impl<S: Service> BatchOwner for BatchRunner<S> {
    type Job = Job<S>;

    fn in_flight(&self) -> &InFlight<Job<S>> {
        &self.table
    }

    fn queue_batches(self: &Arc<Self>, batches: usize) {
        for _ in 0..batches {
            self.conn.conn.queue(self.clone());
        }
    }

    fn wake_turn(&self) {
        self.conn.conn.wake_turn();
    }

    fn spawn(&self, task: BoxFuture<()>) {
        self.conn.conn.spawn(task);
    }

    fn is_late(&self) -> bool {
        is_late()
    }
}

impl<S: Service> Turn for BatchRunner<S> {
    fn about(&self) -> About {
        About { connection: Some(self.conn.conn.id()), inline: false }
    }

    fn run(self: Arc<Self>, _scratch: &mut Scratch) {
        let mut slot = Box::pin(None);
        let mut spare: Option<Box<RequestContext<S>>> = None;
        batch::run(&self, |number, mut job| {
            if self.conn.conn.is_ending() {
                // A handler has closed the connection: no request after that one starts.
                guard::discard(Place::SessionDrop, job);
                let done = Done { out: LinkBuffer::new(), result: Ok(Flow::Continue) };
                return Some(Completed::new(done, false));
            }
            let (deadline, mut watch) = (job.deadline, job.watch.take());
            counters::add(Counter::Requests, 1);
            if let Some(watch) = &mut watch {
                watch.begin();
            }
            let mut context = spare.take().unwrap_or_else(|| self.context());
            context.job = Some(job);
            slot.set(Some(handle(context)));
            let future = slot.as_mut().as_pin_mut().expect("it was just set");
            // No waker is needed: a future that is not ready is polled again as a task.
            let polled =
                guard::poll(Place::Handler, future, &mut Context::from_waker(Waker::noop()));
            if let Some(watch) = &mut watch {
                watch.end_poll();
            }
            let done = match polled {
                Poll::Ready(Ok((mut context, result))) => {
                    let out = context.take_out();
                    spare = Some(context);
                    Done { out, result }
                }
                Poll::Ready(Err(panicked)) => {
                    Done { out: LinkBuffer::new(), result: Err(panicked.into()) }
                }
                Poll::Pending => {
                    let mut future = mem::replace(&mut slot, Box::pin(None));
                    let pending = Pending::of::<S::Request>(&self.conn.conn);
                    let work = async move {
                        let polled = poll_fn(|cx| {
                            if let Some(pending) = &pending {
                                pending.resume();
                            }
                            if let Some(watch) = &mut watch {
                                watch.begin_poll();
                            }
                            let future = future.as_mut().as_pin_mut().expect("it is under way");
                            let polled = future.poll(cx);
                            if let Some(watch) = &mut watch {
                                watch.end_poll();
                            }
                            polled
                        });
                        let (mut context, result) = polled.await;
                        let done = Done { out: context.take_out(), result };
                        finish(watch.take(), &done);
                        done
                    };
                    ConcurrentTask::start(&self, number, deadline, Box::pin(work));
                    return None;
                }
            };
            finish(watch, &done);
            guard::run(Place::HandlerDrop, || slot.set(None)).ok();
            Some(Completed::new(done, false))
        });
    }
}

/// Tells that a request has ended, if it is observed.
fn finish(watch: Option<Watch>, done: &Done) {
    if let Some(watch) = watch {
        watch.end(outcome(&done.result), done.out.len());
    }
}

impl<S: Service> RequestContext<S> {
    /// Takes the answer. The next one continues behind it.
    fn take_out(&mut self) -> LinkBuffer {
        let next = self.out.split_spare();
        mem::replace(&mut self.out, next)
    }
}

/// Handles the request of `context`, and returns the context without it.
async fn handle<S: Service>(
    mut context: Box<RequestContext<S>>,
) -> (Box<RequestContext<S>>, Result<Flow>) {
    let this = &mut *context;
    let result = match this.job.as_mut() {
        None => Ok(Flow::Continue),
        Some(job) => match decoded(|| S::Request::at(&mut job.held)) {
            Err(error) => Err(error),
            Ok(request) => {
                let out = match this.ordered {
                    true => Out::held(&this.conn, &mut this.out),
                    false => Out::new(&this.conn, &mut this.out),
                };
                let out = out.with_notes(job.notes.as_deref());
                let deadline = inherited(job.deadline, S::Request::remaining(&request));
                let session = &mut job.session;
                let call = Call { conn: &this.conn, session, out, deadline };
                this.service.on_request(call, request).await
            }
        },
    };
    context.job = None;
    context.out.flush();
    (context, result)
}
