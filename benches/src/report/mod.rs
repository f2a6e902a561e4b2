//! A report that people can look at: a page with plots, and a summary in Markdown.

pub mod markdown;
mod page;
mod plot;

use std::io;
use std::path::Path;

use crate::results::Results;

/// Writes `report.html`, which holds its plots, and `report.md` into a directory.
///
/// # Errors
/// The directory cannot be made or written.
pub fn write(results: &Results, subject: &str, directory: &Path) -> io::Result<()> {
    std::fs::create_dir_all(directory)?;
    std::fs::write(directory.join("report.md"), markdown::summary(results, subject))?;
    std::fs::write(directory.join("report.html"), page::html(results, subject)?)
}

/// A table's head and rows.
struct Table {
    head: Vec<String>,
    rows: Vec<Vec<String>>,
}
