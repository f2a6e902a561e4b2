//! The summary in Markdown, and the tables that the page shares with it.

use std::fmt::Write;

use super::Table;
use crate::case::Case;
use crate::results::{Metric, Results};
use crate::targets;

/// The whole summary.
pub fn summary(results: &Results, subject: &str) -> String {
    let mut text = format!("# Benchmark of {}s\n\n{}\n", results.measured, method(results));
    for left_out in &results.left_out {
        let _ = writeln!(text, "\nLeft out: `{}`: {}", left_out.peer, left_out.why);
    }
    if let Some(table) = targets_table(results, subject) {
        let _ = write!(text, "\n## Targets of `{subject}`\n\n{}", render(&table));
    }
    for case in results.cases() {
        let _ = write!(text, "\n## {case}\n\n{}", render(&case_table(results, &case, subject)));
        for note in notes(results, &case) {
            let _ = writeln!(text, "\n{note}");
        }
    }
    text
}

/// How it was measured, in a sentence or two.
pub(super) fn method(results: &Results) -> String {
    format!(
        "{}. Medians of {} rounds of {} s, ranges in brackets; the {} on one core, the other end \
         on another. Processor time, system calls and memory are the {}'s.",
        results.machine, results.rounds, results.secs, results.measured, results.measured,
    )
}

/// The targets beside what was measured; none where none applies.
pub(super) fn targets_table(results: &Results, subject: &str) -> Option<Table> {
    let verdicts = targets::verdicts(results, subject);
    let head = ["case", "what", "target", "measured", ""].map(String::from).into();
    let rows: Vec<_> = verdicts
        .into_iter()
        .map(|it| {
            let holds = if it.holds { "holds" } else { "**falls short**" };
            vec![it.case, it.what, it.target, it.measured, holds.into()]
        })
        .collect();
    (!rows.is_empty()).then_some(Table { head, rows })
}

/// A line for each peer, and how the subject compares with it.
pub(super) fn case_table(results: &Results, case: &Case, subject: &str) -> Table {
    let rows = results.of_case(case);
    let shown: Vec<Metric> = Metric::TABLE
        .into_iter()
        .filter(|metric| rows.iter().any(|row| row.spread(*metric).is_some()))
        .collect();
    let own = results.row(case, subject);
    let mut head = vec!["peer".to_string()];
    head.extend(shown.iter().map(|metric| metric.title().to_string()));
    head.push("errors".into());
    if own.is_some() {
        head.push(format!("requests/s of {subject} to this"));
        head.push(format!("CPU of {subject} to this"));
    }
    let lines = rows.iter().map(|row| {
        let limited = if row.is_limited_by_load() { " *" } else { "" };
        let mut line = vec![format!("{}{limited}", row.peer)];
        line.extend(shown.iter().map(|metric| {
            row.spread(*metric).map_or_else(
                || "-".into(),
                |it| {
                    let [median, min, max] =
                        [it.median, it.min, it.max].map(|value| metric.text(value));
                    format!("{median} ({min} - {max})")
                },
            )
        }));
        line.push(row.errors().to_string());
        if let Some(own) = own {
            for metric in [Metric::PerSecond, Metric::Cpu] {
                let ratio = own.ratio(metric, row);
                line.push(ratio.map_or_else(|| "-".into(), |it| format!("{:.2}", it.median)));
            }
        }
        line
    });
    Table { head, rows: lines.collect() }
}

/// What a reader of a case's table must know.
pub(super) fn notes(results: &Results, case: &Case) -> Vec<String> {
    let rows = results.of_case(case);
    let mut notes = Vec::new();
    if rows.iter().any(|row| row.is_limited_by_load()) {
        notes.push(
            "\\* The load generator used its whole core: requests/s are its limit, not the \
             server's. Processor time for each request is not touched by that."
                .into(),
        );
    }
    for row in rows {
        if let Some(failure) = row.failures.first() {
            let count = row.failures.len();
            notes.push(format!("`{}` failed in {count} rounds: {failure}", row.peer));
        }
    }
    notes
}

fn render(table: &Table) -> String {
    let line = |cells: &[String]| {
        let cells: Vec<String> = cells.iter().map(|cell| cell.replace('|', "\\|")).collect();
        format!("| {} |\n", cells.join(" | "))
    };
    let rule = vec!["---".to_string(); table.head.len()];
    let mut text = line(&table.head) + &line(&rule);
    text.extend(table.rows.iter().map(|row| line(row)));
    text
}
