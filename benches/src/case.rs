//! The scenarios, and the shapes of load that each stands for.

use serde::{Deserialize, Serialize};

/// A named question that a benchmark answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, clap::ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Scenario {
    /// Each connection has one request in flight.
    Echo,
    /// As `echo`, while four of five connections are idle after one call each.
    Idle,
    /// Few connections with many requests in flight, handlers side by side, replies matched.
    Mux,
    /// Many connections with several requests in flight each, replies in order.
    Pipeline,
    /// Large payloads.
    Large,
    /// One connection with one request in flight.
    Latency,
    /// As `echo`, with some requests whose handler sleeps.
    Mixed,
    /// Connect, one call, close.
    Churn,
    /// Cost as connections and payloads grow.
    Sweep,
    /// Bytes through a proxy to the server `bare`. See [`proxy`](crate::proxy).
    Proxy,
    /// Datagrams: echoes, bursts, and one way. See [`udp`](crate::udp).
    Udp,
    /// Shared memory beside sockets. See [`shm`](crate::shm).
    Shm,
}

impl Scenario {
    /// Its name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Echo => "echo",
            Self::Idle => "idle",
            Self::Mux => "mux",
            Self::Pipeline => "pipeline",
            Self::Large => "large",
            Self::Latency => "latency",
            Self::Mixed => "mixed",
            Self::Churn => "churn",
            Self::Sweep => "sweep",
            Self::Proxy => "proxy",
            Self::Udp => "udp",
            Self::Shm => "shm",
        }
    }

    /// The cases it stands for when nothing is overridden.
    pub fn cases(self) -> Vec<Case> {
        let base = Case { scenario: self, ..Case::default() };
        match self {
            Self::Echo => [100, 500, 1_000].map(|conns| Case { conns, ..base }).into(),
            Self::Idle => vec![Case { conns: 5_000, idle: 4_000, ..base }],
            Self::Mux => vec![Case { conns: 4, depth: 64, size: 128, ..base }],
            Self::Pipeline => vec![Case { conns: 100, depth: 16, size: 128, ..base }],
            Self::Large => vec![
                Case { conns: 100, size: 16 << 10, ..base },
                Case { conns: 16, size: 1 << 20, ..base },
            ],
            Self::Latency => vec![Case { conns: 1, ..base }],
            Self::Proxy => {
                vec![Case { conns: 100, ..base }, Case { conns: 16, size: 64 << 10, ..base }]
            }
            Self::Udp | Self::Shm => Vec::new(),
            Self::Mixed => [0.0, 1.0].map(|slow_percent| Case { slow_percent, ..base }).into(),
            Self::Churn => vec![Case { conns: 64, ..base }],
            Self::Sweep => {
                let conns = [10, 30, 100, 300, 1_000, 3_000, 10_000];
                let sizes = [64, 256, 1 << 10, 4 << 10, 16 << 10, 64 << 10, 256 << 10, 1 << 20];
                let by_conns = conns.map(|conns| Case { conns, ..base });
                let by_size = sizes.map(|size| Case {
                    size,
                    conns: if size < 64 << 10 { 100 } else { 16 },
                    ..base
                });
                by_conns.into_iter().chain(by_size).collect()
            }
        }
    }
}

/// What the command line says in place of a scenario's own shape.
#[derive(Clone, Copy, Debug, Default)]
pub struct Overrides {
    /// Connections in all.
    pub conns: Option<usize>,
    /// Requests in flight on each connection.
    pub depth: Option<usize>,
    /// Bytes of a payload.
    pub size: Option<usize>,
    /// Requests of a hundred whose handler sleeps.
    pub slow_percent: Option<f64>,
    /// The connections are over TLS.
    pub tls: bool,
}

impl Overrides {
    /// The scenario's cases as overridden; cases that become the same are merged.
    ///
    /// ```
    /// use netpoll_benches::case::{Overrides, Scenario};
    /// let cases = Overrides { conns: Some(50), ..Overrides::default() }.apply(Scenario::Echo);
    /// assert_eq!(cases.len(), 1);
    /// assert_eq!(cases[0].to_string(), "echo 50 x 1 KiB");
    /// ```
    pub fn apply(self, scenario: Scenario) -> Vec<Case> {
        let mut cases: Vec<Case> = Vec::new();
        for mut case in scenario.cases() {
            if let Some(conns) = self.conns {
                case.idle = if case.idle > 0 { conns * 4 / 5 } else { 0 };
                case.conns = conns;
            }
            case.depth = self.depth.unwrap_or(case.depth);
            case.size = self.size.unwrap_or(case.size);
            case.slow_percent = self.slow_percent.unwrap_or(case.slow_percent);
            case.tls = self.tls;
            if !cases.contains(&case) {
                cases.push(case);
            }
        }
        cases
    }
}

/// One shape of load.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Case {
    /// The scenario it belongs to.
    pub scenario: Scenario,
    /// Connections in all, the idle ones among them.
    pub conns: usize,
    /// Connections that are idle after one call each.
    pub idle: usize,
    /// Requests in flight on each connection that is not idle.
    pub depth: usize,
    /// Bytes of a payload.
    pub size: usize,
    /// Requests of a hundred whose handler sleeps.
    pub slow_percent: f64,
    /// The connections are over TLS.
    #[serde(default)]
    pub tls: bool,
}

impl Default for Case {
    fn default() -> Self {
        Self {
            scenario: Scenario::Echo,
            conns: 100,
            idle: 0,
            depth: 1,
            size: 1 << 10,
            slow_percent: 0.0,
            tls: false,
        }
    }
}

impl Case {
    /// Whether a peer runs the handlers of one connection side by side, replies in any order.
    pub fn side_by_side(&self) -> bool {
        self.scenario == Scenario::Mux
    }

    /// Whether there are clients for it: those with a pool, and those with shared connections.
    pub fn suits_clients(&self) -> bool {
        matches!(self.scenario, Scenario::Echo | Scenario::Mux)
    }

    /// Whether each request has a connection of its own.
    pub fn churns(&self) -> bool {
        self.scenario == Scenario::Churn
    }
}

impl std::fmt::Display for Case {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.scenario.name(), self.conns - self.idle)?;
        if self.idle > 0 {
            write!(f, " + {} idle", self.idle)?;
        }
        if self.depth > 1 {
            write!(f, " x {}", self.depth)?;
        }
        match self.size {
            size if size >= 1 << 20 && size % (1 << 20) == 0 => write!(f, " x {} MiB", size >> 20)?,
            size if size >= 1 << 10 && size % (1 << 10) == 0 => write!(f, " x {} KiB", size >> 10)?,
            size => write!(f, " x {size} B")?,
        }
        if self.scenario == Scenario::Mixed {
            write!(f, ", {}% slow", self.slow_percent)?;
        }
        if self.tls {
            write!(f, ", TLS")?;
        }
        Ok(())
    }
}
