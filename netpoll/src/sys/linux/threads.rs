//! Threads of this process as the system sees them, from `/proc`.

use std::{fmt::Write, fs, path::Path};

/// Returns the number of this thread in the system.
pub(crate) fn thread_number() -> Option<u32> {
    let link = fs::read_link("/proc/thread-self").ok()?;
    link.file_name()?.to_str()?.parse().ok()
}

/// Describes what the thread of this number does at this moment: its state, its system call by number, and the
/// function of the kernel in which it waits. Parts that the system does not show are left out.
pub(crate) fn inspect_thread(number: u32) -> Option<String> {
    let directory = format!("/proc/self/task/{number}");
    let read = |name| fs::read_to_string(Path::new(&directory).join(name)).ok();
    let status = read("status")?;
    let state = status.lines().find_map(|line| line.strip_prefix("State:")).map(str::trim);
    let mut text = format!("thread {number}");
    // Nothing fails to be written to a `String`.
    let _ = write!(text, ": {}", state.unwrap_or("state unknown"));
    // `running`, or a number and its arguments, which are addresses.
    let call = read("syscall");
    if let Some(call) = call.as_deref().and_then(|call| call.split_whitespace().next())
        && let Ok(call) = call.parse::<u32>()
    {
        let _ = write!(text, ", in system call {call}");
    }
    if let Some(place) = read("wchan").filter(|place| !place.is_empty() && place != "0") {
        let _ = write!(text, ", waiting in {place}");
    }
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_describes_itself() {
        let number = thread_number().unwrap();
        let text = inspect_thread(number).unwrap();
        assert!(text.starts_with(&format!("thread {number}: R")), "{text}");
        assert_eq!(inspect_thread(0), None);
    }
}
