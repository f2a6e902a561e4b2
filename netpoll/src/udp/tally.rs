//! What a datagram socket counts.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use crate::counters::{self, Counter};

macro_rules! tally {
    ($($(#[$doc:meta])* $name:ident => $counter:ident,)*) => {
        /// Counts of one socket. Those of a turn are added at its end.
        #[derive(Debug, Default)]
        pub(crate) struct Tally { $(pub(crate) $name: AtomicU64,)* }

        /// Counters and gauges of a server's or a client's datagrams, read at one moment.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        #[non_exhaustive]
        pub struct DatagramStats {
            /// Sockets (gauge).
            pub sockets: usize,
            /// Bytes of replies that wait for room in the system (gauge).
            pub waiting: usize,
            /// Datagrams that the system threw away before they were received, since a socket's
            /// buffer was full. 0 where the system does not tell.
            pub overflowed: u64,
            $($(#[$doc])* pub $name: u64,)*
        }

        impl Tally {
            /// Adds this to `stats`.
            pub(crate) fn add_to(&self, stats: &mut DatagramStats) {
                $(stats.$name += self.$name.load(Relaxed);)*
            }

            $(
                #[inline]
                pub(crate) fn $name(&self, n: u64) {
                    if n > 0 {
                        self.$name.fetch_add(n, Relaxed);
                        counters::add(Counter::$counter, n);
                    }
                }
            )*
        }
    };
}

tally! {
    /// Datagrams received.
    received => DatagramsIn,
    /// Datagrams that the system took to send.
    sent => DatagramsOut,
    /// Datagrams that were dropped since they are not of their handler's format.
    malformed => DatagramsMalformed,
    /// Datagrams that were dropped since they are longer than `max_datagram`.
    truncated => DatagramsTruncated,
    /// Handlers that failed or panicked.
    failed => DatagramsFailed,
    /// Replies that were dropped since more than `max_waiting` bytes waited; of a client, datagrams that
    /// it received and nobody took.
    dropped => DatagramsDropped,
    /// Datagrams that the system refused to send.
    unsent => DatagramsUnsent,
}
