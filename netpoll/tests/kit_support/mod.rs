//! What the tests of the kit share: a runtime that goes by a clock by hand, and faults.

#![allow(dead_code, unreachable_pub, reason = "each test file uses its part of it")]

use std::{
    future::Future,
    sync::mpsc::{Receiver, channel},
    time::Duration,
};

use netpoll::{
    EventLoop, EventLoopBuilder, Runtime, RuntimeBuilder, Service,
    testing::{Fault, Faults, Server, VirtualClock, settle},
};

use crate::common::over;

pub const MINUTE: Duration = Duration::from_secs(60);
pub const SECOND: Duration = Duration::from_secs(1);
pub const MS: Duration = Duration::from_millis(1);

pub struct Bed {
    pub clock: VirtualClock,
    pub runtime: Runtime,
}

impl Bed {
    pub fn new() -> Self {
        Self::with(Runtime::builder().pollers(2).max_workers(16))
    }

    pub fn with(builder: RuntimeBuilder) -> Self {
        let clock = VirtualClock::new();
        Self { clock, runtime: clock.drive(builder).build().unwrap() }
    }

    /// Lets what is under way be done, turns the clock, and lets what became due be done.
    pub fn pass(&self, time: Duration) {
        settle(&self.runtime);
        self.clock.advance(time);
        settle(&self.runtime);
    }

    pub fn serve<S: Service>(
        &self,
        service: S,
        with: impl FnOnce(EventLoopBuilder<S>) -> EventLoopBuilder<S>,
    ) -> Server {
        Server::start(with(over::serve(EventLoop::builder(service).runtime(&self.runtime))))
            .unwrap()
    }

    /// Starts `future` and lets it come as far as it can: with where its output will be.
    pub fn start<F: Future<Output: Send> + Send + 'static>(
        &self,
        future: F,
    ) -> Receiver<F::Output> {
        let (tell, told) = channel();
        self.runtime.spawn(async move {
            // Who does not want it has dropped the other end.
            let _ = tell.send(future.await);
        });
        settle(&self.runtime);
        told
    }
}

/// What does not end a connection.
pub fn gentle(seed: u64) -> Faults {
    Faults::seeded(seed)
        .one_in(3, Fault::ShortRead)
        .one_in(3, Fault::ShortWrite)
        .one_in(4, Fault::Interrupted)
        .one_in(5, Fault::WouldBlock)
}
