//! Signals, as bytes of a pipe.
#![allow(unsafe_code)]

use std::{
    io::{self, PipeReader, Read},
    mem::MaybeUninit,
    os::fd::IntoRawFd,
    ptr,
    sync::atomic::{AtomicI32, Ordering::SeqCst},
};

use libc::c_int;

use super::call::check;

/// The writing end of the pipe; below zero until there is one.
static PIPE: AtomicI32 = AtomicI32::new(-1);

/// The signals that were asked for, one after the other.
pub(crate) struct Signals(PipeReader);

impl Signals {
    /// Opens the pipe for the signals that are [caught](catch) later. To be called once in a process.
    ///
    /// # Errors
    /// Those of the system.
    pub(crate) fn open() -> io::Result<Self> {
        let (reader, writer) = io::pipe()?;
        // The handler writes to it until the process ends.
        PIPE.store(writer.into_raw_fd(), SeqCst);
        Ok(Self(reader))
    }

    /// Waits for the next signal.
    ///
    /// # Errors
    /// Those of the system.
    pub(crate) fn next(&mut self) -> io::Result<c_int> {
        let mut signal = [0];
        self.0.read_exact(&mut signal)?;
        Ok(signal[0].into())
    }
}

/// Catches `signal` from now on, unless this process was told to ignore it.
///
/// # Errors
/// Those of the system.
pub(crate) fn catch(signal: c_int) -> io::Result<()> {
    if action_of(signal)? != libc::SIG_IGN {
        set_action(signal, on_signal as *const () as usize)?;
    }
    Ok(())
}

/// Ends the process as `signal` ends one that does not catch it.
pub(crate) fn die_of(signal: c_int) {
    if set_action(signal, libc::SIG_DFL).is_ok() {
        // SAFETY: it takes a number and touches no memory of the process.
        unsafe { libc::raise(signal) };
    }
}

/// Writes the signal's number to the pipe: `write` is safe in a signal handler. The pipe has room, since a
/// thread reads it, so that `errno` stays as it was.
extern "C" fn on_signal(signal: c_int) {
    let byte = signal as u8;
    // SAFETY: it reads one byte, of a variable that lives here.
    unsafe { libc::write(PIPE.load(SeqCst), (&raw const byte).cast(), 1) };
}

fn action_of(signal: c_int) -> io::Result<usize> {
    let mut action = MaybeUninit::<libc::sigaction>::uninit();
    // SAFETY: the system writes to `action`, which has room for it.
    check(unsafe { libc::sigaction(signal, ptr::null(), action.as_mut_ptr()) })?;
    // SAFETY: the call has succeeded, and so has written it.
    Ok(unsafe { action.assume_init() }.sa_sigaction)
}

fn set_action(signal: c_int, handler: usize) -> io::Result<()> {
    // SAFETY: it is a structure of numbers, of which zero is a value.
    let mut action: libc::sigaction = unsafe { MaybeUninit::zeroed().assume_init() };
    action.sa_sigaction = handler;
    action.sa_flags = libc::SA_RESTART;
    // SAFETY: the system reads `action`; the handler is one that may be called at any time.
    check(unsafe { libc::sigaction(signal, &raw const action, ptr::null_mut()) })?;
    Ok(())
}
