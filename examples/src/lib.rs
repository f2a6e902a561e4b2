//! Programs that a user of netpoll would start from.
