//! A log of many lines, which leave together: a system call for each would cost more than what it tells of.

use std::{
    io::{self, Write},
    sync::Arc,
    thread,
    time::Duration,
};

use parking_lot::Mutex;
use tracing_subscriber::fmt::MakeWriter;

/// The longest time for which a line waits.
const DELAY: Duration = Duration::from_millis(100);

/// Bytes of lines that leave at once.
const FULL: usize = 16 << 10;

/// A writer to standard error that gathers lines: they leave ten times a second, and whenever 16 KiB are there.
///
/// ```
/// use netpoll_examples::log::Gathered;
///
/// let log = Gathered::start();
/// tracing_subscriber::fmt().with_writer(log.clone()).init();
/// tracing::info!("it waits for others");
/// log.flush();
/// ```
#[derive(Clone, Debug)]
pub struct Gathered(Arc<Mutex<Vec<u8>>>);

impl Gathered {
    /// Creates one, and starts the thread that writes in time.
    pub fn start() -> Self {
        let lines = Arc::new(Mutex::new(Vec::new()));
        let waiting = Arc::downgrade(&lines);
        thread::spawn(move || {
            while let Some(lines) = waiting.upgrade() {
                Self(lines).flush();
                thread::sleep(DELAY);
            }
        });
        Self(lines)
    }

    /// Writes what waits. Call it before the program ends.
    pub fn flush(&self) {
        leave(&mut self.0.lock());
    }
}

/// Writes `lines`, in their order; a log that cannot be written is lost.
fn leave(lines: &mut Vec<u8>) {
    if !lines.is_empty() {
        let _ = io::stderr().write_all(lines);
        lines.clear();
    }
}

impl Write for &Gathered {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let mut lines = self.0.lock();
        lines.extend_from_slice(line);
        if lines.len() >= FULL {
            leave(&mut lines);
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Gathered {
    type Writer = &'a Self;

    fn make_writer(&'a self) -> &'a Self {
        self
    }
}
