//! Peers in other languages, built beside this program when they are asked for.

use std::path::{Path, PathBuf};
use std::process::Command;

/// Has `compiler`, to which the path of the program is to be given by `-o`, build the program of that name; its path.
///
/// Others may build the same at the same time, or run it: it takes its place when it is whole.
pub(crate) fn beside(
    name: &str,
    compiler: &mut Command,
    sources: &[&str],
) -> Result<PathBuf, String> {
    let own = std::env::current_exe().map_err(|error| error.to_string())?;
    let program = own.with_file_name(name);
    let new = own.with_file_name(format!("{name}-{}", std::process::id()));
    let what = compiler.get_program().to_string_lossy().into_owned();
    let output = compiler
        .current_dir(Path::new(env!("CARGO_MANIFEST_DIR")))
        .arg("-o")
        .arg(&new)
        .args(sources)
        .output()
        .map_err(|error| format!("no `{what}`: {error}"))?;
    if !output.status.success() {
        let why = String::from_utf8_lossy(&output.stderr);
        return Err(format!("{what} failed: {}", why.trim()));
    }
    std::fs::rename(&new, &program).map_err(|error| error.to_string())?;
    Ok(program)
}
