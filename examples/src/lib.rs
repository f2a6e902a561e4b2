//! Programs that a user of netpoll would start from.
//!
//! - [`resp`]: a key-value store that Redis clients use.
//! - [`cli`]: the options that the servers share.
//! - [`testing`]: what their tests share.

pub mod cli;
pub mod resp;
pub mod testing;
