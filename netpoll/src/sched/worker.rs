//! A worker: the thread that drives a shard, loses it, and takes another.

use std::{
    io,
    sync::{Arc, Weak},
    thread,
    time::Duration,
};

use super::{
    context::ThreadContext,
    gathered::{Gathered, List, MOST},
    ownership::Ticket,
    shard::Shard,
    shared::Shared,
    turn::{About, Ready, Scratch, Source, TOUCHED, Turn, fetch},
};
use crate::{
    counters::{self, Counter},
    guard::{self, Place},
    mem,
    poller::Events,
    sys::{BATCH, Ring},
};

/// Sends that are not worth a batch.
const FEW: usize = 2;

/// A queue this long is worth the wake-up of another worker, which costs about as much as three turns
/// on the waking side and ten on the other.
const WORTH_A_WAKE: usize = 32;

/// A queue this long is worth a look by a worker that is awake and has nothing to do.
const WORTH_A_THEFT: usize = 2;

/// The first pause after a selector failed; it doubles up to 128 times as long.
const SHORTEST_PAUSE: Duration = Duration::from_millis(1);

/// Events that one look at a poller takes.
const EVENTS: usize = 256;

/// Runs a worker's thread, which begins with `shard`.
#[inline(never)] // by this name scripts count the instructions of workers
pub(super) fn main(shared: &Weak<Shared>, shard: usize) {
    let Some(shared) = shared.upgrade() else { return };
    let tokio = shared.settings.tokio.clone();
    // For the thread's whole life: longer than whatever the worker holds of users'.
    let _entered = tokio.enter();
    let mut worker = Worker {
        context: ThreadContext::enter(&shared),
        running: Running::Nothing,
        failures: 0,
        unlooked: 0,
        ring: None,
        refused: false,
        gathered: List::default(),
        most: if shared.gathers() { MOST } else { 1 },
        results: Vec::new(),
        scratch: Scratch::new(shared.settings.buffer_size, shared.gathers()),
        events: Events::with_capacity(EVENTS),
        ready: Ready::new(),
        shared,
    };
    let mut next = Some(shard);
    while let Some(index) = next {
        let shard = worker.shared.shards[index].clone();
        if shard.ownership.claim() {
            worker.own(&shard);
        }
        worker.clear();
        worker.context.rests();
        next = worker.shared.pool.next_shard();
    }
    if worker.shared.is_stopped() {
        worker.finish_leftovers();
    }
    if worker.shared.pool.leaves() && worker.shared.is_stopped() {
        let shards = worker.shared.shards.iter();
        // Whatever the turns hold goes with them.
        let _ = guard::run(Place::Worker, || shards.for_each(|shard| shard.queue.close()));
    }
}

struct Worker {
    shared: Arc<Shared>,
    context: ThreadContext,
    running: Running,
    /// Looks in a row at which the selector failed.
    failures: u32,
    /// Turns since the last look at the selector.
    unlooked: usize,
    /// Made when it is first needed.
    ring: Option<Ring>,
    /// The system has refused a ring.
    refused: bool,
    /// Room for a list of gathered output, and for the results of a batch.
    gathered: List,
    /// With so much gathered output it leaves after the turn.
    most: usize,
    results: Vec<io::Result<usize>>,
    scratch: Scratch,
    events: Events<Arc<dyn Source>>,
    ready: Ready,
}

/// The turn that runs, for when a panic ends it.
enum Running {
    Nothing,
    /// The worker stays the owner of its shard.
    Owned,
    /// The shard is lent to the turn.
    Lent(Ticket),
}

/// What came of an attempt to steal.
enum Theft {
    Nothing,
    Ran,
    ShardLost,
}

impl Worker {
    /// Drives `shard` until a turn loses it, or the runtime stops. A panic that no other guard caught
    /// costs the turn that it came from, and neither the shard nor the worker.
    fn own(&mut self, shard: &Arc<Shard>) {
        while let Err(panicked) = guard::run(Place::Worker, || self.drive(shard)) {
            tracing::error!(shard = shard.index, "a worker goes on after a panic: {panicked}");
            // What the turn wrote belongs to nobody.
            self.clear();
            let held = self.context.end();
            let keeps = match std::mem::replace(&mut self.running, Running::Nothing) {
                Running::Nothing => true,
                Running::Owned => held,
                Running::Lent(ticket) => shard.ownership.reclaim(ticket),
            };
            if !keeps {
                return self.help();
            }
        }
    }

    /// See [`own`](Self::own).
    fn drive(&mut self, shard: &Arc<Shard>) {
        // What the owner before has gathered, also where the count is not seen yet.
        self.send_gathered(shard);
        loop {
            if !self.run_ready(shard) {
                return self.help();
            }
            if self.shared.is_stopped() {
                self.send_gathered(shard);
                return shard.ownership.release();
            }
            let stole = match self.steal(shard) {
                Theft::ShardLost => return self.help(),
                Theft::Ran => true,
                Theft::Nothing => false,
            };
            if shard.gathered.len() > 0 {
                self.send_gathered(shard);
            }
            self.look(shard, stole);
        }
    }

    /// Sends what turns have gathered: two or fewer by plain calls.
    fn send_gathered(&mut self, shard: &Shard) {
        let mut taken = std::mem::take(&mut self.gathered);
        shard.gathered.take(&mut taken);
        taken.lines.drain(..).for_each(|line| line.send_line());
        let mut list = taken.sends;
        while !list.is_empty() {
            let rest = list.split_off(list.len().min(BATCH));
            if list.len() > FEW && self.send_batch(&mut list) {
                counters::add(Counter::Gathered, list.len() as u64);
                let results = self.results.drain(..).map(Some);
                list.drain(..).zip(results).for_each(|(one, result)| one.finish(result));
            }
            list.drain(..).for_each(|one| one.finish(None));
            if !rest.is_empty() {
                list = rest;
            }
        }
        self.gathered = List { sends: list, lines: taken.lines };
    }

    /// Sends `list` in one call, unless the system refuses.
    fn send_batch(&mut self, list: &mut Vec<Gathered>) -> bool {
        if self.refused {
            return false;
        }
        let ring = match &mut self.ring {
            Some(ring) => Ok(ring),
            none => Ring::new().map(|ring| none.insert(ring)),
        };
        if let Err(error) = ring.and_then(|ring| ring.send(list, &mut self.results)) {
            tracing::warn!(%error, "io_uring failed: this worker goes on with plain calls");
            (self.ring, self.refused) = (None, true);
            return false;
        }
        true
    }

    /// Runs what is queued now; what comes meanwhile waits for the next look at the poller. False:
    /// the shard is lost.
    fn run_ready(&mut self, shard: &Arc<Shard>) -> bool {
        for _ in 0..shard.queue.len() + shard.queue.deferred() {
            let turn = if self.shared.pool.may_start() {
                shard.queue.pop()
            } else {
                // At the limit: deferred turns stay, which are handlers' all.
                shard.queue.pop_fresh().and_then(|turn| self.admit(shard, turn))
            };
            let Some(turn) = turn else {
                if shard.queue.len() == 0 {
                    return true;
                }
                continue;
            };
            if !self.run(shard, turn) {
                return false;
            }
            if shard.gathered.len() >= self.most {
                self.send_gathered(shard);
            }
        }
        true
    }

    /// At the limit of handlers: gives `turn` back if it runs none, and else defers it after it has done
    /// what needs no handler.
    fn admit(&self, shard: &Shard, turn: Arc<dyn Turn>) -> Option<Arc<dyn Turn>> {
        if !turn.is_handler() {
            return Some(turn);
        }
        turn.clone().run_io();
        shard.queue.defer(turn);
        None
    }

    /// Runs one turn, with `shard` lent to it. False: the shard is lost.
    fn run(&mut self, shard: &Arc<Shard>, turn: Arc<dyn Turn>) -> bool {
        counters::add(Counter::Turns, 1);
        self.unlooked += 1;
        let About { connection, inline } = turn.about();
        self.context.runs(connection);
        // At the limit of handlers, tasks and the runtime's own work keep their shard until they wait: no
        // more threads come of them.
        if inline || !self.shared.pool.may_start() {
            self.running = Running::Owned;
            self.context.owned(shard.index, inline);
            turn.run(&mut self.scratch);
            self.running = Running::Nothing;
            return self.context.end();
        }
        let ticket = shard.ownership.lend();
        self.running = Running::Lent(ticket);
        self.context.lent(shard.index, ticket);
        turn.run(&mut self.scratch);
        self.context.end();
        self.running = Running::Nothing;
        shard.ownership.reclaim(ticket)
    }

    /// Gives up all memory that is kept between turns.
    fn clear(&mut self) {
        // A lent block's destructor is its lender's.
        guard::discard(Place::BytesDrop, self.scratch.take());
        mem::trim();
    }

    /// With nothing of its own to do, runs a turn of another shard's.
    fn steal(&mut self, shard: &Arc<Shard>) -> Theft {
        if self.shared.shards.len() == 1 {
            return Theft::Nothing;
        }
        let shared = self.shared.clone();
        let others = shared.shards.iter().filter(|other| other.index != shard.index);
        let Some(victim) = others.max_by_key(|other| other.queue.len()) else {
            return Theft::Nothing;
        };
        if victim.queue.len() < WORTH_A_THEFT
            || shard.queue.len() > 0
            || shard.poller.has_events()
            || !shared.pool.may_start()
        {
            return Theft::Nothing;
        }
        let Some(turn) = victim.queue.pop_fresh() else { return Theft::Nothing };
        counters::add(Counter::Steals, 1);
        if self.run(shard, turn) { Theft::Ran } else { Theft::ShardLost }
    }

    /// Waits for events, if nothing is ready and no `hurry`, and hands them and the timers out.
    fn look(&mut self, shard: &Arc<Shard>, hurry: bool) {
        let busy = hurry || shard.queue.len() > 0 || self.may_go_on(shard);
        // As many turns as one look may bring.
        let by_memory = std::mem::take(&mut self.scratch.by_memory) && self.unlooked < EVENTS;
        let waited = if busy && by_memory {
            Ok(shard.poller.poll_posted(&mut self.events))
        } else {
            self.unlooked = 0;
            let timeout = if busy { Some(Duration::ZERO) } else { self.park(shard) };
            let waited = shard
                .poller
                .poll_ahead(&mut self.events, timeout, |source| fetch::<TOUCHED, _>(&**source));
            shard.poller.park_end();
            waited
        };
        let seen = match waited {
            Ok(seen) => {
                self.failures = 0;
                seen
            }
            Err(error) => {
                self.selector_failed(shard, &error);
                0
            }
        };
        if seen == 0 && shard.rests() {
            self.clear();
        } else {
            self.shared.monitor.keep_awake();
        }
        let mut events = self.events.drain();
        // After a panic with the events behind it: an edge is not told twice.
        while let Err(panicked) = guard::run(Place::Worker, || {
            events.by_ref().for_each(|(source, event)| source.on_event(event, &mut self.ready));
        }) {
            tracing::error!(shard = shard.index, "an event is lost by a panic: {panicked}");
        }
        drop(events);
        self.fire_timers(shard);
        shard.queue.extend(&mut self.ready);
        if shard.queue.len() > WORTH_A_WAKE {
            self.shared.wake_another(shard.index);
        }
    }

    /// The selector failed, perhaps for want of memory. The shard keeps its worker, which goes on with
    /// timers and turns and asks again after a pause.
    #[cold]
    fn selector_failed(&mut self, shard: &Shard, error: &io::Error) {
        let pause = SHORTEST_PAUSE * (1 << self.failures.min(7));
        self.failures += 1;
        // Once for each doubling.
        if self.failures.is_power_of_two() {
            let (shard, failures) = (shard.index, self.failures);
            tracing::error!(%error, shard, failures, ?pause, "the selector failed: trying again");
        }
        thread::sleep(pause);
    }

    /// Announces a wait; how long it may be.
    fn park(&self, shard: &Shard) -> Option<Duration> {
        self.context.rests();
        shard.poller.park_begin();
        // Who pushes or arms after this line sees the flag, and wakes.
        if shard.queue.len() > 0 || self.shared.is_stopped() {
            return Some(Duration::ZERO);
        }
        shard.wheel.lock().next_expiry().and_then(|at| shard.clock.limit(at))
    }

    /// Whether a handler ended after this worker put a turn aside, so that it may start after all.
    fn may_go_on(&self, shard: &Shard) -> bool {
        shard.queue.deferred() > 0 && self.shared.pool.may_start()
    }

    fn fire_timers(&mut self, shard: &Arc<Shard>) {
        let mut due = Vec::new();
        let now;
        self.scratch.looked = None;
        {
            let mut wheel = shard.wheel.lock();
            let Some(first) = wheel.next_expiry() else { return };
            now = shard.clock.now_ms();
            self.scratch.looked = Some(now);
            if first > now {
                return;
            }
            wheel.expire(now, |key| due.push(key));
        }
        let mut due = due.into_iter();
        while let Err(panicked) = guard::run(Place::Worker, || {
            for key in due.by_ref() {
                if let Some(source) = shard.poller.source(key.into()) {
                    source.on_timer(now, &mut self.ready);
                }
            }
        }) {
            tracing::error!(shard = shard.index, "a timer is lost by a panic: {panicked}");
        }
    }

    /// Runs what nobody drives any more: the ends of connections whose handlers outlived the runtime.
    fn finish_leftovers(&mut self) {
        for shard in self.shared.shards.clone().iter() {
            while let Some(turn) = shard.queue.pop() {
                self.run_late(turn);
            }
        }
    }

    /// After a turn that lost its shard: starts what had to wait because too many workers were late.
    fn help(&mut self) {
        // The turn that has ended may have been a long one.
        self.scratch.looked = None;
        self.shared.pool.back();
        // After each `back` at all shards: what was deferred before it, nobody else looks for.
        while let Some(turn) = self.next_deferred() {
            self.shared.pool.lost();
            counters::add(Counter::Turns, 1);
            self.run_late(turn);
            self.shared.pool.back();
        }
    }

    /// Runs a turn without a shard.
    fn run_late(&mut self, turn: Arc<dyn Turn>) {
        self.context.runs(turn.about().connection);
        if guard::run(Place::Worker, || turn.run(&mut self.scratch)).is_err() {
            self.clear();
        }
    }

    fn next_deferred(&self) -> Option<Arc<dyn Turn>> {
        if !self.shared.pool.may_start() {
            return None;
        }
        self.shared.shards.iter().find_map(|shard| shard.queue.pop_deferred())
    }
}
