//! The table at the end.

use std::fmt::Write;

use crate::scenario::{Figures, Outcome};

/// One line for each scenario, and their sum.
pub(crate) fn of(outcomes: &[Outcome]) -> String {
    let mut table = String::new();
    let mut line = |name: &str, result: &str, seconds: f64, figures: Option<Figures>| {
        let _ = write!(table, "{name:<34} {result:>6} {seconds:>8.1}");
        let _ = match figures {
            Some(Figures { connections, faults, bytes, leaks }) => {
                writeln!(table, " {connections:>12} {faults:>12} {bytes:>16} {leaks:>6}")
            }
            None => writeln!(table),
        };
    };
    let mut all = Figures::default();
    let mut seconds = 0.0;
    for Outcome { scenario, took, figures } in outcomes {
        let name = format!("{} {}", scenario.number, scenario.name);
        let result = if figures.is_ok() { "holds" } else { "FAILED" };
        let figures = figures.as_ref().ok().copied();
        line(&name, result, took.as_secs_f64(), figures);
        let Figures { connections, faults, bytes, leaks } = figures.unwrap_or_default();
        all.connections += connections;
        all.faults += faults;
        all.bytes += bytes;
        all.leaks += leaks;
        seconds += took.as_secs_f64();
    }
    line("all", "", seconds, Some(all));
    let head = ["scenario", "", "seconds", "connections", "faults", "bytes compared", "leaks"];
    let [name, result, seconds, connections, faults, bytes, leaks] = head;
    format!(
        "{name:<34} {result:>6} {seconds:>8} {connections:>12} {faults:>12} {bytes:>16} {leaks:>6}\n{table}"
    )
}
