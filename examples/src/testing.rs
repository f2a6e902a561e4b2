//! What the tests of the programs share.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::{self, Command},
    sync::atomic::{AtomicUsize, Ordering::Relaxed},
};

/// The path of the program `name`, a real client that a test drives.
///
/// Where it is missing, says so on standard error and gives `None`: the test is skipped.
///
/// # Panics
/// If it is missing and the environment variable `CI` is set: there, nothing is skipped.
pub fn real_client(name: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let found = search(name, env::split_paths(&path));
    if found.is_none() {
        skip(&format!("`{name}` is not installed"));
    }
    found
}

/// A command that runs `program` with Python, to whose text `module`, a real client, is known.
///
/// Modules are those of the system, and those that `.ci/run packages` has installed for the tests. A
/// missing one is treated as by [`real_client`].
///
/// # Panics
/// As [`real_client`].
pub fn python(module: &str, program: &str) -> Option<Command> {
    let mut python = Command::new(real_client("python3")?);
    python.env("PYTHONPATH", clients().join("python"));
    let imported = python.args(["-c", &format!("import {module}")]).output();
    if !imported.is_ok_and(|output| output.status.success()) {
        skip(&format!("Python has no module `{module}`; `.ci/run packages` installs it"));
        return None;
    }
    let mut command = Command::new(python.get_program());
    command.env("PYTHONPATH", clients().join("python")).args(["-c", program]);
    Some(command)
}

/// A command that runs `program` with node, to which the package `package`, a real client, is known.
///
/// As [`python`].
///
/// # Panics
/// As [`real_client`].
pub fn node(package: &str, program: &str) -> Option<Command> {
    let node = real_client("node")?;
    let require = format!("require({package:?})");
    let command = |program: &str| {
        let mut command = Command::new(&node);
        command.env("NODE_PATH", clients().join("node/node_modules")).args(["-e", program]);
        command
    };
    if !command(&require).output().is_ok_and(|output| output.status.success()) {
        skip(&format!("node has no package `{package}`; `.ci/run packages` installs it"));
        return None;
    }
    Some(command(program))
}

/// The path of a program that `.ci/run packages` builds from `examples/tests/clients`, by its name.
///
/// A missing one is treated as by [`real_client`].
///
/// # Panics
/// As [`real_client`].
pub fn built_client(name: &str) -> Option<PathBuf> {
    let path = clients().join("bin").join(name);
    if !path.is_file() {
        skip(&format!("`{name}` is not built; `.ci/run packages` builds it"));
        return None;
    }
    Some(path)
}

/// Runs `client` to its end, and gives what it printed.
///
/// # Panics
/// If it cannot be run, or fails.
pub fn printed(client: &mut Command) -> String {
    let output = client.output().expect("the client runs");
    let (out, err) =
        (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{}\n{out}\n{err}", output.status);
    out.into_owned()
}

/// Certificates of one test, in a directory that is removed when this is dropped.
pub struct Certificates(PathBuf);

impl Certificates {
    /// Has the program `certs`, which stands at that path, make them.
    ///
    /// # Panics
    /// If it cannot.
    pub fn by(certs: &str) -> Self {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        let name = format!("netpoll-certs-{}-{}", process::id(), NEXT.fetch_add(1, Relaxed));
        let made = Self(env::temp_dir().join(name));
        printed(Command::new(certs).arg(&made.0));
        made
    }

    /// The path of the directory.
    pub fn directory(&self) -> String {
        self.0.display().to_string()
    }

    /// The path of one of its files.
    pub fn file(&self, name: &str) -> String {
        self.0.join(name).display().to_string()
    }
}

impl Drop for Certificates {
    fn drop(&mut self) {
        // It may be that none was made.
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Where `.ci/run packages` puts clients: `$NETPOLL_CLIENTS`, or `target/clients`.
fn clients() -> PathBuf {
    let beside = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/clients");
    env::var_os("NETPOLL_CLIENTS").map_or_else(beside, PathBuf::from)
}

/// Says that a test is skipped, and why.
fn skip(why: &str) {
    let message = format!("skipped: {why}");
    assert!(env::var_os("CI").is_none(), "{message}, and CI is set");
    eprintln!("{message}");
}

/// The first file of that name in these directories.
fn search(name: &str, directories: impl Iterator<Item = PathBuf>) -> Option<PathBuf> {
    directories.map(|directory| directory.join(name)).find(|path| Path::is_file(path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_is_found_in_the_directory_that_has_it() {
        let manifest = Path::new(env!("CARGO_MANIFEST_DIR"));
        let directories = || [manifest.join("src"), manifest.to_owned()].into_iter();
        assert_eq!(search("Cargo.toml", directories()), Some(manifest.join("Cargo.toml")));
        assert_eq!(search("no-such-program", directories()), None);
    }
}
