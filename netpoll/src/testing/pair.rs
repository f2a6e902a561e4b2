//! A connection of this side's, and its other end in a test's hands.

use std::sync::{Arc, atomic::Ordering::Relaxed};

use super::{link::Link, peer::MemoryPeer};
use crate::{
    addr::PeerAddress,
    conn::{Connection, ConnectionOptions, Settings, core::Conn},
    error::Result,
    sched::Runtime,
    transport::Role,
};

/// A connection as a [`Dialer`](crate::Dialer) makes it, and its other end.
///
/// ```
/// use std::io::Write;
/// use netpoll::{ConnectionOptions, Runtime, testing::{Link, pair}};
///
/// let runtime = Runtime::builder().pollers(1).build()?;
/// let (conn, mut peer) = pair(&runtime, ConnectionOptions::default(), &Link::default())?;
/// peer.write_all(b"\x00\x03abc")?;
/// let mut reader = conn.reader()?;
/// assert_eq!(reader.next(5)?, b"\x00\x03abc");
/// # Ok::<(), netpoll::Error>(())
/// ```
///
/// # Errors
/// `Closed` if the runtime shuts down, `Io` if there are no descriptors.
pub fn pair(
    runtime: &Runtime,
    options: ConnectionOptions,
    link: &Link,
) -> Result<(Connection, MemoryPeer)> {
    let (endpoint, peer) = link.make();
    let settings = Arc::new(Settings::from(options));
    let conn = Conn::open(
        runtime.shared(),
        endpoint,
        PeerAddress::Unnamed,
        settings,
        Role::Client,
        |_| None,
    )?;
    conn.runtime.gauges.dialled.fetch_add(1, Relaxed);
    Ok((Connection::owned(conn), peer))
}
