//! Listening on all addresses that a server was given.

use std::{
    io,
    net::{IpAddr, SocketAddr},
};

use crate::{
    addr::{Address, PeerAddress},
    error::{Error, Result},
    sys::{ListenOptions, Listener, take_inherited},
};

/// Attempts to find one port that is free at all addresses of a name.
const ATTEMPTS: usize = 16;

/// Listens on all of `addresses`; none is left listening if one fails.
///
/// # Errors
/// `Address` if a name cannot be resolved, `Io` if an address cannot be listened on.
pub(crate) fn bind(addresses: &[Address], options: &ListenOptions) -> Result<Vec<Listener>> {
    let peers = addresses.iter().map(Address::resolve).collect::<Result<Vec<_>>>()?;
    let all: Vec<SocketAddr> = peers.iter().flatten().filter_map(PeerAddress::inet).collect();
    let mut listeners = Vec::new();
    for peers in &peers {
        listeners.extend(bind_name(peers, &all, options)?);
    }
    Ok(listeners)
}

/// Takes over the listeners of the parent process: those of a service manager, or of an older process of this service.
pub(crate) fn inherit(options: &ListenOptions) -> Result<Vec<Listener>> {
    let inherited = take_inherited(options)?.into_iter().map(|inherited| {
        let (name, address) = (inherited.name, inherited.listener.address());
        tracing::info!(?name, %address, "inherited a listener");
        Ok(inherited.listener)
    });
    #[cfg(target_os = "linux")]
    let inherited =
        inherited.chain(crate::sys::handed::take_rest().into_iter().map(|fd| {
            Listener::adopt(fd, options).map_err(|e| Error::io("adopting a listener", e))
        }));
    inherited.collect()
}

/// Listens on the addresses of one name, on one port: where the system chooses, it chooses once.
fn bind_name(
    peers: &[PeerAddress],
    all: &[SocketAddr],
    options: &ListenOptions,
) -> Result<Vec<Listener>> {
    let mut attempts = ATTEMPTS;
    loop {
        attempts -= 1;
        match try_bind_name(peers, all, options) {
            // Another socket has the port that the system chose for the first address.
            Err((error, Port::Chosen))
                if attempts > 0 && error.io_kind() == Some(io::ErrorKind::AddrInUse) => {}
            result => return result.map_err(|(error, _)| error),
        }
    }
}

/// The origin of the port of an address that failed.
enum Port {
    Asked,
    Chosen,
}

fn try_bind_name(
    peers: &[PeerAddress],
    all: &[SocketAddr],
    options: &ListenOptions,
) -> Result<Vec<Listener>, (Error, Port)> {
    let (mut listeners, mut missing) = (Vec::new(), None);
    let mut chosen = None;
    for peer in peers {
        let wanted = match (peer, chosen) {
            (PeerAddress::Inet(at), Some(port)) if at.port() == 0 => {
                PeerAddress::Inet(SocketAddr::new(at.ip(), port))
            }
            _ => peer.clone(),
        };
        match Listener::bind(&wanted, &with_both_families(options, &wanted, all)) {
            Ok(listener) => {
                if peer.port() == Some(0) {
                    chosen = listener.address().port();
                }
                listeners.push(listener);
            }
            Err(error) if is_missing(&error) && peers.len() > 1 => {
                tracing::warn!(%error, "one of a name's addresses is left out");
                missing = Some(error);
            }
            Err(error) => {
                let port = if wanted == *peer { Port::Asked } else { Port::Chosen };
                return Err((error, port));
            }
        }
    }
    match missing {
        Some(error) if listeners.is_empty() => Err((error, Port::Asked)),
        _ => Ok(listeners),
    }
}

/// Returns true if this machine has no such address, or no such family of addresses.
fn is_missing(error: &Error) -> bool {
    let code = error.io_source().and_then(io::Error::raw_os_error);
    matches!(code, Some(libc::EADDRNOTAVAIL | libc::EAFNOSUPPORT))
}

/// `[::]` beside `0.0.0.0` on one port would fail: it takes IPv4 clients too, unless it is told not to.
fn with_both_families(
    options: &ListenOptions,
    peer: &PeerAddress,
    all: &[SocketAddr],
) -> ListenOptions {
    let mut options = options.clone();
    if let Some(IpAddr::V6(ip)) = peer.ip()
        && ip.is_unspecified()
        && options.ipv6_only.is_none()
        && all
            .iter()
            .any(|v4| v4.is_ipv4() && v4.ip().is_unspecified() && Some(v4.port()) == peer.port())
    {
        options.ipv6_only = Some(true);
    }
    options
}
