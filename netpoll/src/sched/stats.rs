//! What a runtime counts.

use std::sync::atomic::Ordering::Relaxed;

use super::{settings::SystemCalls, shared::Shared};
use crate::{counters::Counter, mem};

/// Counters and gauges of a [`Runtime`](super::Runtime), read at one moment.
///
/// Counters grow for ever; gauges say how it is now. System calls of threads that are no workers
/// (blocking reads on dialled connections, say) are counted for the process, and stand in every
/// runtime's figures.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Stats {
    /// Pollers (gauge).
    pub pollers: usize,
    /// Worker threads alive (gauge).
    pub workers: usize,
    /// Worker threads that are parked (gauge).
    pub standbys: usize,
    /// Workers in a handler whose poller was given to another (gauge).
    pub late: usize,
    /// Those of them that wait in the library's own waits: of a reader, a writer, `block_on` (gauge).
    pub waiting: usize,
    /// Connections alive (gauge).
    pub connections: usize,
    /// Connections alive at each poller (gauge).
    pub connections_of: Vec<usize>,
    /// Turns that wait in each poller's queue (gauge).
    pub queued_of: Vec<usize>,
    /// Spawned futures that are not done (gauge).
    pub tasks: usize,
    /// Entries in the timer wheels (gauge).
    pub timers: usize,
    /// Connections accepted.
    pub accepted: u64,
    /// Connections dialled.
    pub dialled: u64,
    /// Connections refused: by a limit, by `on_prepare`, or shed when descriptors ran out.
    pub refused: u64,
    /// Turns run.
    pub turns: u64,
    /// Requests whose handlers were called.
    pub requests: u64,
    /// Handlers that ran or waited for longer than [`stall_after`](crate::RuntimeBuilder::stall_after).
    pub stalls: u64,
    /// Pollers given away by a worker before it waited.
    pub handovers_by_wait: u64,
    /// Pollers that the monitor took from a turn that ran long.
    pub handovers_by_monitor: u64,
    /// Turns run by another poller's worker.
    pub steals: u64,
    /// Wake-ups of parked pollers.
    pub wakeups: u64,
    /// Panics caught in handlers and spawned futures.
    pub panics: u64,
    /// Events that came too late for their source.
    pub stale_events: u64,
    /// Events that the selectors gave.
    pub events: u64,
    /// Bytes read from sockets.
    pub bytes_in: u64,
    /// Bytes written to sockets.
    pub bytes_out: u64,
    /// Datagrams received.
    pub datagrams_in: u64,
    /// Datagrams sent.
    pub datagrams_out: u64,
    /// Datagrams dropped since they are not of their handler's format, or too long, or since their
    /// handler failed.
    pub datagrams_refused: u64,
    /// Datagrams that were to be sent and were dropped: too many waited, or the system refused them.
    pub datagrams_unsent: u64,
    /// The system calls by which workers send: `Plain` or `Ring`.
    pub system_calls: SystemCalls,
    /// Sends that left together with others' in one system call.
    pub gathered: u64,
    /// System calls, by kind.
    pub syscalls: Syscalls,
    /// Buffers' memory, of the whole process.
    pub memory: mem::MemStats,
}

/// Counts of system calls.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Syscalls {
    /// `read` and its like.
    pub read: u64,
    /// `write`, `writev`, `send` and their like.
    pub write: u64,
    /// `epoll_wait`, `kevent`.
    pub wait: u64,
    /// `epoll_ctl` and its like.
    pub control: u64,
    /// `accept4`.
    pub accept: u64,
    /// `connect`.
    pub connect: u64,
    /// Writes to a wake-up descriptor.
    pub wake: u64,
    /// `shutdown` and `close` of sockets.
    pub close: u64,
}

impl Stats {
    pub(super) fn of(shared: &Shared) -> Self {
        let sums = shared.counters.sums();
        let (workers, standbys) = shared.pool.size();
        Self {
            pollers: shared.shards.len(),
            workers,
            standbys,
            late: shared.pool.late(),
            waiting: usize::try_from(shared.gauges.waiting.load(Relaxed)).unwrap_or(0),
            connections: shared.gauges.connections.load(Relaxed),
            connections_of: shared.shards.iter().map(|shard| shard.load()).collect(),
            queued_of: shared.shards.iter().map(|h| h.queue.len() + h.queue.deferred()).collect(),
            tasks: shared.tasks.len(),
            timers: shared.shards.iter().map(|shard| shard.timers()).sum(),
            accepted: shared.gauges.accepted.load(Relaxed),
            dialled: shared.gauges.dialled.load(Relaxed),
            refused: shared.gauges.refused.load(Relaxed),
            turns: sums[Counter::Turns],
            requests: sums[Counter::Requests],
            stalls: shared.stalls.count(),
            handovers_by_wait: sums[Counter::HandOversByWait],
            handovers_by_monitor: sums[Counter::HandOversByMonitor],
            steals: sums[Counter::Steals],
            wakeups: sums[Counter::WakeUps],
            panics: sums[Counter::Panics],
            stale_events: sums[Counter::StaleEvents],
            events: sums[Counter::Events],
            bytes_in: sums[Counter::BytesIn],
            bytes_out: sums[Counter::BytesOut],
            datagrams_in: sums[Counter::DatagramsIn],
            datagrams_out: sums[Counter::DatagramsOut],
            datagrams_refused: sums[Counter::DatagramsMalformed]
                + sums[Counter::DatagramsTruncated]
                + sums[Counter::DatagramsFailed],
            datagrams_unsent: sums[Counter::DatagramsDropped] + sums[Counter::DatagramsUnsent],
            system_calls: shared.system_calls,
            gathered: sums[Counter::Gathered],
            syscalls: Syscalls {
                read: sums[Counter::SysRead],
                write: sums[Counter::SysWrite],
                wait: sums[Counter::SysWait],
                control: sums[Counter::SysControl],
                accept: sums[Counter::SysAccept],
                connect: sums[Counter::SysConnect],
                wake: sums[Counter::SysWake],
                close: sums[Counter::SysClose],
            },
            memory: mem::stats(),
        }
    }
}
