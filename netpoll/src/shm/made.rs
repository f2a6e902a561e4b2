//! The memory of a client's session: without names for version 3, and in files for version 2.

use std::{
    ffi::CString,
    io,
    os::{fd::AsFd, unix::ffi::OsStrExt},
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};

use super::{
    breach::Breach,
    control::{self, Header, Kind},
    queue::{self, Consumer, Producer},
    slices::{SHARES, Slices},
};
use crate::sys::{Region, send_descriptors};

/// Places of each queue.
const PLACES: u32 = 8192;

/// Bytes of the buffer file.
const BUFFER: usize = 32 << 20;

/// Where files are made: the system keeps them in memory.
const DIRECTORY: &str = "/dev/shm";

/// The memory that a client made.
pub(super) struct Made {
    buffer: Arc<Region>,
    queue: Arc<Region>,
    pub(super) version: u8,
}

/// The files of a session by version 2. The server says nothing when it has mapped them, so that they last as
/// long as the session.
#[derive(Debug)]
pub(super) struct Files {
    queue: PathBuf,
    buffer: PathBuf,
}

impl Made {
    /// Makes memory without a name, to be offered by [`offer`](Self::offer).
    pub(super) fn new(version: u8) -> io::Result<Self> {
        let name = |what: &str| CString::new(format!("netpoll-{what}")).expect("it has no zero");
        let buffer = Region::create(&name("buffer"), BUFFER)?;
        Self::laid_out(buffer, Region::create(&name("queue"), queue_len())?, version)
    }

    /// Makes memory in files.
    pub(super) fn in_files() -> io::Result<(Self, Files)> {
        let files = Files::named();
        let buffer = Region::create_file(&files.buffer, BUFFER)?;
        let queue = Region::create_file(&files.queue, queue_len())?;
        Ok((Self::laid_out(buffer, queue, 2)?, files))
    }

    fn laid_out(buffer: Region, queue: Region, version: u8) -> io::Result<Self> {
        let (buffer, queue) = (Arc::new(buffer), Arc::new(queue));
        Slices::create(buffer.clone(), &SHARES).map_err(broken)?;
        queue::create(&queue, PLACES).map_err(broken)?;
        Ok(Self { buffer, queue, version })
    }

    /// Returns the frame that offers the memory's descriptors.
    pub(super) fn offer(&self) -> Vec<u8> {
        let names = control::write_paths(b"netpoll-queue", b"netpoll-buffer");
        let mut frame = Header::write(Kind::Descriptors, self.version, names.len()).to_vec();
        frame.extend(names);
        frame
    }

    /// Sends the descriptors over `socket`.
    pub(super) fn send(&self, socket: std::os::fd::BorrowedFd<'_>) -> io::Result<()> {
        send_descriptors(socket, &[self.buffer.as_fd(), self.queue.as_fd()])
    }

    /// Takes the memory up, for a session.
    pub(super) fn take_up(self) -> io::Result<(Slices, Producer, Consumer)> {
        let slices = Slices::attach(self.buffer).map_err(broken)?;
        let (producer, consumer) = queue::take_up(&self.queue).map_err(broken)?;
        Ok((slices, producer, consumer))
    }
}

fn queue_len() -> usize {
    queue::file_len(PLACES)
}

/// Makes of a breach the error that ends a session.
pub(super) fn broken(breach: Breach) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, breach.to_string())
}

impl Files {
    fn named() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let directory = Path::new(DIRECTORY);
        let directory = match directory.is_dir() {
            true => directory.to_owned(),
            false => std::env::temp_dir(),
        };
        let (process, n) = (std::process::id(), NEXT.fetch_add(1, Relaxed));
        let of = |what: &str| directory.join(format!("netpoll-{process}-{n}-{what}"));
        Self { queue: of("queue"), buffer: of("buffer") }
    }

    /// Returns the frame that offers them.
    pub(super) fn offer(&self) -> Vec<u8> {
        let (queue, buffer) =
            (self.queue.as_os_str().as_bytes(), self.buffer.as_os_str().as_bytes());
        let paths = control::write_paths(queue, buffer);
        let mut frame = Header::write(Kind::Paths, 2, paths.len()).to_vec();
        frame.extend(paths);
        frame
    }
}

impl Drop for Files {
    fn drop(&mut self) {
        for path in [&self.queue, &self.buffer] {
            // One that was not made is missing.
            let _ = std::fs::remove_file(path);
        }
    }
}
