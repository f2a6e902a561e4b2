//! The runner: handles the requests of a connection that wait on its board.

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
    board::{Board, Landed},
    call::{Call, Flow, Out},
    flight::Flight,
    request::Take,
    run::{self, Owner},
    served::Done,
};
use crate::{
    buf::LinkBuffer,
    conn::{Connection, Deadline, state::event},
    error::{Error, Result},
    sched::{
        BoxFuture, is_late, panic_error,
        turn::{Scratch, Turn},
    },
};

/// A request that waits.
pub(super) struct Job<S: Service> {
    pub(super) held: <S::Request as Take>::Held,
    pub(super) session: S::Session,
    pub(super) deadline: Deadline,
}

/// See the module's documentation. It is in the queue once for each run.
pub(super) struct Runner<S: Service> {
    board: Arc<Board<Job<S>>>,
    service: Arc<S>,
    conn: Connection,
}

/// What a handler works with: on the heap, since a future that is not ready at once takes it along.
struct Kit<S: Service> {
    service: Arc<S>,
    conn: Connection,
    ordered: bool,
    job: Option<Job<S>>,
    /// Goes on in the block of the answer before.
    out: LinkBuffer,
}

impl<S: Service> Runner<S> {
    pub(super) fn new(
        board: &Arc<Board<Job<S>>>,
        service: &Arc<S>,
        conn: &Connection,
    ) -> Arc<Self> {
        let (board, service, conn) = (board.clone(), service.clone(), conn.clone());
        Arc::new(Self { board, service, conn })
    }

    fn kit(&self) -> Box<Kit<S>> {
        Box::new(Kit {
            service: self.service.clone(),
            conn: self.conn.clone(),
            ordered: self.board.ordered,
            job: None,
            out: LinkBuffer::new(),
        })
    }
}

impl<S: Service> Owner for Runner<S> {
    type Job = Job<S>;

    fn board(&self) -> &Board<Job<S>> {
        &self.board
    }

    fn queue_runs(self: &Arc<Self>, runs: usize) {
        for _ in 0..runs {
            self.conn.conn.shard.push(self.clone());
        }
    }

    fn wake_turn(&self) {
        self.conn.conn.schedule(event::WAKE);
    }

    fn spawn(&self, task: BoxFuture<()>) {
        self.conn.conn.runtime.spawn_at(&self.conn.conn.shard, task);
    }

    fn is_late(&self) -> bool {
        is_late()
    }
}

impl<S: Service> Turn for Runner<S> {
    fn run(self: Arc<Self>, _scratch: &mut Scratch) {
        let mut slot = Box::pin(None);
        let mut spare: Option<Box<Kit<S>>> = None;
        run::run(&self, |number, job| {
            let deadline = job.deadline;
            let mut kit = spare.take().unwrap_or_else(|| self.kit());
            kit.job = Some(job);
            slot.set(Some(handle(kit)));
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
                    Flight::start(&self, number, deadline, Box::pin(work));
                    return None;
                }
            };
            slot.set(None);
            Some(Landed::new(done, false))
        });
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
async fn handle<S: Service>(mut kit: Box<Kit<S>>) -> (Box<Kit<S>>, Result<Flow>) {
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
