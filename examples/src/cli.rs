//! The options that the servers share.

use std::{num::NonZeroUsize, time::Duration};

use clap::Args;

/// How a server uses the machine.
///
/// ```
/// use clap::Parser;
/// use netpoll_examples::cli::ServerOptions;
///
/// #[derive(Parser)]
/// struct Options {
///     #[command(flatten)]
///     server: ServerOptions,
/// }
///
/// let options = Options::parse_from(["resp", "--pollers", "2"]);
/// assert_eq!(options.server.pollers.map(|n| n.get()), Some(2));
/// assert_eq!(options.server.max_workers, None);
/// ```
#[derive(Args, Clone, Debug)]
pub struct ServerOptions {
    /// How many pollers wait for events [default: one for each core]
    ///
    /// A poller is an OS selector with its timers and its queue of ready connections. More than
    /// one for each core gains nothing.
    #[arg(long, value_name = "N")]
    pub pollers: Option<NonZeroUsize>,

    /// How many threads run handlers at most [default: the runtime's own limit]
    ///
    /// Threads are started as handlers block, and leave when they are idle. Beyond this limit,
    /// requests wait; reading and writing go on.
    #[arg(long, value_name = "N")]
    pub max_workers: Option<NonZeroUsize>,
}

/// Parses a time that is given in seconds, for `value_parser`.
///
/// ```
/// use std::time::Duration;
///
/// assert_eq!(netpoll_examples::cli::seconds("1.5"), Ok(Duration::from_millis(1500)));
/// assert!(netpoll_examples::cli::seconds("0").is_err());
/// ```
///
/// # Errors
/// The text is no number of seconds above 0.
pub fn seconds(text: &str) -> Result<Duration, String> {
    let time = text.parse().ok().and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    time.filter(|time| !time.is_zero()).ok_or_else(|| "not a number of seconds above 0".to_owned())
}
