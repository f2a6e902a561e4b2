//! Faults around an endpoint: calls that fail, or do less than they could, by its dice.

use std::{
    any::Any,
    fmt,
    io::{self, IoSlice},
    os::fd::BorrowedFd,
    sync::{
        OnceLock,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
};

use parking_lot::Mutex;

use super::{
    faults::{Dice, Fault},
    memory::MemoryStream,
};
use crate::{
    addr::PeerAddress,
    counters::{self, Counter},
    sys::{
        Connecting, Credentials,
        endpoint::{Endpoint, Notifier, Stream},
        interest::Readiness,
    },
};

/// See the module's documentation.
pub(super) struct Faulty {
    inner: Endpoint,
    dice: Mutex<Dice>,
    /// A reset was injected: what follows is as after a real one.
    broken: AtomicBool,
    notifier: OnceLock<Notifier>,
}

impl Faulty {
    pub(super) fn new(inner: Endpoint, dice: Dice) -> Self {
        let (dice, broken) = (Mutex::new(dice), AtomicBool::new(false));
        Self { inner, dice, broken, notifier: OnceLock::new() }
    }

    /// The fault of `faults` that befalls a call on `n` bytes, if any, and how many a short one would take.
    /// An interrupted call is made again.
    fn throw(&self, counter: Counter, faults: &[Fault], n: usize) -> Option<(Fault, usize)> {
        let mut dice = self.dice.lock();
        loop {
            let fault = dice.throw(faults)?;
            if fault == Fault::Interrupted {
                counters::add(counter, 1);
                continue;
            }
            let part = if n < 2 { n } else { 1 + dice.below(n as u64 - 1) as usize };
            return Some((fault, part));
        }
    }

    /// The error of a fault; `again` is the event after which the call is to be made again.
    fn fail(&self, counter: Counter, fault: Fault, again: Readiness) -> io::Error {
        counters::add(counter, 1);
        match fault {
            Fault::WouldBlock => self.notify(again),
            Fault::Reset => {
                self.broken.store(true, Relaxed);
                if let Endpoint::Other(stream) = &self.inner
                    && let Some(memory) = (&**stream as &dyn Any).downcast_ref::<MemoryStream>()
                {
                    memory.reset();
                }
                self.notify(Readiness::READABLE | Readiness::WRITABLE | Readiness::HUNG_UP);
            }
            _ => {}
        }
        fault.error()
    }

    /// Before the endpoint is watched nobody hears it.
    fn notify(&self, readiness: Readiness) {
        if let Some(notifier) = self.notifier.get() {
            notifier(readiness);
        }
    }

    fn is_broken(&self) -> bool {
        self.broken.load(Relaxed)
    }
}

impl Stream for Faulty {
    fn read(&self, into: &mut [u8]) -> io::Result<usize> {
        use Fault::{Interrupted, Reset, ShortRead, WouldBlock};
        if self.is_broken() {
            return Ok(0);
        }
        let faults = [Interrupted, WouldBlock, Reset, ShortRead];
        let part = match self.throw(Counter::SysRead, &faults, into.len()) {
            None => into.len(),
            Some((ShortRead, part)) => part,
            Some((fault, _)) => {
                return Err(self.fail(Counter::SysRead, fault, Readiness::READABLE));
            }
        };
        let n = self.inner.read(&mut into[..part])?;
        if part < into.len() && n == part {
            self.notify(Readiness::READABLE);
        }
        Ok(n)
    }

    fn write(&self, parts: &[IoSlice<'_>]) -> io::Result<usize> {
        use Fault::{Interrupted, NoBuffers, Reset, ShortWrite, WouldBlock};
        if self.is_broken() {
            return Err(io::Error::from_raw_os_error(libc::EPIPE));
        }
        let all = parts.iter().map(|part| part.len()).sum();
        let faults = [Interrupted, WouldBlock, Reset, NoBuffers, ShortWrite];
        let mut left = match self.throw(Counter::SysWrite, &faults, all) {
            None => all,
            Some((ShortWrite, part)) => part,
            Some((fault, _)) => {
                return Err(self.fail(Counter::SysWrite, fault, Readiness::WRITABLE));
            }
        };
        let mut cut = Vec::with_capacity(parts.len());
        for part in parts {
            let n = part.len().min(left);
            cut.push(IoSlice::new(&part[..n]));
            left -= n;
        }
        self.inner.write_vectored(&cut)
    }

    fn is_writable(&self) -> bool {
        self.inner.is_writable()
    }

    fn peek(&self) -> io::Result<usize> {
        if self.is_broken() { Ok(0) } else { self.inner.peek() }
    }

    fn shutdown_write(&self) -> io::Result<()> {
        self.inner.shutdown_write()
    }

    fn reset_on_close(&self) -> io::Result<()> {
        self.inner.reset_on_close()
    }

    fn close(&self) -> bool {
        self.inner.close()
    }

    fn descriptor(&self) -> Option<BorrowedFd<'_>> {
        self.inner.descriptor()
    }

    fn watch(&self, notifier: Notifier) {
        self.inner.watch(|| notifier.clone());
        if self.notifier.set(notifier).is_err() {
            unreachable!("an endpoint is watched once");
        }
    }

    fn connect_finish(&self) -> io::Result<Connecting> {
        self.inner.connect_finish()
    }

    fn local_address(&self) -> io::Result<PeerAddress> {
        self.inner.local_address()
    }

    fn credentials(&self) -> io::Result<Credentials> {
        self.inner.credentials()
    }

    fn cuts_reads(&self, peer: &PeerAddress) -> bool {
        self.inner.cuts_reads(peer)
    }

    fn is_faulty(&self) -> bool {
        true
    }
}

impl fmt::Debug for Faulty {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Faulty").field("inner", &self.inner).finish_non_exhaustive()
    }
}
