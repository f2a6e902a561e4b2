//! `rpc report`: writes the report of results that were kept as JSON.

use std::io;
use std::path::PathBuf;

use clap::Args;

use crate::report;
use crate::results::Results;

#[derive(Debug, Args)]
pub(super) struct ReportArgs {
    /// The results
    #[arg(long)]
    json: PathBuf,
    /// The peer that ratios are of; the first when left out
    #[arg(long)]
    subject: Option<String>,
    /// Where to write the report
    #[arg(long)]
    report: PathBuf,
}

impl ReportArgs {
    pub(super) fn run(self) -> io::Result<()> {
        let results: Results = serde_json::from_str(&std::fs::read_to_string(self.json)?)?;
        let first = results.rows.first().map(|row| row.peer.clone());
        report::write(&results, &self.subject.or(first).unwrap_or_default(), &self.report)
    }
}
