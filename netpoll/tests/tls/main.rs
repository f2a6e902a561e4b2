//! TLS over real sockets: this library at both ends, and real clients and servers at the other end.

#[path = "../common/mod.rs"]
mod common;
mod early_data;
mod go_peer;
mod handshakes;
mod life;
mod macros;
mod order;
mod real_clients;
mod real_servers;
mod refusals;
mod roots;
mod setup;
mod streams;
mod tickets;
