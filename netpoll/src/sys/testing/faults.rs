//! Faults by a seed: what a system call may say at any time, said more often than it would be.

use std::{
    fmt, io,
    ops::Range,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};

use parking_lot::Mutex;

use super::faulty::Faulty;
use crate::sys::endpoint::{
    Endpoint, FaultLayer,
    fault_layer::{BeforeAccept, Inject},
};

/// A fault of a system call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Fault {
    /// A read gives less than has come; an event tells of the rest.
    ShortRead,
    /// A write takes less than there is room for.
    ShortWrite,
    /// A signal interrupts the call: EINTR.
    Interrupted,
    /// The call would block, and so would up to eight that follow on the same socket; an event comes
    /// for each.
    WouldBlock,
    /// ECONNRESET: the connection is gone. To an accept: ECONNABORTED, which concerns one client.
    Reset,
    /// EMFILE: no descriptor for an accept or a dial.
    TooManyFiles,
    /// ENOBUFS: no memory for a write, an accept or a dial.
    NoBuffers,
    /// An accept finds nobody, although a client waits; an event comes later.
    SlowAccept,
}

impl Fault {
    const COUNT: usize = 8;

    /// The error that the system gives.
    pub(super) fn error(self) -> io::Error {
        io::Error::from_raw_os_error(match self {
            Self::Interrupted => libc::EINTR,
            Self::Reset => libc::ECONNRESET,
            Self::TooManyFiles => libc::EMFILE,
            Self::NoBuffers => libc::ENOBUFS,
            Self::ShortRead | Self::ShortWrite | Self::WouldBlock | Self::SlowAccept => {
                libc::EAGAIN
            }
        })
    }
}

/// Faults for the sockets of a runtime: which, how often, and by which seed.
///
/// Each socket draws from a sequence of its own, which the seed and the number of sockets before it
/// give: with the same calls in the same order the same ones fail. A clone is a handle to the same
/// faults, which counts what was injected. [`Display`](fmt::Display) says what to write down of a run
/// that failed.
///
/// ```
/// use netpoll::testing::{Fault, Faults};
/// let faults = Faults::seeded(7).one_in(4, Fault::ShortRead).at(0..2, Fault::TooManyFiles);
/// let runtime = netpoll::Runtime::builder().pollers(1).faults(faults.clone()).build()?;
/// // The first two dials of this runtime find no descriptor.
/// let dialer = netpoll::Dialer::new().runtime(&runtime);
/// let error = dialer.dial("127.0.0.1:1").unwrap_err();
/// assert!(error.to_string().contains("open files"), "{error}");
/// assert_eq!(faults.injected(Fault::TooManyFiles), 1);
/// # Ok::<(), netpoll::Error>(())
/// ```
#[derive(Clone, Default)]
pub struct Faults(Option<Arc<Plan>>);

#[derive(Debug, Default)]
struct Plan {
    seed: u64,
    odds: [u64; Fault::COUNT],
    at: Vec<(Range<u64>, Fault)>,
    /// Calls that each fault could have befallen, and those that it did.
    calls: [AtomicU64; Fault::COUNT],
    injected: [AtomicU64; Fault::COUNT],
    sockets: AtomicU64,
}

impl Plan {
    /// Dice for one more socket.
    fn dice(self: &Arc<Self>) -> Dice {
        let socket = self.sockets.fetch_add(1, Relaxed);
        // A state of zero would stay zero.
        let state = (self.seed ^ socket.wrapping_mul(0x9E37_79B9_7F4A_7C15)) | 1 << 63;
        let mut dice = Dice { plan: self.clone(), state, storm: 0 };
        // Seeds that differ in few bits begin alike.
        for _ in 0..8 {
            dice.below(2);
        }
        dice
    }
}

impl Faults {
    /// No faults yet, drawn by `seed`.
    pub fn seeded(seed: u64) -> Self {
        Self(Some(Arc::new(Plan { seed, ..Plan::default() })))
    }

    /// Has `fault` befall one in `n` of the calls that it may befall, at random.
    ///
    /// # Panics
    /// If `n` is 0; if it is 1 for [`Fault::Interrupted`], after which the call is made again; and once
    /// a runtime has these faults.
    #[must_use]
    pub fn one_in(mut self, n: u64, fault: Fault) -> Self {
        assert!(n > u64::from(fault == Fault::Interrupted), "one in {n} is too often");
        self.plan().odds[fault as usize] = n;
        self
    }

    /// Has `fault` befall each of the `calls` that it may befall: 0 is the runtime's first.
    ///
    /// # Panics
    /// Once a runtime has these faults.
    #[must_use]
    pub fn at(mut self, calls: Range<u64>, fault: Fault) -> Self {
        self.plan().at.push((calls, fault));
        self
    }

    /// Returns the number of times that `fault` was injected.
    pub fn injected(&self, fault: Fault) -> u64 {
        self.0.as_ref().map_or(0, |plan| plan.injected[fault as usize].load(Relaxed))
    }

    /// The seed.
    pub fn seed(&self) -> u64 {
        self.0.as_ref().map_or(0, |plan| plan.seed)
    }

    fn plan(&mut self) -> &mut Plan {
        let plan = self.0.get_or_insert_with(Arc::default);
        Arc::get_mut(plan).expect("faults are set before a runtime has them")
    }

    /// These faults as a runtime has them.
    pub(crate) fn layer(&self) -> FaultLayer {
        match &self.0 {
            None => FaultLayer::default(),
            Some(plan) => FaultLayer::from(plan.clone() as Arc<dyn Inject>),
        }
    }
}

impl Inject for Plan {
    fn before_open(self: Arc<Self>) -> io::Result<()> {
        let fault = self.dice().throw(&[Fault::TooManyFiles, Fault::NoBuffers]);
        fault.map_or(Ok(()), |fault| Err(fault.error()))
    }

    fn before_accept(self: Arc<Self>) -> BeforeAccept {
        use Fault::{Interrupted, NoBuffers, Reset, SlowAccept, TooManyFiles};
        let dice = Mutex::new(self.dice());
        Box::new(move || {
            match dice.lock().throw(&[Interrupted, TooManyFiles, NoBuffers, Reset, SlowAccept]) {
                None => Ok(()),
                Some(Reset) => Err(io::Error::from_raw_os_error(libc::ECONNABORTED)),
                Some(fault) => Err(fault.error()),
            }
        })
    }

    fn around(self: Arc<Self>, endpoint: Endpoint) -> Endpoint {
        let dice = self.dice();
        Endpoint::Other(Box::new(Faulty::new(endpoint, dice)))
    }
}

/// `faults of seed 7: ..` with what was injected.
impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "faults of seed {}:", self.seed())?;
        for fault in ALL {
            match self.injected(fault) {
                0 => {}
                n => write!(f, " {n} {fault:?}")?,
            }
        }
        Ok(())
    }
}

impl fmt::Debug for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

const ALL: [Fault; Fault::COUNT] = [
    Fault::ShortRead,
    Fault::ShortWrite,
    Fault::Interrupted,
    Fault::WouldBlock,
    Fault::Reset,
    Fault::TooManyFiles,
    Fault::NoBuffers,
    Fault::SlowAccept,
];

/// Calls of a storm that would block.
const STORM: u64 = 8;

/// What one socket draws.
#[derive(Debug)]
pub(super) struct Dice {
    plan: Arc<Plan>,
    state: u64,
    /// Calls that still block.
    storm: u64,
}

impl Dice {
    /// Which of `faults` befalls this call, if any: the one whose call it is, or the first by chance.
    pub(super) fn throw(&mut self, faults: &[Fault]) -> Option<Fault> {
        let (mut due, mut drawn) = (None, None);
        for &fault in faults {
            let call = self.plan.calls[fault as usize].fetch_add(1, Relaxed);
            if self.plan.at.iter().any(|(at, f)| *f == fault && at.contains(&call)) {
                due = due.or(Some(fault));
            }
            let odds = self.plan.odds[fault as usize];
            if odds > 0 && self.below(odds) == 0 {
                drawn = drawn.or(Some(fault));
            }
        }
        if self.storm > 0 && faults.contains(&Fault::WouldBlock) {
            self.storm -= 1;
            due = due.or(Some(Fault::WouldBlock));
        } else if due.or(drawn) == Some(Fault::WouldBlock) {
            self.storm = self.below(STORM);
        }
        let found = due.or(drawn)?;
        self.plan.injected[found as usize].fetch_add(1, Relaxed);
        Some(found)
    }

    /// A number below `n`.
    pub(super) fn below(&mut self, n: u64) -> u64 {
        self.state ^= self.state << 13;
        self.state ^= self.state >> 7;
        self.state ^= self.state << 17;
        (self.state >> 11) % n
    }
}
