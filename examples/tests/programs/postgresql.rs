//! A PostgreSQL of a test's own: in a temporary directory, on a Unix socket, as an unprivileged user.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::atomic::{AtomicUsize, Ordering::Relaxed},
    thread,
    time::{Duration, Instant},
};

use netpoll_examples::testing::real_client;

/// A running server; stopped, and its directory removed, when it is dropped.
pub(crate) struct Postgres {
    child: Child,
    dir: PathBuf,
}

impl Postgres {
    /// Starts one. `None`, after saying why, where PostgreSQL is missing.
    pub(crate) fn start() -> Option<Self> {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        let postgres = program("postgres")?;
        let initdb = program("initdb")?;
        let name =
            format!("netpoll-postgres-{}-{}", std::process::id(), NEXT.fetch_add(1, Relaxed));
        let dir = std::env::temp_dir().join(name);
        fs::create_dir(&dir).unwrap();
        if is_root() {
            let owned = Command::new("chown").arg("postgres").arg(&dir).status();
            assert!(owned.unwrap().success(), "PostgreSQL's user is missing");
        }
        let data = dir.join("data");
        let made = unprivileged(&initdb, &dir)
            .args(["-U", "postgres", "-A", "trust", "--no-sync", "-E", "UTF8", "--locale=C", "-D"])
            .arg(&data)
            .stdout(Stdio::null())
            .status();
        assert!(made.unwrap().success(), "initdb failed");
        let child = unprivileged(&postgres, &dir)
            .args(["-c", "listen_addresses=", "-c", "fsync=off", "-k"])
            .arg(&dir)
            .arg("-D")
            .arg(&data)
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let this = Self { child, dir };
        let until = Instant::now() + Duration::from_secs(60);
        while this.ask("select 1").is_none_or(|said| said != "1\n") {
            assert!(Instant::now() < until, "PostgreSQL does not answer");
            thread::sleep(Duration::from_millis(50));
        }
        Some(this)
    }

    /// The directory of its socket.
    pub(crate) fn directory(&self) -> &Path {
        &self.dir
    }

    /// What `psql` prints for a statement; `None` if it fails.
    pub(crate) fn ask(&self, sql: &str) -> Option<String> {
        let output = Command::new(program("psql")?)
            .args(["-XAtq", "-U", "postgres", "-h"])
            .arg(&self.dir)
            .args(["-c", sql])
            .output()
            .unwrap();
        output.status.success().then(|| String::from_utf8(output.stdout).unwrap())
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        // An immediate shutdown: its own processes end with it.
        let _ = Command::new("kill").args(["-s", "QUIT", &self.child.id().to_string()]).status();
        let _ = self.child.wait();
        let _ = fs::remove_dir_all(&self.dir);
    }
}

/// A program of PostgreSQL's, which Debian keeps out of `PATH`.
fn program(name: &str) -> Option<PathBuf> {
    let mut versions: Vec<_> = fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .filter_map(|entry| Some(entry.ok()?.path().join("bin").join(name)))
        .filter(|path| path.is_file())
        .collect();
    versions.sort();
    versions.pop().or_else(|| real_client(name))
}

/// A command of a user that PostgreSQL accepts: it refuses root.
fn unprivileged(program: &Path, dir: &Path) -> Command {
    let mut command = if is_root() {
        let mut command = Command::new("setpriv");
        command.args(["--reuid", "postgres", "--regid", "postgres", "--clear-groups"]).arg(program);
        command
    } else {
        Command::new(program)
    };
    command.current_dir(dir);
    command
}

fn is_root() -> bool {
    use std::os::unix::fs::MetadataExt;
    fs::metadata("/proc/self").is_ok_and(|meta| meta.uid() == 0)
}
