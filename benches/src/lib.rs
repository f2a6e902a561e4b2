//! Benchmarks of netpoll against its peers.
//!
//! A *peer* is a server program that echoes frames; a *case* is one shape of load. The `rpc` binary
//! starts peers as child processes on one core, drives them from another, and writes the results.
//!
//! - [`case`]: the scenarios and the shapes of load they stand for.
//! - [`wire`]: the frame that every peer echoes, and its check.
//! - [`load`]: the load generator.
//! - [`secure`]: TLS for peers and for the load generator.
//! - [`measure`]: one run of one case against one server.
//! - [`child`]: a server as a child process.
//! - [`process`]: processor time, peak memory, system calls and pinning of a process.
//! - [`peers`]: the servers written in Rust.
//! - [`clients`]: the clients written in Rust.
//! - [`go`], [`c`]: the peers written in Go and in C.
//! - [`catalog`]: which programs take part, and how each is started.
//! - [`runner`]: runs cases against programs, round by round.
//! - [`results`], [`targets`], [`report`]: what came of it.
//! - [`udp`], [`shm`]: datagrams, and shared memory.
//! - [`cli`]: the command line.

#![cfg(target_os = "linux")]

mod built;
pub mod c;
pub mod case;
pub mod catalog;
pub mod child;
pub mod cli;
pub mod clients;
pub mod go;
pub mod load;
pub mod measure;
pub mod peers;
pub mod process;
pub mod proxy;
pub mod report;
pub mod results;
pub mod runner;
pub mod secure;
pub mod shm;
pub mod targets;
pub mod udp;
pub mod wire;
