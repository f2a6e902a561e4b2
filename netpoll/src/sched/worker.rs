//! A worker: the thread that drives a shard, loses it, and takes another.

use std::{
    io,
    sync::{Arc, Weak},
    time::Duration,
};

use super::{
    context::ThreadContext,
    shard::Shard,
    shared::Shared,
    turn::{Ready, Scratch, Source, TOUCHED, fetch},
};
use crate::{
    counters::{self, Counter},
    mem,
    poller::Events,
};

/// A queue this long is worth the wake-up of another worker, which costs about as much as three turns
/// on the waking side and ten on the other.
const WORTH_A_WAKE: usize = 32;

/// A queue this long is worth a look by a worker that is awake and has nothing to do.
const WORTH_A_THEFT: usize = 2;

/// Events that one look at a poller takes.
const EVENTS: usize = 256;

/// Runs a worker's thread, which begins with `shard`.
pub(super) fn main(shared: &Weak<Shared>, shard: usize) {
    let Some(shared) = shared.upgrade() else { return };
    let mut worker = Worker {
        context: ThreadContext::take(&shared),
        scratch: Scratch::default(),
        events: Events::with_capacity(EVENTS),
        ready: Ready::new(),
        shared,
    };
    let mut next = Some(shard);
    while let Some(index) = next {
        let shard = worker.shared.shards[index].clone();
        if shard.ownership.claim() {
            worker.drive(&shard);
        }
        worker.scratch.clear();
        mem::trim();
        next = worker.shared.pool.next_shard();
    }
    if worker.shared.is_stopped() {
        worker.finish_leftovers();
    }
    if worker.shared.pool.leaves() && worker.shared.is_stopped() {
        worker.shared.shards.iter().for_each(|shard| shard.queue.close());
    }
}

struct Worker {
    shared: Arc<Shared>,
    context: ThreadContext,
    scratch: Scratch,
    events: Events<Arc<dyn Source>>,
    ready: Ready,
}

/// What came of an attempt to steal.
enum Theft {
    Nothing,
    Ran,
    ShardLost,
}

impl Worker {
    /// Drives `shard` until a turn of this worker's loses it, or the runtime stops.
    fn drive(&mut self, shard: &Arc<Shard>) {
        loop {
            if !self.run_ready(shard) {
                return self.help();
            }
            if self.shared.is_stopped() {
                return shard.ownership.release();
            }
            let stole = match self.steal(shard) {
                Theft::ShardLost => return self.help(),
                Theft::Ran => true,
                Theft::Nothing => false,
            };
            if let Err(error) = self.look(shard, stole) {
                // Nothing can be waited for any more; the shard is left to whoever tries next.
                tracing::error!(%error, shard = shard.index, "the selector failed");
                return shard.ownership.release();
            }
        }
    }

    /// Runs what is queued now; what comes meanwhile waits for the next look at the poller. False:
    /// the shard is lost.
    fn run_ready(&mut self, shard: &Arc<Shard>) -> bool {
        for _ in 0..shard.queue.len() + shard.queue.deferred() {
            if !self.shared.pool.may_start() {
                match shard.queue.pop_fresh() {
                    None => return true,
                    Some(turn) => {
                        turn.clone().run_io();
                        shard.queue.defer(turn);
                    }
                }
                continue;
            }
            let Some(turn) = shard.queue.pop() else { return true };
            if !self.run(shard, turn) {
                return false;
            }
        }
        true
    }

    /// Runs one turn, with `shard` lent to it. False: the shard is lost.
    fn run(&mut self, shard: &Arc<Shard>, turn: Arc<dyn super::turn::Turn>) -> bool {
        counters::add(Counter::Turns, 1);
        if turn.inline() {
            turn.run(&mut self.scratch);
            return true;
        }
        let ticket = shard.ownership.lend();
        self.context.lent(shard.index, ticket);
        turn.run(&mut self.scratch);
        self.context.back();
        shard.ownership.reclaim(ticket)
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
    fn look(&mut self, shard: &Arc<Shard>, hurry: bool) -> io::Result<()> {
        let busy = hurry || shard.queue.len() > 0 || self.may_go_on(shard);
        let timeout = if busy { Some(Duration::ZERO) } else { self.park(shard) };
        let waited = shard
            .poller
            .poll_ahead(&mut self.events, timeout, |source| fetch::<TOUCHED, _>(&**source));
        shard.poller.park_end();
        if waited? == 0 && shard.rests() {
            self.scratch.clear();
            mem::trim();
        } else {
            self.shared.monitor.keep_awake();
        }
        for (source, event) in self.events.drain() {
            source.on_event(event, &mut self.ready);
        }
        self.fire_timers(shard);
        shard.queue.extend(&mut self.ready);
        if shard.queue.len() > WORTH_A_WAKE {
            self.shared.wake_another(shard.index);
        }
        Ok(())
    }

    /// Announces a wait; how long it may be.
    fn park(&self, shard: &Shard) -> Option<Duration> {
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
        for key in due {
            if let Some(source) = shard.poller.source(key.into()) {
                source.on_timer(now, &mut self.ready);
            }
        }
    }

    /// Runs what nobody drives any more: the ends of connections whose handlers outlived the runtime.
    fn finish_leftovers(&mut self) {
        for shard in self.shared.shards.clone().iter() {
            while let Some(turn) = shard.queue.pop() {
                turn.run(&mut self.scratch);
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
            turn.run(&mut self.scratch);
            self.shared.pool.back();
        }
    }

    fn next_deferred(&self) -> Option<Arc<dyn super::turn::Turn>> {
        if !self.shared.pool.may_start() {
            return None;
        }
        self.shared.shards.iter().find_map(|shard| shard.queue.pop_deferred())
    }
}
