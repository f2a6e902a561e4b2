//! Metrics of requests: what a recorder gets, what `/metrics` shows, what Prometheus makes of it.

#[path = "../common/mod.rs"]
mod common;

mod dashboard;
mod prometheus;
mod series;
mod setup;
