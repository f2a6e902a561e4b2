//! Running a server as a program: its runtime, its log, its end.

use netpoll::{EventLoop, Result, Runtime};

use crate::cli::ServerOptions;

/// The runtime that `options` ask for.
///
/// # Errors
/// The options cannot be; or threads cannot be made.
pub fn runtime(options: &ServerOptions) -> Result<Runtime> {
    let mut builder = Runtime::builder();
    if let Some(pollers) = options.pollers {
        builder = builder.pollers(pollers.get());
    }
    if let Some(workers) = options.max_workers {
        builder = builder.max_workers(workers.get());
    }
    builder.build()
}

/// Says where `server` listens, one line an address, and serves until SIGINT or SIGTERM; then drains,
/// and prints what became of the connections.
///
/// # Errors
/// Serving failed.
pub fn until_signal(server: EventLoop) -> Result<()> {
    until_signal_then(server, || {})
}

/// Does the same as [`until_signal`], and calls `goodbye` before the connections are drained.
///
/// # Errors
/// Those of [`until_signal`].
pub fn until_signal_then(server: EventLoop, goodbye: impl FnOnce() + Send + 'static) -> Result<()> {
    // Unless the program has one of its own.
    let _ = tracing_subscriber::fmt().with_writer(std::io::stderr).try_init();
    let asked = netpoll::signal::shutdown();
    let stop = async move {
        asked.await;
        goodbye();
    };
    for address in server.addresses() {
        println!("listening on {address}");
    }
    println!("{}", server.serve_until(stop)?);
    Ok(())
}
