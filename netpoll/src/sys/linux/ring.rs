//! Many sends in one system call: an io_uring of one thread, in which nothing is ever left armed.
//!
//! A batch is submitted, and all its results are read, in one enter. `MSG_DONTWAIT` makes each send end
//! inside that enter: what a socket does not take is reported and not waited for. So the kernel holds no
//! buffer beyond the call, and a ring that is dropped has no work in it.
#![allow(unsafe_code)]

use std::{
    io,
    os::fd::{AsRawFd, BorrowedFd},
};

use io_uring::{IoUring, opcode, types};

use crate::counters::{self, Counter};

/// Sends of one enter at most.
pub(crate) const BATCH: usize = 64;

/// Bytes that are to leave by a socket.
pub(crate) trait Outgoing {
    /// Returns the socket. It stays open as long as the value lives.
    fn socket(&self) -> BorrowedFd<'_>;

    /// Returns the bytes, which stay where they are when the value is moved.
    fn bytes(&self) -> &[u8];
}

/// The ring of one thread.
pub(crate) struct Ring(IoUring);

impl Ring {
    /// Makes a ring.
    ///
    /// # Errors
    /// The kernel's refusal: it is too old, lacks memory, or a filter or a setting forbids the calls.
    pub(crate) fn new() -> io::Result<Self> {
        let entries = BATCH as u32;
        IoUring::builder()
            .setup_single_issuer()
            .setup_defer_taskrun()
            .setup_submit_all()
            .build(entries)
            .map(Self)
    }

    /// Sends a batch of one and of none, so that a kernel or a filter that refuses does so now.
    ///
    /// # Errors
    /// Any refusal.
    pub(crate) fn probe() -> io::Result<()> {
        struct Probe(std::os::unix::net::UnixStream);
        impl Outgoing for Probe {
            fn socket(&self) -> BorrowedFd<'_> {
                std::os::fd::AsFd::as_fd(&self.0)
            }
            fn bytes(&self) -> &[u8] {
                b"probe"
            }
        }
        let (a, _b) = std::os::unix::net::UnixStream::pair()?;
        let mut results = Vec::new();
        Self::new()?.send(&mut vec![Probe(a)], &mut results)?;
        match results.pop() {
            Some(Ok(5)) => Ok(()),
            Some(Err(error)) => Err(error),
            _ => Err(io::Error::other("a send by io_uring gave no result")),
        }
    }

    /// Sends each of `batch`, at most [`BATCH`], and fills `results` with what each send gave, in order.
    ///
    /// # Errors
    /// The enter failed. Then the batch is sent by nobody, unless its values are gone from `batch`: in the
    /// one case in which the kernel may still use them, they are leaked.
    pub(crate) fn send<T: Outgoing>(
        &mut self,
        batch: &mut Vec<T>,
        results: &mut Vec<io::Result<usize>>,
    ) -> io::Result<()> {
        assert!(batch.len() <= BATCH, "a batch fits into the ring");
        results.clear();
        results.resize_with(batch.len(), || Err(io::ErrorKind::WouldBlock.into()));
        for (index, one) in batch.iter().enumerate() {
            let (fd, bytes) = (types::Fd(one.socket().as_raw_fd()), one.bytes());
            let len = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
            let send = opcode::Send::new(fd, bytes.as_ptr(), len)
                .flags(libc::MSG_DONTWAIT | super::SEND_FLAGS)
                .build()
                .user_data(index as u64);
            // SAFETY: `bytes` and the socket live as long as `batch`, which is not touched before the
            // kernel has given a result for this entry, or is leaked below.
            unsafe { self.0.submission().push(&send) }.expect("a batch fits into the ring");
        }
        let mut left = batch.len();
        while left > 0 {
            counters::add(Counter::SysWrite, 1);
            let entered = self.0.submit_and_wait(left);
            for done in self.0.completion() {
                left -= 1;
                let result = done.result();
                results[done.user_data() as usize] = match usize::try_from(result) {
                    Ok(n) => Ok(n),
                    Err(_) => Err(io::Error::from_raw_os_error(-result)),
                };
            }
            match entered {
                Err(error) if left > 0 && error.kind() != io::ErrorKind::Interrupted => {
                    let unsent = self.0.submission().len();
                    if unsent < left || left < batch.len() {
                        // Some were submitted: the kernel may use them, and some may have left.
                        std::mem::forget(std::mem::take(batch));
                    }
                    return Err(error);
                }
                _ => {}
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::{
        io::Read,
        os::{fd::AsFd, unix::net::UnixStream},
    };

    use super::*;

    struct Part(UnixStream, Vec<u8>);

    impl Outgoing for Part {
        fn socket(&self) -> BorrowedFd<'_> {
            self.0.as_fd()
        }
        fn bytes(&self) -> &[u8] {
            &self.1
        }
    }

    /// `None` where this machine refuses rings.
    fn ring() -> Option<Ring> {
        Ring::probe().ok()?;
        Some(Ring::new().unwrap())
    }

    #[test]
    fn a_batch_leaves_in_one_call_and_each_send_has_its_result() {
        let Some(mut ring) = ring() else { return };
        let pairs: Vec<_> = (0..BATCH).map(|_| UnixStream::pair().unwrap()).collect();
        let mut batch: Vec<_> = pairs
            .iter()
            .enumerate()
            .map(|(i, (a, _))| Part(a.try_clone().unwrap(), vec![i as u8; i + 1]))
            .collect();
        let mut results = Vec::new();
        ring.send(&mut batch, &mut results).unwrap();
        for (i, (result, (_, b))) in results.into_iter().zip(&pairs).enumerate() {
            assert_eq!(result.unwrap(), i + 1);
            let mut bytes = vec![0; i + 1];
            (&*b).read_exact(&mut bytes).unwrap();
            assert_eq!(bytes, vec![i as u8; i + 1]);
        }
    }

    /// The sockets are blocking ones: `MSG_DONTWAIT` alone keeps the call from waiting.
    #[test]
    fn full_and_closed_sockets_are_results_and_not_waited_for() {
        let Some(mut ring) = ring() else { return };
        let (full, _reader) = UnixStream::pair().unwrap();
        let (broken, gone) = UnixStream::pair().unwrap();
        drop(gone);
        let (good, mut peer) = UnixStream::pair().unwrap();
        let mut batch = vec![
            Part(full.try_clone().unwrap(), vec![1; 8 << 20]),
            Part(broken, vec![2; 10]),
            Part(good, vec![3; 10]),
        ];
        let mut results = Vec::new();
        ring.send(&mut batch, &mut results).unwrap();
        let part = *results[0].as_ref().unwrap();
        assert!(part > 0 && part < 8 << 20, "{part}");
        assert_eq!(results[1].as_ref().unwrap_err().kind(), io::ErrorKind::BrokenPipe);
        assert_eq!(*results[2].as_ref().unwrap(), 10);
        peer.read_exact(&mut [0; 10]).unwrap();
        batch = vec![Part(full, vec![1; 8 << 20])];
        ring.send(&mut batch, &mut results).unwrap();
        assert_eq!(results[0].as_ref().unwrap_err().kind(), io::ErrorKind::WouldBlock);
    }
}
