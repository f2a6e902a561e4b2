//! The page: the tables of the summary, and plots inside it.

use std::fmt::Write;
use std::io;

use super::markdown::{case_table, method, notes, targets_table};
use super::{Table, plot};
use crate::case::Scenario;
use crate::results::{Metric, Results};

const STYLE: &str = "body{font:15px/1.5 sans-serif;margin:2em auto;max-width:1200px;padding:0 1em}\
table{border-collapse:collapse;font-size:13px;display:block;overflow-x:auto}\
th,td{border:1px solid #ccc;padding:.3em .6em;text-align:right}\
th:first-child,td:first-child{text-align:left}tr:nth-child(even){background:#f6f6f6}\
svg{max-width:100%;height:auto}";

/// The whole page.
pub(super) fn html(results: &Results, subject: &str) -> io::Result<String> {
    let mut page = format!(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>Benchmark of {0}s</title>\
         <meta name=\"viewport\" content=\"width=device-width\"><style>{STYLE}</style>\
         <h1>Benchmark of {0}s</h1><p>{1}</p>",
        results.measured,
        escape(&method(results)),
    );
    for left_out in &results.left_out {
        let _ = write!(page, "<p>Left out: {}</p>", escape(&format!("{left_out:?}")));
    }
    if let Some(table) = targets_table(results, subject) {
        let _ = write!(page, "<h2>Targets of {}</h2>{}", escape(subject), render(&table));
    }
    for case in results.cases() {
        let _ = write!(page, "<h2>{case}</h2>");
        page += &render(&case_table(results, &case, subject));
        for note in notes(results, &case) {
            let _ = write!(page, "<p>{}</p>", escape(note.trim_start_matches('\\')));
        }
        let rows = results.of_case(&case);
        for metric in [Metric::Cpu, Metric::PerSecond, Metric::P99] {
            page += &plot::bars(&rows, metric)?;
        }
    }
    if results.cases().iter().any(|case| case.scenario == Scenario::Sweep) {
        page += "<h2>Sweep</h2>";
        page += &plot::curves(results, Metric::Cpu, plot::Along::Conns)?;
        page += &plot::curves(results, Metric::Cpu, plot::Along::Size)?;
    }
    Ok(page + "</html>\n")
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

fn render(table: &Table) -> String {
    let line = |tag: &str, cells: &[String]| {
        let cells = cells.iter().map(|cell| {
            let text = escape(cell);
            match text.strip_prefix("**").and_then(|rest| rest.strip_suffix("**")) {
                Some(strong) => format!("<{tag}><strong>{strong}</strong></{tag}>"),
                None => format!("<{tag}>{text}</{tag}>"),
            }
        });
        format!("<tr>{}</tr>", cells.collect::<String>())
    };
    let rows: String = table.rows.iter().map(|row| line("td", row)).collect();
    format!("<table>{}{rows}</table>", line("th", &table.head))
}
