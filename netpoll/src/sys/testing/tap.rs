//! What stands before one socket: its faults, and the memory that it reads and writes instead of the
//! system's if it is one end of a pair in memory.

use std::{
    fmt,
    io::{self, IoSlice},
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
};

use parking_lot::Mutex;

pub(crate) use super::faults::Faults;
pub(in crate::sys) use super::ports::dial;
use super::{
    faults::{Dice, Fault},
    memory::End,
};
use crate::sys::interest::Readiness;

/// Tells a socket's source of events that no selector knows.
#[derive(Default)]
pub(super) struct Bell(OnceLock<Box<dyn Fn(Readiness) + Send + Sync>>);

impl Bell {
    /// Before the socket is registered nobody hears it.
    pub(super) fn ring(&self, readiness: Readiness) {
        if let Some(tell) = self.0.get() {
            tell(readiness);
        }
    }
}

/// See the module's documentation.
#[derive(Default)]
pub(in crate::sys) struct Tap {
    dice: Option<Mutex<Dice>>,
    /// A reset was injected: what follows is as after a real one.
    broken: AtomicBool,
    bell: Arc<Bell>,
    memory: Option<End>,
    /// Nobody answers its dial.
    ignored: bool,
}

impl Tap {
    /// Before a socket whose bytes stay in memory.
    pub(super) fn in_memory(end: End, bell: Arc<Bell>) -> Self {
        Self { bell, memory: Some(end), ..Self::default() }
    }

    /// Nobody answers the socket's dial.
    pub(super) fn ignore(&mut self) {
        self.ignored = true;
    }

    pub(in crate::sys) fn is_ignored(&self) -> bool {
        self.ignored
    }

    pub(in crate::sys) fn suffer(&mut self, faults: &Faults) {
        if let Some(dice) = faults.dice() {
            self.dice.get_or_insert_with(|| Mutex::new(dice));
        }
    }

    pub(in crate::sys) fn registered<B>(&self, bell: impl FnOnce() -> B)
    where
        B: Fn(Readiness) + Send + Sync + 'static,
    {
        if self.dice.is_none() && self.memory.is_none() {
            return;
        }
        if self.bell.0.set(Box::new(bell())).is_err() {
            unreachable!("a socket is registered once");
        }
        if let Some(end) = &self.memory {
            // As a selector tells at once what is true already.
            self.bell.ring(end.readiness());
        }
    }

    pub(in crate::sys) fn read(
        &self,
        into: &mut [u8],
        call: impl FnOnce(&mut [u8]) -> io::Result<usize>,
    ) -> io::Result<usize> {
        use Fault::{Interrupted, Reset, ShortRead, WouldBlock};
        if self.broken.load(Relaxed) {
            return Ok(0);
        }
        let part = match self.throw(&[Interrupted, WouldBlock, Reset, ShortRead], into.len()) {
            None => into.len(),
            Some((ShortRead, part)) => part,
            Some((fault, _)) => return Err(self.fail(fault, Readiness::READABLE)),
        };
        let short = part < into.len();
        let into = &mut into[..part];
        let n = match &self.memory {
            Some(end) => end.read(into)?,
            None => call(into)?,
        };
        if short && n == part {
            self.bell.ring(Readiness::READABLE);
        }
        Ok(n)
    }

    pub(in crate::sys) fn write(
        &self,
        bytes: &[u8],
        call: impl FnOnce(&[u8]) -> io::Result<usize>,
    ) -> io::Result<usize> {
        let part = self.before_write(bytes.len())?;
        match &self.memory {
            Some(end) => end.write(&bytes[..part]),
            None => call(&bytes[..part]),
        }
    }

    pub(in crate::sys) fn writev(
        &self,
        parts: &[IoSlice<'_>],
        call: impl FnOnce(&[IoSlice<'_>]) -> io::Result<usize>,
    ) -> io::Result<usize> {
        let all = parts.iter().map(|part| part.len()).sum();
        let mut left = self.before_write(all)?;
        let mut cut = Vec::new();
        for part in parts {
            let n = part.len().min(left);
            cut.push(IoSlice::new(&part[..n]));
            left -= n;
        }
        match &self.memory {
            Some(end) => end.write(&cut.iter().map(|part| &part[..]).collect::<Vec<_>>().concat()),
            None => call(&cut),
        }
    }

    /// How many of `n` bytes may be written.
    fn before_write(&self, n: usize) -> io::Result<usize> {
        use Fault::{Interrupted, NoBuffers, Reset, ShortWrite, WouldBlock};
        if self.broken.load(Relaxed) {
            return Err(io::Error::from_raw_os_error(libc::EPIPE));
        }
        match self.throw(&[Interrupted, WouldBlock, Reset, NoBuffers, ShortWrite], n) {
            None => Ok(n),
            Some((ShortWrite, part)) => Ok(part),
            Some((fault, _)) => Err(self.fail(fault, Readiness::WRITABLE)),
        }
    }

    pub(in crate::sys) fn peek(
        &self,
        call: impl FnOnce() -> io::Result<usize>,
    ) -> io::Result<usize> {
        match &self.memory {
            _ if self.broken.load(Relaxed) => Ok(0),
            Some(end) => end.peek(),
            None => call(),
        }
    }

    pub(in crate::sys) fn shutdown_write(
        &self,
        call: impl FnOnce() -> io::Result<usize>,
    ) -> io::Result<usize> {
        match &self.memory {
            Some(end) => end.shutdown_write(),
            None => call(),
        }
    }

    pub(in crate::sys) fn accept<T>(&self, call: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
        use Fault::{Interrupted, NoBuffers, Reset, SlowAccept, TooManyFiles};
        match self.throw(&[Interrupted, TooManyFiles, NoBuffers, Reset, SlowAccept], 0) {
            None => call(),
            Some((Reset, _)) => Err(io::Error::from_raw_os_error(libc::ECONNABORTED)),
            Some((fault, _)) => Err(fault.error()),
        }
    }

    pub(in crate::sys) fn reset_on_close(&self) {
        if let Some(end) = &self.memory {
            end.reset_on_close();
        }
    }

    pub(in crate::sys) fn closed(&self) {
        if let Some(end) = &self.memory {
            end.close();
        }
    }

    /// Which of `faults` befalls a call on `n` bytes, and how many of them a short one would be.
    fn throw(&self, faults: &[Fault], n: usize) -> Option<(Fault, usize)> {
        let mut dice = self.dice.as_ref()?.lock();
        let fault = dice.throw(faults)?;
        let part = if n < 2 { n } else { 1 + dice.below(n as u64 - 1) as usize };
        Some((fault, part))
    }

    /// The error of a fault; `again` is what an event will tell where the call is to be made again.
    fn fail(&self, fault: Fault, again: Readiness) -> io::Error {
        match fault {
            Fault::WouldBlock => self.bell.ring(again),
            Fault::Reset => {
                self.broken.store(true, Relaxed);
                if let Some(end) = &self.memory {
                    end.reset();
                }
                self.bell.ring(Readiness::READABLE | Readiness::WRITABLE | Readiness::HUNG_UP);
            }
            _ => {}
        }
        fault.error()
    }
}

impl fmt::Debug for Tap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tap")
            .field("faults", &self.dice.is_some())
            .field("memory", &self.memory.is_some())
            .finish_non_exhaustive()
    }
}
