//! What this project's peer is to reach, as ratios within one run.

use crate::case::{Case, Scenario};
use crate::results::{Metric, Results};

/// What a measured value is compared with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Against {
    /// Another peer in the same case.
    Peer(&'static str),
    /// Its own value in the same case without requests that sleep.
    OwnWithoutSlow,
    /// As `OwnWithoutSlow`, by difference in milliseconds.
    OwnWithoutSlowPlus,
    /// Nothing: the value itself.
    Absolute,
}

/// A bound on a ratio.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Bound {
    AtMost(f64),
    AtLeast(f64),
}

/// One target.
#[derive(Clone, Copy, Debug)]
struct Target {
    measured: &'static str,
    /// It is of connections over TLS, or of plain ones.
    tls: bool,
    applies: fn(&Case) -> bool,
    metric: Metric,
    against: Against,
    bound: Bound,
}

/// A target beside what was measured.
#[derive(Clone, Debug, PartialEq)]
pub struct Verdict {
    /// The case, as text.
    pub case: String,
    /// What is compared with what.
    pub what: String,
    /// The bound.
    pub target: String,
    /// The measured ratio, its median and range over the rounds.
    pub measured: String,
    /// Whether the median keeps the bound.
    pub holds: bool,
}

fn echo(case: &Case, conns: usize) -> bool {
    case.scenario == Scenario::Echo && case.conns == conns && case.size == 1 << 10
}

const fn server(
    applies: fn(&Case) -> bool,
    metric: Metric,
    against: Against,
    bound: Bound,
) -> Target {
    Target { measured: "server", tls: false, applies, metric, against, bound }
}

const fn secure(
    applies: fn(&Case) -> bool,
    metric: Metric,
    against: Against,
    bound: Bound,
) -> Target {
    Target { measured: "server", tls: true, applies, metric, against, bound }
}

const fn client(applies: fn(&Case) -> bool, bound: Bound) -> Target {
    let against = Against::Peer("go-netpoll");
    Target { measured: "client", tls: false, applies, metric: Metric::PerCpuSecond, against, bound }
}

const fn peer(name: &'static str) -> Against {
    Against::Peer(name)
}

const TARGETS: &[Target] = {
    use Bound::{AtLeast, AtMost};
    use Metric::{Cpu, Each, P50, P99, Peak, PerCpuSecond, PerSecond};
    const fn of(scenario: Scenario, case: &Case) -> bool {
        case.scenario as u8 == scenario as u8
    }
    &[
        server(|case| echo(case, 100), Cpu, peer("bare"), AtMost(1.08)),
        server(|case| echo(case, 100), Cpu, peer("tokio"), AtMost(0.90)),
        server(|case| echo(case, 100), Cpu, peer("go-netpoll"), AtMost(0.70)),
        server(|case| echo(case, 100), PerSecond, peer("go-netpoll"), AtLeast(1.4)),
        server(|case| echo(case, 1_000), Cpu, peer("bare"), AtMost(1.08)),
        server(|case| echo(case, 1_000), Cpu, peer("go-netpoll"), AtMost(0.52)),
        server(|case| echo(case, 1_000), P99, peer("go-netpoll"), AtMost(0.6)),
        server(|case| of(Scenario::Idle, case), Cpu, peer("bare"), AtMost(1.10)),
        server(|case| of(Scenario::Idle, case), Peak, Against::Absolute, AtMost(12.0)),
        server(|case| of(Scenario::Idle, case), Peak, peer("go-netpoll"), AtMost(0.15)),
        server(|case| of(Scenario::Mux, case), PerSecond, peer("go-netpoll"), AtLeast(8.0)),
        server(|case| of(Scenario::Mux, case), PerSecond, peer("tokio"), AtLeast(6.0)),
        server(|case| of(Scenario::Pipeline, case), PerSecond, peer("go-netpoll"), AtLeast(8.0)),
        server(is_16_kib, PerSecond, peer("go-netpoll"), AtLeast(1.9)),
        server(is_16_kib, PerSecond, peer("tokio"), AtLeast(1.25)),
        server(|case| of(Scenario::Latency, case), P50, peer("bare"), AtMost(1.02)),
        server(is_mixed, P99, Against::OwnWithoutSlowPlus, AtMost(1.5)),
        server(is_mixed, P99, peer("go-netpoll"), AtMost(1.5)),
        server(is_mixed, PerSecond, Against::OwnWithoutSlow, AtLeast(0.5)),
        secure(|case| echo(case, 100), Cpu, peer("tokio"), AtMost(0.85)),
        secure(|case| echo(case, 100), Cpu, peer("go-net"), AtMost(0.60)),
        secure(|case| of(Scenario::Pipeline, case), PerCpuSecond, peer("tokio"), AtLeast(4.0)),
        secure(|case| of(Scenario::Churn, case), PerCpuSecond, peer("rustls"), AtLeast(0.95)),
        secure(|case| of(Scenario::Idle, case), Each, Against::Absolute, AtMost(20.0)),
        secure(|case| of(Scenario::Idle, case), Each, peer("tokio"), AtMost(1.0)),
        client(|case| echo(case, 100), AtLeast(1.5)),
        client(|case| of(Scenario::Mux, case), AtLeast(4.0)),
    ]
};

fn is_16_kib(case: &Case) -> bool {
    case.scenario == Scenario::Large && case.size == 16 << 10
}

fn is_mixed(case: &Case) -> bool {
    case.scenario == Scenario::Mixed && case.slow_percent > 0.0
}

/// The targets that apply to these results, for one of the peers in them.
pub fn verdicts(results: &Results, subject: &str) -> Vec<Verdict> {
    let cases = results.cases();
    let applying = TARGETS.iter().filter(|target| target.measured == results.measured);
    applying
        .flat_map(|target| {
            let cases =
                cases.iter().filter(|case| case.tls == target.tls && (target.applies)(case));
            cases.filter_map(|case| target.verdict(results, subject, case))
        })
        .collect()
}

impl Target {
    fn verdict(&self, results: &Results, subject: &str, case: &Case) -> Option<Verdict> {
        let own = results.row(case, subject)?;
        let calm = results.row(&Case { slow_percent: 0.0, ..*case }, subject);
        let title = self.metric.title();
        let (value, what) = match self.against {
            Against::Peer(name) => {
                let other = results.row(case, name)?;
                (own.ratio(self.metric, other)?, format!("{title} / {name}"))
            }
            Against::OwnWithoutSlow => {
                (own.ratio(self.metric, calm?)?, format!("{title} / without sleepers"))
            }
            Against::OwnWithoutSlowPlus => {
                let value = own.difference(self.metric, calm?)?.scaled(1e-3);
                (value, format!("{title} - without sleepers, ms"))
            }
            Against::Absolute => (own.spread(self.metric)?, title.to_string()),
        };
        let (target, holds) = match self.bound {
            Bound::AtMost(bound) => (format!("<= {bound}"), value.median <= bound),
            Bound::AtLeast(bound) => (format!(">= {bound}"), value.median >= bound),
        };
        Some(Verdict { case: case.to_string(), what, target, measured: value.text(), holds })
    }
}
