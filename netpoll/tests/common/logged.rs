//! The log of a test's process.

use std::{
    io::{self, Write},
    sync::{Arc, Once, OnceLock},
};

use parking_lot::Mutex;
use tracing_subscriber::fmt::MakeWriter;

/// The log of this process, to which all tests write.
#[derive(Clone, Default)]
pub struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().extend(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Log {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        self.clone()
    }
}

/// Begins to keep the log, at its first call.
pub fn log() -> &'static Log {
    static LOG: OnceLock<Log> = OnceLock::new();
    static SET: Once = Once::new();
    let log = LOG.get_or_init(Log::default);
    SET.call_once(|| {
        tracing_subscriber::fmt()
            .with_max_level(tracing_subscriber::filter::LevelFilter::DEBUG)
            .with_writer(log.clone())
            .with_ansi(false)
            .init();
    });
    log
}

/// The lines of the log that hold all of `parts`.
pub fn lines(parts: &[&str]) -> Vec<String> {
    let text = String::from_utf8_lossy(&log().0.lock()).into_owned();
    let holds = |line: &&str| parts.iter().all(|part| line.contains(part));
    text.lines().filter(holds).map(str::to_owned).collect()
}
