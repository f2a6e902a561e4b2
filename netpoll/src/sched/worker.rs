//! A worker: the thread that drives a home, loses it, and takes another.

use std::{
    io,
    sync::{Arc, Weak},
    time::Duration,
};

use super::{
    home::Home,
    seat::Seat,
    shared::Shared,
    turn::{Desk, Ready, Source, TOUCHED, fetch},
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

/// Runs a worker's thread, which begins with `home`.
pub(super) fn main(shared: &Weak<Shared>, home: usize) {
    let Some(shared) = shared.upgrade() else { return };
    let mut worker = Worker {
        seat: Seat::take(&shared),
        desk: Desk::default(),
        events: Events::with_capacity(EVENTS),
        ready: Ready::new(),
        shared,
    };
    let mut next = Some(home);
    while let Some(index) = next {
        let home = worker.shared.homes[index].clone();
        if home.drive.claim() {
            worker.drive(&home);
        }
        worker.desk.clear();
        mem::trim();
        next = worker.shared.crew.next_home();
    }
    if worker.shared.is_stopped() {
        worker.finish_leftovers();
    }
    if worker.shared.crew.leaves() && worker.shared.is_stopped() {
        worker.shared.homes.iter().for_each(|home| home.queue.close());
    }
}

struct Worker {
    shared: Arc<Shared>,
    seat: Seat,
    desk: Desk,
    events: Events<Arc<dyn Source>>,
    ready: Ready,
}

/// What came of an attempt to steal.
enum Theft {
    Nothing,
    Ran,
    HomeLost,
}

impl Worker {
    /// Drives `home` until a turn of this worker's loses it, or the runtime stops.
    fn drive(&mut self, home: &Arc<Home>) {
        loop {
            if !self.run_ready(home) {
                return self.help();
            }
            if self.shared.is_stopped() {
                return home.drive.leave();
            }
            let stole = match self.steal(home) {
                Theft::HomeLost => return self.help(),
                Theft::Ran => true,
                Theft::Nothing => false,
            };
            if let Err(error) = self.look(home, stole) {
                // Nothing can be waited for any more; the home is left to whoever tries next.
                tracing::error!(%error, home = home.index, "the selector failed");
                return home.drive.leave();
            }
        }
    }

    /// Runs what is queued now; what comes meanwhile waits for the next look at the poller. False:
    /// the home is lost.
    fn run_ready(&mut self, home: &Arc<Home>) -> bool {
        for _ in 0..home.queue.len() + home.queue.aside() {
            if !self.shared.crew.may_start() {
                match home.queue.pop_fresh() {
                    None => return true,
                    Some(turn) => {
                        turn.clone().run_io();
                        home.queue.put_aside(turn);
                    }
                }
                continue;
            }
            let Some(turn) = home.queue.pop() else { return true };
            if !self.run(home, turn) {
                return false;
            }
        }
        true
    }

    /// Runs one turn, with `home` lent to it. False: the home is lost.
    fn run(&mut self, home: &Arc<Home>, turn: Arc<dyn super::turn::Turn>) -> bool {
        counters::add(Counter::Turns, 1);
        if turn.inline() {
            turn.run(&mut self.desk);
            return true;
        }
        let ticket = home.drive.lend();
        self.seat.lent(home.index, ticket);
        turn.run(&mut self.desk);
        self.seat.back();
        home.drive.reclaim(ticket)
    }

    /// With nothing of its own to do, runs a turn of another home's.
    fn steal(&mut self, home: &Arc<Home>) -> Theft {
        if self.shared.homes.len() == 1 {
            return Theft::Nothing;
        }
        let shared = self.shared.clone();
        let others = shared.homes.iter().filter(|other| other.index != home.index);
        let Some(victim) = others.max_by_key(|other| other.queue.len()) else {
            return Theft::Nothing;
        };
        if victim.queue.len() < WORTH_A_THEFT
            || home.queue.len() > 0
            || home.poller.has_events()
            || !shared.crew.may_start()
        {
            return Theft::Nothing;
        }
        let Some(turn) = victim.queue.pop_fresh() else { return Theft::Nothing };
        counters::add(Counter::Steals, 1);
        if self.run(home, turn) { Theft::Ran } else { Theft::HomeLost }
    }

    /// Waits for events, if nothing is ready and no `hurry`, and hands them and the timers out.
    fn look(&mut self, home: &Arc<Home>, hurry: bool) -> io::Result<()> {
        let busy = hurry || home.queue.len() > 0 || self.may_go_on(home);
        let timeout = if busy { Some(Duration::ZERO) } else { self.park(home) };
        let waited = home
            .poller
            .poll_ahead(&mut self.events, timeout, |source| fetch::<TOUCHED, _>(&**source));
        home.poller.park_end();
        if waited? == 0 && home.rests() {
            self.desk.clear();
            mem::trim();
        } else {
            self.shared.monitor.keep_awake();
        }
        for (source, event) in self.events.drain() {
            source.on_event(event, &mut self.ready);
        }
        self.fire_timers(home);
        home.queue.extend(&mut self.ready);
        if home.queue.len() > WORTH_A_WAKE {
            self.shared.wake_another(home.index);
        }
        Ok(())
    }

    /// Announces a wait; how long it may be.
    fn park(&self, home: &Home) -> Option<Duration> {
        home.poller.park_begin();
        // Who pushes or arms after this line sees the flag, and wakes.
        if home.queue.len() > 0 || self.shared.is_stopped() {
            return Some(Duration::ZERO);
        }
        home.wheel.lock().next_expiry().and_then(|at| home.clock.limit(at))
    }

    /// Whether a handler ended after this worker put a turn aside, so that it may start after all.
    fn may_go_on(&self, home: &Home) -> bool {
        home.queue.aside() > 0 && self.shared.crew.may_start()
    }

    fn fire_timers(&mut self, home: &Arc<Home>) {
        let mut due = Vec::new();
        let now;
        self.desk.looked = None;
        {
            let mut wheel = home.wheel.lock();
            let Some(first) = wheel.next_expiry() else { return };
            now = home.clock.now_ms();
            self.desk.looked = Some(now);
            if first > now {
                return;
            }
            wheel.expire(now, |key| due.push(key));
        }
        for key in due {
            if let Some(source) = home.poller.source(key.into()) {
                source.on_timer(now, &mut self.ready);
            }
        }
    }

    /// Runs what nobody drives any more: the ends of connections whose handlers outlived the runtime.
    fn finish_leftovers(&mut self) {
        for home in self.shared.homes.clone().iter() {
            while let Some(turn) = home.queue.pop() {
                turn.run(&mut self.desk);
            }
        }
    }

    /// After a turn that lost its home: starts what had to wait because too many workers were late.
    fn help(&mut self) {
        // The turn that has ended may have been a long one.
        self.desk.looked = None;
        self.shared.crew.back();
        // After each `back` at all homes: what was put aside before it, nobody else looks for.
        while let Some(turn) = self.next_aside() {
            self.shared.crew.lost();
            counters::add(Counter::Turns, 1);
            turn.run(&mut self.desk);
            self.shared.crew.back();
        }
    }

    fn next_aside(&self) -> Option<Arc<dyn super::turn::Turn>> {
        if !self.shared.crew.may_start() {
            return None;
        }
        self.shared.homes.iter().find_map(|home| home.queue.pop_aside())
    }
}
