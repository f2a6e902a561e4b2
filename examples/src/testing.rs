//! What the tests of the programs share.

use std::{
    env,
    path::{Path, PathBuf},
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
        let message = format!("skipped: `{name}` is not installed");
        assert!(env::var_os("CI").is_none(), "{message}, and CI is set");
        eprintln!("{message}");
    }
    found
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
