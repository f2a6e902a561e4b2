//! All scenarios that have broken such libraries, for as long as wanted, with a table of what they did.
//!
//! The scenarios are the tests `scenario_*` of the crate `netpoll`, each run by cargo in a process of its
//! own: they count that process's descriptors, lower its limits and stop it by signals.
//!
//! ```sh
//! cargo run --release -p netpoll-examples --bin soak -- --minutes 10
//! ```

mod scenario;
mod table;

use std::{
    process::ExitCode,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use clap::Parser;
use indicatif::{HumanDuration, ProgressBar, ProgressStyle};

use scenario::{Length, SCENARIOS, Scenario};

/// Runs the scenarios of the library's tests, one after another, and says what each did.
///
/// It needs cargo and this repository, and builds the tests first.
#[derive(Parser)]
#[command(version)]
struct Options {
    /// How long all of them take, each for the same time [default: each at its full length]
    #[arg(long, value_name = "M")]
    minutes: Option<f64>,

    /// Which of them run
    #[arg(long, value_name = "N,..", value_delimiter = ',', value_parser = clap::value_parser!(u8).range(1..))]
    scenarios: Vec<u8>,

    /// Over TLS, where connections are plain otherwise
    #[arg(long)]
    tls: bool,

    /// Where random numbers begin [default: by the clock]
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
}

fn main() -> ExitCode {
    match run(&Options::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("soak: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Whether all went well.
fn run(options: &Options) -> Result<bool, String> {
    let wanted = chosen(&options.scenarios)?;
    let seed = options.seed.unwrap_or_else(by_the_clock);
    let length = match options.minutes {
        Some(minutes) => Length::Seconds(share(minutes, wanted.len())?),
        None => Length::Full,
    };
    println!("seed {seed}");
    let bar = progress(length, wanted.len());
    bar.set_message("building the tests");
    scenario::build(&wanted)?;
    let since = Instant::now();
    let mut outcomes = Vec::new();
    for scenario in wanted {
        bar.set_message(format!("scenario {}: {}", scenario.number, scenario.name));
        let tick = || bar.set_position(since.elapsed().as_secs());
        let outcome = scenario.run(length, seed, options.tls, tick)?;
        if let Err(output) = &outcome.figures {
            bar.suspend(|| eprintln!("{output}"));
        }
        outcomes.push(outcome);
    }
    bar.finish_and_clear();
    print!("{}", table::of(&outcomes));
    println!("all in {}", HumanDuration(since.elapsed()));
    Ok(outcomes.iter().all(|outcome| outcome.figures.is_ok()))
}

fn chosen(numbers: &[u8]) -> Result<Vec<&'static Scenario>, String> {
    if let Some(none) = numbers.iter().find(|n| SCENARIOS.iter().all(|s| s.number != **n)) {
        let all: Vec<_> = SCENARIOS.iter().map(|s| s.number.to_string()).collect();
        return Err(format!("there is no scenario {none}; there are {}", all.join(", ")));
    }
    Ok(SCENARIOS.iter().filter(|s| numbers.is_empty() || numbers.contains(&s.number)).collect())
}

/// What each of `n` has of so many minutes: a second at least.
fn share(minutes: f64, n: usize) -> Result<Duration, String> {
    let all = Duration::try_from_secs_f64(minutes * 60.0)
        .map_err(|e| format!("--minutes {minutes}: {e}"))?;
    Ok((all / u32::try_from(n).expect("there are few scenarios")).max(Duration::from_secs(1)))
}

fn by_the_clock() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(1, |since| since.as_secs())
}

fn progress(length: Length, scenarios: usize) -> ProgressBar {
    let (bar, template) = match length {
        Length::Full => (ProgressBar::new_spinner(), "{spinner} {elapsed} {msg}"),
        Length::Seconds(each) => {
            let all = each.as_secs() * scenarios as u64;
            (ProgressBar::new(all), "{bar:30} {elapsed} of {len} s {msg}")
        }
    };
    bar.set_style(ProgressStyle::with_template(template).expect("the template is well-formed"));
    bar.enable_steady_tick(Duration::from_millis(200));
    bar
}
