//! Where a test may stand between a socket and the system. In this build nobody does: everything here
//! is the call itself. The feature `testing` puts `testing::tap` in this module's place.

use std::io::{self, IoSlice};

use super::{
    interest::Readiness,
    socket::{Connecting, Socket},
};
use crate::addr::PeerAddress;

/// What befalls a runtime's sockets: nothing.
#[derive(Clone, Debug, Default)]
pub(crate) struct Faults(());

impl Faults {
    #[inline(always)]
    pub(super) fn open<T>(&self, call: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
        call()
    }
}

/// A connection that is made without the system: none is.
#[inline(always)]
pub(super) fn dial(
    _peer: &PeerAddress,
    _faults: &Faults,
) -> Option<io::Result<(Socket, Connecting)>> {
    None
}

/// What stands before one socket: nothing.
#[derive(Debug, Default)]
pub(super) struct Tap(());

impl Tap {
    #[inline(always)]
    pub(super) fn suffer(&mut self, _faults: &Faults) {}

    #[inline(always)]
    pub(super) fn registered<B>(&self, _bell: impl FnOnce() -> B)
    where
        B: Fn(Readiness) + Send + Sync + 'static,
    {
    }

    #[inline(always)]
    pub(super) fn read(
        &self,
        into: &mut [u8],
        call: impl FnOnce(&mut [u8]) -> io::Result<usize>,
    ) -> io::Result<usize> {
        call(into)
    }

    #[inline(always)]
    pub(super) fn write(
        &self,
        bytes: &[u8],
        call: impl FnOnce(&[u8]) -> io::Result<usize>,
    ) -> io::Result<usize> {
        call(bytes)
    }

    #[inline(always)]
    pub(super) fn writev(
        &self,
        parts: &[IoSlice<'_>],
        call: impl FnOnce(&[IoSlice<'_>]) -> io::Result<usize>,
    ) -> io::Result<usize> {
        call(parts)
    }

    #[inline(always)]
    pub(super) fn peek(&self, call: impl FnOnce() -> io::Result<usize>) -> io::Result<usize> {
        call()
    }

    #[inline(always)]
    pub(super) fn shutdown_write(
        &self,
        call: impl FnOnce() -> io::Result<usize>,
    ) -> io::Result<usize> {
        call()
    }

    #[inline(always)]
    pub(super) fn accept<T>(&self, call: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
        call()
    }

    #[inline(always)]
    pub(super) fn is_ignored(&self) -> bool {
        false
    }

    #[inline(always)]
    pub(super) fn reset_on_close(&self) {}

    #[inline(always)]
    pub(super) fn closed(&self) {}
}
