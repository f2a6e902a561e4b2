//! [`Region`]: memory that two processes share.
//!
//! Whatever lies in it can change at any moment, by a peer that is broken or hostile. So no reference
//! to its bytes is given out: single words are read and written by atomic instructions, and ranges are
//! copied by the C library, which sees plain memory. Each access is checked against the mapping's length,
//! which is fixed: a region of this side's is sealed, and a peer's is one only if it is sealed too, or the
//! peer is trusted not to shorten it ([`Region::map`]).

use std::{
    ffi::CStr,
    io,
    os::{
        fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd},
        unix::fs::OpenOptionsExt,
    },
    path::Path,
    ptr::NonNull,
    sync::atomic::{AtomicU8, AtomicU32},
};

use crate::sys::call::check;

/// Memory that another process may have mapped too.
#[derive(Debug)]
pub(crate) struct Region {
    // Invariant: `at..at + len` is mapped for reads and writes until the drop.
    at: NonNull<u8>,
    len: usize,
    fd: OwnedFd,
}

// SAFETY: it is memory of the process, accessed by atomics and copies alone.
unsafe impl Send for Region {}
// SAFETY: as above.
unsafe impl Sync for Region {}

/// The seals that fix a file's length.
const FIXED: libc::c_int = libc::F_SEAL_SHRINK | libc::F_SEAL_GROW;

impl Region {
    /// Makes a region of `len` zeroes, of a length that nobody can change. `name` is shown by the system.
    ///
    /// # Errors
    /// The system's: no descriptor, no memory.
    pub(crate) fn create(name: &CStr, len: usize) -> io::Result<Self> {
        let flags = libc::MFD_CLOEXEC | libc::MFD_ALLOW_SEALING;
        // SAFETY: `name` ends with a zero.
        let fd = check(unsafe { libc::memfd_create(name.as_ptr(), flags) })?;
        // SAFETY: the call above gave `fd` to this one alone.
        let fd = unsafe { OwnedFd::from_raw_fd(fd) };
        let size = libc::off_t::try_from(len).map_err(|_| io::ErrorKind::InvalidInput)?;
        // SAFETY: it takes numbers.
        check(unsafe { libc::ftruncate(fd.as_raw_fd(), size) })?;
        let seals = FIXED | libc::F_SEAL_SEAL;
        // SAFETY: it takes numbers.
        check(unsafe { libc::fcntl(fd.as_raw_fd(), libc::F_ADD_SEALS, seals) })?;
        Self::mapped(fd, len)
    }

    /// Makes a region of `len` zeroes that is the new file `path`, for processes of this user. Its length is
    /// not sealed: whoever can open it can end this process by a signal.
    ///
    /// # Errors
    /// The system's: it exists, or no file can be made there.
    pub(crate) fn create_file(path: &Path, len: usize) -> io::Result<Self> {
        let mut options = std::fs::File::options();
        let file = options.read(true).write(true).create_new(true).mode(0o600).open(path)?;
        file.set_len(len as u64)?;
        Self::mapped(file.into(), len)
    }

    /// Maps all of a file that a peer made, of `most` bytes at most.
    ///
    /// A file whose length is not sealed is refused unless `trusted`: a peer that shortens it ends this
    /// process by a signal.
    ///
    /// # Errors
    /// `InvalidData`: it is empty, too long, or not sealed; else the system's.
    pub(crate) fn map(fd: OwnedFd, most: usize, trusted: bool) -> io::Result<Self> {
        let refuse = |why: String| Err(io::Error::new(io::ErrorKind::InvalidData, why));
        // SAFETY: it takes numbers.
        let seals = unsafe { libc::fcntl(fd.as_raw_fd(), libc::F_GET_SEALS) };
        if !trusted && (seals < 0 || seals & libc::F_SEAL_SHRINK == 0) {
            return refuse("its length is not sealed, and its owner is another user".into());
        }
        let len = std::fs::File::from(fd.try_clone()?).metadata()?.len();
        match usize::try_from(len) {
            Ok(0) => refuse("it is empty".into()),
            Ok(len) if len <= most => Self::mapped(fd, len),
            _ => refuse(format!("it has {len} bytes, of which {most} are allowed")),
        }
    }

    fn mapped(fd: OwnedFd, len: usize) -> io::Result<Self> {
        let protection = libc::PROT_READ | libc::PROT_WRITE;
        let (none, start) = (std::ptr::null_mut(), 0);
        // SAFETY: a new mapping at an address that the system chooses; `len` is not 0.
        let at =
            unsafe { libc::mmap(none, len, protection, libc::MAP_SHARED, fd.as_raw_fd(), start) };
        if at == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        let at = NonNull::new(at.cast()).ok_or(io::ErrorKind::Other)?;
        Ok(Self { at, len, fd })
    }

    /// The number of bytes.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// Returns the address of the byte at `at`, if `n` bytes from there on are within the region.
    fn range(&self, at: usize, n: usize) -> Option<*mut u8> {
        let end = at.checked_add(n)?;
        // The address is only formed where it is within the mapping.
        (end <= self.len).then(|| self.at.as_ptr().wrapping_add(at))
    }

    /// Returns the word at `at`; `None` if it is not within the region, or `at` is no multiple of 4.
    pub(crate) fn word(&self, at: usize) -> Option<&AtomicU32> {
        let word = self.range(at, 4)?.cast::<AtomicU32>();
        // SAFETY: four bytes of the mapping, which outlives the borrow; both processes access them by
        // atomic instructions, or the peer breaks only what it is told itself.
        word.is_aligned().then(|| unsafe { &*word })
    }

    /// Returns the byte at `at`; `None` if it is not within the region.
    pub(crate) fn byte(&self, at: usize) -> Option<&AtomicU8> {
        let byte = self.range(at, 1)?.cast::<AtomicU8>();
        // SAFETY: a byte of the mapping, which outlives the borrow.
        Some(unsafe { &*byte })
    }

    /// Copies the bytes from `at` on into all of `into`. False: they are not within the region.
    #[must_use]
    pub(crate) fn copy_out(&self, at: usize, into: &mut [u8]) -> bool {
        let Some(from) = self.range(at, into.len()) else { return false };
        // SAFETY: `from` has that many bytes, `into` too, and they do not overlap: nobody but this type
        // refers to the mapping. The C library's copy takes bytes as they are when it comes by.
        unsafe { libc::memcpy(into.as_mut_ptr().cast(), from.cast(), into.len()) };
        true
    }

    /// Copies `from` to `at`. False: it would not be within the region, and nothing was copied.
    #[must_use]
    pub(crate) fn copy_in(&self, at: usize, from: &[u8]) -> bool {
        let Some(into) = self.range(at, from.len()) else { return false };
        // SAFETY: as for `copy_out`.
        unsafe { libc::memcpy(into.cast(), from.as_ptr().cast(), from.len()) };
        true
    }
}

impl AsFd for Region {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

impl Drop for Region {
    fn drop(&mut self) {
        // SAFETY: it was mapped with this length, and nobody borrows it any more.
        unsafe { libc::munmap(self.at.as_ptr().cast(), self.len) };
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use std::sync::atomic::Ordering::Relaxed;

    use super::*;

    #[test]
    fn accesses_end_at_the_end() {
        let region = Region::create(c"test", 4096).unwrap();
        region.word(4092).unwrap().store(7, Relaxed);
        assert!(region.word(4093).is_none() && region.word(2).is_none());
        assert!(region.word(usize::MAX - 3).is_none() && region.byte(4096).is_none());
        assert!(region.copy_in(4094, b"ab") && !region.copy_in(4095, b"ab"));
        let mut all = vec![0; 4096];
        assert!(region.copy_out(0, &mut all) && !region.copy_out(1, &mut all));
        assert_eq!(&all[4092..], &[7, 0, b'a', b'b']);
    }

    #[test]
    fn two_mappings_are_one_memory() {
        let one = Region::create(c"test", 4096).unwrap();
        let other = Region::map(one.as_fd().try_clone_to_owned().unwrap(), 4096, false).unwrap();
        one.word(8).unwrap().store(9, Relaxed);
        assert_eq!(other.word(8).unwrap().load(Relaxed), 9);
        assert!(Region::map(one.as_fd().try_clone_to_owned().unwrap(), 4095, false).is_err());
    }

    #[test]
    fn a_file_that_its_owner_can_shorten_is_refused() {
        let path = std::env::temp_dir().join(format!("netpoll-region-{}", std::process::id()));
        let file = std::fs::File::options()
            .create(true)
            .truncate(true)
            .read(true)
            .write(true)
            .open(&path)
            .unwrap();
        file.set_len(4096).unwrap();
        std::fs::remove_file(&path).unwrap();
        assert!(Region::map(file.try_clone().unwrap().into(), 4096, false).is_err());
        assert!(Region::map(file.into(), 4096, true).is_ok());
    }
}
