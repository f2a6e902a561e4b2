//! A server's sockets: one for each poller, on one port.

use std::{io, net::SocketAddr, sync::Arc};

use super::{
    handler::{Handler, Mode},
    options::DatagramOptions,
    serving::Serving,
};
use crate::{
    error::{Error, Result},
    sched::shared::Shared,
    sys::udp::UdpSocket,
};

/// Binds sockets to `address`, one for each poller of `runtime` where the options let it, and serves
/// them.
///
/// # Errors
/// `Io` with the address if it cannot be bound; `Closed` if the runtime shuts down.
pub(crate) fn bind_all(
    runtime: &Arc<Shared>,
    address: SocketAddr,
    options: &Arc<DatagramOptions>,
    handler: &Arc<dyn Handler>,
) -> Result<Vec<Arc<Serving>>> {
    let fail = |error: io::Error| {
        let hint = match error.kind() {
            io::ErrorKind::AddrInUse => " (another program listens there)",
            io::ErrorKind::AddrNotAvailable => " (this machine has no such address)",
            io::ErrorKind::PermissionDenied => {
                " (ports below 1024 need root's rights or CAP_NET_BIND_SERVICE)"
            }
            _ => "",
        };
        Error::io(format!("cannot listen on udp://{address}{hint}"), error)
    };
    let many = options.socket_per_poller && !options.copies();
    let count = if many { runtime.shards.len() } else { 1 };
    let mut of_system = options.of_system();
    // Futures are counted one by one, so that a message must not be many of them.
    of_system.gather &= !matches!(handler.mode(), Mode::Tasks { .. });
    let first = UdpSocket::bind(address, &of_system).map_err(fail)?;
    for &(group, interface) in &options.multicast {
        first.join(group, interface).map_err(|e| {
            Error::io(format!("cannot join the group {group} at udp://{address}"), e)
        })?;
    }
    let address = first.local();
    let mut sockets = vec![first];
    if count > 1 {
        // Not before: an address that somebody else listens on was refused.
        sockets[0].share_port().map_err(fail)?;
        of_system.reuse_port = true;
    }
    while sockets.len() < count {
        sockets.push(UdpSocket::bind(address, &of_system).map_err(fail)?);
    }
    let mut serving: Vec<Arc<Serving>> = Vec::with_capacity(count);
    for (i, socket) in sockets.into_iter().enumerate() {
        let shard = if count > 1 { &runtime.shards[i] } else { runtime.place() };
        let started =
            Serving::start(runtime, shard, Arc::new(socket), options.clone(), handler.clone());
        match started {
            Ok(started) => serving.push(started),
            Err(error) => {
                serving.iter().for_each(|before| before.abort());
                return Err(error);
            }
        }
    }
    Ok(serving)
}
