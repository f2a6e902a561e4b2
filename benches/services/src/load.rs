//! The calls of a client, and what they cost.

use std::{
    sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering::Relaxed},
    thread,
    time::{Duration, Instant},
};

use crate::process;

/// Time before it is measured.
const WARM_UP: Duration = Duration::from_millis(500);

/// A closed loop: each of `connections * depth` callers calls again when it has its result.
pub struct Load {
    pub connections: usize,
    pub depth: usize,
    /// The process of the server.
    server: u32,
    time: Duration,
    next: AtomicI64,
    made: AtomicU64,
    wrong: AtomicU64,
    over: AtomicBool,
}

impl Load {
    pub fn new(connections: usize, depth: usize, server: u32, secs: f64) -> Self {
        let time = Duration::from_secs_f64(secs);
        let (next, made, wrong) = (AtomicI64::new(0), AtomicU64::new(0), AtomicU64::new(0));
        Self { connections, depth, server, time, next, made, wrong, over: AtomicBool::new(false) }
    }

    /// Returns the next two numbers to add; `None` once the time is over.
    pub fn next(&self) -> Option<(i64, i64)> {
        let a = self.next.fetch_add(1, Relaxed);
        (!self.over.load(Relaxed)).then_some((a, 1_000_000))
    }

    /// Counts a call, whose result has to be `expected`.
    pub fn check(&self, expected: i64, sum: Option<i64>) {
        let count = if sum == Some(expected) { &self.made } else { &self.wrong };
        count.fetch_add(1, Relaxed);
    }

    /// Waits while the callers call, and prints the figures.
    pub fn measure(&self) {
        thread::sleep(WARM_UP);
        let look = || {
            let cpu = [self.server, std::process::id()].map(process::cpu_seconds);
            (Instant::now(), cpu, self.made.load(Relaxed))
        };
        let (start, cpu, made) = look();
        thread::sleep(self.time);
        let (end, later, all) = look();
        self.over.store(true, Relaxed);
        let (calls, spent) = ((all - made) as f64, [later[0] - cpu[0], later[1] - cpu[1]]);
        let wrong = self.wrong.load(Relaxed);
        assert!(wrong == 0 && calls > 0.0, "{wrong} of {all} calls went wrong");
        let secs = (end - start).as_secs_f64();
        let [server, client] = spent;
        println!(
            "{} {} {} {}",
            calls / secs,
            calls / server,
            calls / client,
            calls / (server + client)
        );
        std::process::exit(0);
    }
}

/// Calls for each second, and for each second of the server's, the client's and both processes' processor time.
pub struct Figures(pub [f64; 4]);
