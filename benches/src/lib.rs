//! Benchmarks of netpoll against its peers.
