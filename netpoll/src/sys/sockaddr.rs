//! [`PeerAddress`] to and from the system's form.

use std::{io, mem::offset_of, os::unix::ffi::OsStrExt};

use socket2::{Domain, SockAddr};

use super::os;
use crate::addr::PeerAddress;

/// Bytes of the longest path of a Unix socket, without its final zero byte.
const MAX_PATH: usize =
    size_of::<libc::sockaddr_un>() - offset_of!(libc::sockaddr_un, sun_path) - 1;

/// Returns the system's form of `address`.
///
/// # Errors
/// A path or name that is too long, an abstract name where the system has none, no name at all.
pub(super) fn to_system(address: &PeerAddress) -> io::Result<SockAddr> {
    match address {
        PeerAddress::Inet(a) => Ok((*a).into()),
        PeerAddress::Path(path) => {
            if path.as_os_str().as_bytes().first().is_none_or(|&b| b == 0) {
                return Err(io::Error::new(io::ErrorKind::InvalidInput, "the path is empty"));
            }
            check_length("path", path.as_os_str().len())?;
            SockAddr::unix(path)
        }
        PeerAddress::Abstract(name) => {
            check_length("abstract name", name.len())?;
            os::abstract_address(name)
        }
        PeerAddress::Unnamed => {
            Err(io::Error::new(io::ErrorKind::InvalidInput, "this end has no name"))
        }
    }
}

/// Refuses what does not fit beside the byte that ends a path or begins an abstract name.
fn check_length(what: &str, length: usize) -> io::Result<()> {
    if length <= MAX_PATH {
        return Ok(());
    }
    let why = format!("the {what} has {length} bytes: at most {MAX_PATH} are possible");
    Err(io::Error::new(io::ErrorKind::InvalidInput, why))
}

/// What the system's form means.
pub(super) fn from_system(address: &SockAddr) -> PeerAddress {
    if let Some(inet) = address.as_socket() {
        PeerAddress::Inet(inet)
    } else if let Some(path) = address.as_pathname() {
        PeerAddress::Path(path.to_owned())
    } else if let Some(name) = os::abstract_name(address) {
        PeerAddress::Abstract(name.to_owned())
    } else {
        PeerAddress::Unnamed
    }
}

/// The kind of socket that can have `address`.
pub(super) fn domain(address: &PeerAddress) -> Domain {
    match address {
        PeerAddress::Inet(a) => Domain::for_address(*a),
        _ => Domain::UNIX,
    }
}
