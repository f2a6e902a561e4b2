//! [`PeerAddress`]: the address of one end of a connection.

use std::{
    fmt,
    net::{IpAddr, SocketAddr},
    path::{Path, PathBuf},
};

/// The address of one end of a connection, with nothing left to resolve.
///
/// ```
/// use netpoll::PeerAddress;
/// let there = PeerAddress::from(std::net::SocketAddr::from(([127, 0, 0, 1], 80)));
/// assert_eq!(there.to_string(), "127.0.0.1:80");
/// assert_eq!(there.port(), Some(80));
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum PeerAddress {
    /// An IP address and a port.
    Inet(SocketAddr),
    /// The file of a Unix socket.
    Path(PathBuf),
    /// The abstract name of a Unix socket, without its leading zero byte; Linux only.
    Abstract(Vec<u8>),
    /// A Unix socket without a name; a client that did not bind has none.
    Unnamed,
}

impl PeerAddress {
    /// Returns the IP address and port, if it is one.
    pub fn inet(&self) -> Option<SocketAddr> {
        match self {
            Self::Inet(a) => Some(*a),
            _ => None,
        }
    }

    /// Returns the IP address, if it is one.
    pub fn ip(&self) -> Option<IpAddr> {
        self.inet().map(|a| a.ip())
    }

    /// Returns the port, if it has one.
    pub fn port(&self) -> Option<u16> {
        self.inet().map(|a| a.port())
    }

    /// Returns the path of a Unix socket's file, if it is one.
    pub fn path(&self) -> Option<&Path> {
        match self {
            Self::Path(path) => Some(path),
            _ => None,
        }
    }
}

impl From<SocketAddr> for PeerAddress {
    fn from(a: SocketAddr) -> Self {
        Self::Inet(a)
    }
}

/// Writes the form that [`Address`](crate::Address) parses, and `unix:` alone where there is no name.
impl fmt::Display for PeerAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Inet(a) => a.fmt(f),
            Self::Path(path) => write!(f, "unix:{}", path.display()),
            Self::Abstract(name) => write!(f, "unix:@{}", name.escape_ascii()),
            Self::Unnamed => f.write_str("unix:"),
        }
    }
}
