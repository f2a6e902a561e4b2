//! The results of hooks whose errors end nothing.

use super::Service;
use crate::{conn::Connection, error::Result};

/// Reports a hook's error to `on_error`.
pub fn told<S: Service>(server: &S, conn: &Connection, result: Result<()>) {
    if let Err(error) = result {
        server.on_error(conn, &error);
    }
}

/// Returns the decision of `on_idle`. If it failed the connection closes.
pub fn idle<S: Service>(server: &S, conn: &Connection, result: Result<bool>) -> bool {
    result.unwrap_or_else(|error| {
        server.on_error(conn, &error);
        true
    })
}

/// Logs an error of `on_error` itself.
pub fn logged(result: Result<()>) {
    if let Err(error) = result {
        tracing::warn!(%error, "on_error");
    }
}
