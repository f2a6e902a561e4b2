//! A connection without bytes, whose turn and workers use the in-flight table as the real ones do.

use std::{
    collections::VecDeque,
    future::poll_fn,
    mem,
    sync::Arc,
    task::{Poll, Waker},
};

use super::super::{
    batch::{self, BatchOwner},
    call::Flow,
    concurrent_task::ConcurrentTask,
    done::Done,
    in_flight::{Added, Completed, InFlight},
};
use crate::{
    buf::LinkBuffer,
    conn::Deadline,
    error::{Error, ErrorKind, Result},
    primitive::{
        Condvar, Mutex,
        atomic::{
            AtomicBool, AtomicUsize,
            Ordering::{AcqRel, Acquire, Release},
        },
        thread, wait,
    },
    sched::{BoxFuture, block_on, state_word::StateWord},
};

const WAKE: u32 = 1 << 2;

/// What a request does.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Work {
    /// Is answered at once, with nothing but bytes.
    Plain,
    /// Is answered at once, with what ends the connection as a rule: nothing shares its answer.
    Lone,
    /// Blocks its worker until an answer has left.
    Blocks,
    /// Waits for [`Model::come`] as a future.
    Waits,
}

/// What is ready, in the order in which it became so.
enum Ready {
    Turn,
    Batch,
    Task(BoxFuture<()>),
}

/// A connection without bytes, and its queue.
pub(super) struct Model {
    table: InFlight<Request>,
    state_word: StateWord,
    /// What the peer has sent.
    input: Mutex<VecDeque<(usize, Work)>>,
    queue: Mutex<VecDeque<Ready>>,
    pushed: Condvar,
    /// Requests that have begun and have not ended.
    inside: AtomicUsize,
    most: usize,
    /// Answers that have left: by the request, or 0 each for those that had one in common.
    left: Mutex<Vec<usize>>,
    leaves: Condvar,
    /// What waiting requests wait for, and whom they have told.
    has_come: AtomicBool,
    waits: Mutex<Vec<Waker>>,
    /// The turn is to end the connection.
    pub(super) closes: AtomicBool,
    pub(super) ends: AtomicUsize,
    /// Batches lose their pollers.
    late: bool,
    /// Held by each request that has not ended.
    pub(super) alive: Arc<()>,
}

pub(super) struct Request {
    /// From 1 on.
    id: usize,
    work: Work,
    _alive: Arc<()>,
}

/// A handler that has begun.
struct Inside(Arc<Model>);

impl Drop for Inside {
    fn drop(&mut self) {
        self.0.inside.fetch_sub(1, AcqRel);
    }
}

impl Model {
    pub(super) fn new(ordered: bool, late: bool, input: &[Work]) -> Arc<Self> {
        let most = 2;
        let input = input.iter().enumerate().map(|(n, work)| (n + 1, *work));
        let model = Arc::new(Self {
            table: InFlight::new(most, ordered),
            state_word: StateWord::new(0),
            input: Mutex::new(input.collect()),
            queue: Mutex::default(),
            pushed: Condvar::new(),
            inside: AtomicUsize::new(0),
            most,
            left: Mutex::default(),
            leaves: Condvar::new(),
            has_come: AtomicBool::new(false),
            waits: Mutex::default(),
            closes: AtomicBool::new(false),
            ends: AtomicUsize::new(0),
            late,
            alive: Arc::default(),
        });
        model.wake_turn();
        model
    }

    fn push(&self, ready: Ready) {
        self.queue.lock().push_back(ready);
        self.pushed.notify_one();
    }

    /// As `ConnectionHandler::step`: sends what has completed, and begins requests while there is room.
    fn turn(self: &Arc<Self>) {
        self.state_word.begin();
        if self.closes.load(Acquire) {
            self.close();
        } else {
            self.step();
        }
        if self.state_word.end(false) {
            self.push(Ready::Turn);
        }
    }

    fn step(self: &Arc<Self>) {
        let full = loop {
            let (completed, full) = self.table.next_answer();
            let Some(Completed { done, count, .. }) = completed else { break full };
            let mut left = self.left.lock();
            match done.result {
                Ok(_) => left.extend((0..count).map(|_| 0)),
                Err(error) => left.push(id_of(&error)),
            }
            self.leaves.notify_all();
        };
        if full {
            return;
        }
        while let Some((id, work)) = { self.input.lock().pop_front() } {
            let added = self.table.add(Request { id, work, _alive: self.alive.clone() });
            assert!(self.table.open() <= self.most);
            let Added { missing, full } = added;
            self.queue_batches(missing);
            if full {
                return;
            }
        }
    }

    /// As `ConnectionHandler::closed`, which the state_word lets run once.
    fn close(self: &Arc<Self>) {
        if self.table.is_over() {
            return;
        }
        self.table.abandon();
        let model = self.clone();
        self.table.run_at_end(Box::new(move || {
            assert_eq!(model.inside.load(Acquire), 0, "the end beside a handler");
            // A task that is gone, and whose end runs this, has dropped its request before.
            assert_eq!(Arc::strong_count(&model.alive), 1, "the end before that of a request");
            model.ends.fetch_add(1, AcqRel);
        }));
    }

    /// As `BatchRunner`'s handler.
    fn handle(self: &Arc<Self>, number: u64, request: Request) -> Option<Completed> {
        let most = self.inside.fetch_add(1, AcqRel) + 1;
        assert!(most <= self.most, "too many requests at once");
        let inside = Inside(self.clone());
        let result = match request.work {
            Work::Plain => Ok(Flow::Continue),
            Work::Lone => lone(&request),
            Work::Blocks => {
                let mut left = self.left.lock();
                while left.is_empty() {
                    left = wait(&self.leaves, left);
                }
                drop(left);
                lone(&request)
            }
            Work::Waits => {
                let work = async move {
                    let (inside, request) = (inside, request);
                    inside.0.come().await;
                    done(lone(&request))
                };
                ConcurrentTask::start(self, number, Deadline::NONE, Box::pin(work));
                return None;
            }
        };
        Some(Completed::new(done(result), false))
    }

    /// What a request waits for.
    async fn come(&self) {
        poll_fn(|cx| {
            self.waits.lock().push(cx.waker().clone());
            if self.has_come.load(Acquire) { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
    }

    /// It comes.
    pub(super) fn tell(&self) {
        self.has_come.store(true, Release);
        mem::take(&mut *self.waits.lock()).into_iter().for_each(Waker::wake);
    }

    fn run(self: &Arc<Self>, ready: Ready) {
        match ready {
            Ready::Turn => self.turn(),
            Ready::Batch => batch::run(self, |number, request| self.handle(number, request)),
            Ready::Task(task) => block_on::wait_for(task, None).unwrap(),
        }
    }

    /// A worker that runs what is ready, now.
    pub(super) fn work(self: &Arc<Self>) {
        while let Some(ready) = { self.queue.lock().pop_front() } {
            self.run(ready);
        }
    }

    /// A worker that waits for what becomes ready, until so many answers have left.
    pub(super) fn work_until(self: &Arc<Self>, answers: usize) {
        loop {
            let ready = {
                let mut queue = self.queue.lock();
                loop {
                    if let Some(ready) = queue.pop_front() {
                        break ready;
                    }
                    if self.left.lock().len() == answers {
                        self.pushed.notify_all();
                        return;
                    }
                    queue = wait(&self.pushed, queue);
                }
            };
            self.run(ready);
        }
    }

    /// Runs `f` on another thread.
    pub(super) fn beside(
        self: &Arc<Self>,
        f: impl FnOnce(&Arc<Self>) + 'static,
    ) -> thread::JoinHandle<()> {
        let model = self.clone();
        thread::spawn(move || f(&model))
    }

    /// All requests have ended, and these answers have left.
    pub(super) fn assert_left(&self, answers: &[usize]) {
        let mut left = self.left.lock().clone();
        if !self.table.ordered {
            left.sort_unstable();
        }
        assert_eq!(left, answers);
        assert_eq!(self.table.open(), 0);
        assert_eq!(Arc::strong_count(&self.alive), 1);
    }
}

impl BatchOwner for Model {
    type Job = Request;

    fn in_flight(&self) -> &InFlight<Request> {
        &self.table
    }

    fn queue_batches(self: &Arc<Self>, batches: usize) {
        (0..batches).for_each(|_| self.push(Ready::Batch));
    }

    fn wake_turn(&self) {
        if StateWord::must_queue(self.state_word.notify(WAKE)) {
            self.push(Ready::Turn);
        }
    }

    fn spawn(&self, task: BoxFuture<()>) {
        self.push(Ready::Task(task));
    }

    fn is_late(&self) -> bool {
        self.late
    }
}

fn done(result: Result<Flow>) -> Done {
    Done { out: LinkBuffer::new(), result }
}

/// The answer that names its request.
fn lone(request: &Request) -> Result<Flow> {
    Err(Error::new(ErrorKind::Malformed, request.id.to_string()))
}

fn id_of(error: &Error) -> usize {
    error.to_string().split(": ").find_map(|word| word.parse().ok()).expect("it names its request")
}
