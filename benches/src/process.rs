//! What a process costs: its processor time, its peak memory and its system calls; and pinning.

use std::io;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::time::{ClockId, clock_getcpuclockid, clock_gettime};
use nix::unistd::Pid;

/// A running process that is measured from outside.
#[derive(Clone, Copy, Debug)]
pub struct Process {
    pid: u32,
    clock: ClockId,
}

impl Process {
    /// The process with this id.
    ///
    /// # Errors
    /// No such process.
    pub fn new(pid: u32) -> io::Result<Self> {
        Ok(Self { pid, clock: clock_getcpuclockid(Pid::from_raw(pid as i32))? })
    }

    /// Its id.
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// Processor time of all its threads since it began, of those that have ended too.
    ///
    /// # Errors
    /// The process is gone.
    pub fn cpu_time(&self) -> io::Result<Duration> {
        Ok(clock_gettime(self.clock)?.into())
    }

    /// The most bytes that were resident at any time.
    ///
    /// # Errors
    /// The process is gone.
    pub fn peak_memory(&self) -> io::Result<u64> {
        self.status("VmHWM:")
    }

    /// Memory that it has now, in bytes.
    ///
    /// # Errors
    /// The process is gone.
    pub fn memory(&self) -> io::Result<u64> {
        self.status("VmRSS:")
    }

    fn status(&self, name: &str) -> io::Result<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid))?;
        status
            .lines()
            .find_map(|line| line.strip_prefix(name))
            .and_then(|rest| rest.trim().strip_suffix("kB"))
            .and_then(|kib| kib.trim().parse::<u64>().ok())
            .map(|kib| kib << 10)
            .ok_or_else(|| io::Error::other(format!("no {name} in the process's status")))
    }

    /// Puts all its threads on one core. Threads that it starts later inherit that.
    ///
    /// # Errors
    /// The process is gone, or there is no such core.
    pub fn pin(&self, core: usize) -> io::Result<()> {
        for task in std::fs::read_dir(format!("/proc/{}/task", self.pid))? {
            let name = task?.file_name();
            let id = name.to_string_lossy().parse().map_err(io::Error::other)?;
            sched_setaffinity(Pid::from_raw(id), &one_core(core)?)?;
        }
        Ok(())
    }
}

fn one_core(core: usize) -> io::Result<CpuSet> {
    let mut set = CpuSet::new();
    set.set(core)?;
    Ok(set)
}

/// Two cores that this process may use: for what is measured, and for the other end. They are the
/// same where there is one.
///
/// # Errors
/// The system does not tell.
pub fn two_cores() -> io::Result<(usize, usize)> {
    let allowed = sched_getaffinity(Pid::from_raw(0))?;
    let mut cores = (0..CpuSet::count()).filter(|core| allowed.is_set(*core) == Ok(true));
    let first = cores.next().ok_or_else(|| io::Error::other("no core is allowed"))?;
    Ok((first, cores.next().unwrap_or(first)))
}

/// Puts the calling thread on one core. Threads and processes that it starts inherit that.
///
/// # Errors
/// There is no such core, or it is not allowed.
pub fn pin_current_thread(core: usize) -> io::Result<()> {
    Ok(sched_setaffinity(Pid::from_raw(0), &one_core(core)?)?)
}

/// Processor time of the calling thread.
pub fn thread_cpu_time() -> Duration {
    clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).map_or(Duration::ZERO, Duration::from)
}

/// Raises the limit of open files to all that is allowed, here and for processes started later.
///
/// # Errors
/// The limit cannot be read or set.
pub fn raise_file_limit() -> io::Result<()> {
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE)?;
    Ok(setrlimit(Resource::RLIMIT_NOFILE, hard, hard)?)
}

/// The id of the process that listens on a TCP port of this machine, if it can be seen.
pub fn listener_pid(port: u16) -> Option<u32> {
    let inode = ["/proc/net/tcp", "/proc/net/tcp6"].iter().find_map(|table| {
        std::fs::read_to_string(table).ok()?.lines().skip(1).find_map(|line| {
            let fields: Vec<&str> = line.split_whitespace().collect();
            let local = fields.get(1)?.rsplit(':').next()?;
            let listens = *fields.get(3)? == "0A" && u16::from_str_radix(local, 16) == Ok(port);
            listens.then(|| fields.get(9).map(|inode| format!("socket:[{inode}]"))).flatten()
        })
    })?;
    let processes = std::fs::read_dir("/proc").ok()?;
    processes.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok()).find(
        |pid: &u32| {
            let Ok(files) = std::fs::read_dir(format!("/proc/{pid}/fd")) else { return false };
            files
                .filter_map(|file| std::fs::read_link(file.ok()?.path()).ok())
                .any(|target| target.as_os_str() == inode.as_str())
        },
    )
}

/// The machine's processor time so far, of all cores and all processes: (busy, total).
pub fn machine_time() -> Option<(Duration, Duration)> {
    let stat = std::fs::read_to_string("/proc/stat").ok()?;
    let ticks: Vec<u64> = stat
        .lines()
        .next()?
        .split_whitespace()
        .skip(1)
        .take(8)
        .filter_map(|field| field.parse().ok())
        .collect();
    let total: u64 = ticks.iter().sum();
    let waiting = ticks.get(3)? + ticks.get(4)?;
    let duration = |ticks: u64| Duration::from_millis(ticks * 10);
    Some((duration(total - waiting), duration(total)))
}

/// Counts the system calls of a process by `perf stat` while it lives.
#[derive(Debug)]
pub struct SyscallCount {
    perf: Child,
    length: Duration,
}

impl SyscallCount {
    /// Begins to count for `length`; `None` where there is no perf, or it may not count.
    pub fn start(process: &Process, length: Duration) -> Option<Self> {
        let perf = Command::new("perf")
            .args(["stat", "-x", ",", "-e", "raw_syscalls:sys_enter"])
            .args(["-p", &process.pid().to_string(), "--", "sleep"])
            .arg(format!("{:.3}", length.as_secs_f64()))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .ok()?;
        Some(Self { perf, length })
    }

    /// Whether the count has ended.
    pub fn is_done(&mut self) -> bool {
        !matches!(self.perf.try_wait(), Ok(None))
    }

    /// Waits for the end of the count: system calls a second.
    pub fn finish(self) -> Option<f64> {
        let output = self.perf.wait_with_output().ok()?;
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        let line = text.lines().find(|line| line.contains("raw_syscalls"))?;
        let calls: f64 = line.split(',').next()?.parse().ok()?;
        Some(calls / self.length.as_secs_f64())
    }
}

/// What this machine is, in a line: processor, cores, kernel.
pub fn machine() -> String {
    let processors = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = processors
        .lines()
        .find_map(|line| line.strip_prefix("model name"))
        .map_or("processor", |rest| rest.trim_start_matches([' ', '\t', ':']));
    let cores = processors.lines().filter(|line| line.starts_with("processor")).count();
    let kernel = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let version: Vec<&str> = kernel.trim().split(['.', '-']).take(2).collect();
    format!("{model}, {cores} cores, Linux {}", version.join("."))
}
