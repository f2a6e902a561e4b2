//! Procedural macros of netpoll.
