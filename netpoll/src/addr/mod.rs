//! Addresses in the form that people write, and the socket addresses that they resolve to.

mod peer;
mod to_address;

use std::{
    fmt,
    net::{IpAddr, Ipv6Addr, SocketAddr, ToSocketAddrs},
    path::PathBuf,
    str::FromStr,
};

pub use peer::PeerAddress;
pub use to_address::ToAddress;

use crate::{Error, ErrorKind, Result};

/// An address to listen on or to dial, in the form that people write.
///
/// | text | meaning |
/// | --- | --- |
/// | `host:port`, `tcp://host:port` | TCP; the host is a name or an IPv4 address |
/// | `[::1]:port`, `tcp://[::1]:port` | TCP over IPv6, a zone (`%eth0`) allowed |
/// | `udp://host:port`, `udp://[::1]:port` | datagrams, to be listened on |
/// | `unix:/path` | a Unix socket's file |
/// | `unix:@name` | a Unix socket's abstract name (Linux only) |
/// | `shm:/path` | shared memory between two processes (Linux only), which begins at a Unix socket's file |
///
/// The text that `Display` writes of a parsed address parses to an equal one.
///
/// ```
/// use netpoll::Address;
/// let a: Address = "tcp://localhost:6379".parse()?;
/// assert_eq!(a, Address::Tcp { host: "localhost".into(), port: 6379 });
/// assert_eq!(a.to_string(), "localhost:6379");
/// # Ok::<(), netpoll::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Address {
    /// TCP to a host and port.
    Tcp {
        /// A name, an IPv4 address, or an IPv6 address without its brackets.
        host: String,
        /// The port; 0 lets the system choose one to listen on.
        port: u16,
    },
    /// UDP at a host and port.
    Udp {
        /// A name, an IPv4 address, or an IPv6 address without its brackets.
        host: String,
        /// The port; 0 lets the system choose one to listen on.
        port: u16,
    },
    /// The file of a Unix socket.
    Unix(PathBuf),
    /// The abstract name of a Unix socket, without its leading zero byte; Linux only.
    Abstract(String),
    #[doc = include_str!("shared_memory.md")]
    SharedMemory(PathBuf),
}

impl Address {
    /// Returns true if [`resolve`](Self::resolve) asks the system's resolver, and so may block.
    pub(crate) fn needs_resolver(&self) -> bool {
        match self {
            // An address with a zone is left to the resolver too.
            Self::Tcp { host, .. } | Self::Udp { host, .. } => host.parse::<IpAddr>().is_err(),
            Self::Unix(_) | Self::Abstract(_) | Self::SharedMemory(_) => false,
        }
    }

    /// Returns the host as it was written, without brackets; `None` for Unix sockets and shared memory.
    pub fn host(&self) -> Option<&str> {
        match self {
            Self::Tcp { host, .. } | Self::Udp { host, .. } => Some(host),
            Self::Unix(_) | Self::Abstract(_) | Self::SharedMemory(_) => None,
        }
    }

    /// Returns true for an address of datagrams, to which no connection can be made.
    pub fn is_datagram(&self) -> bool {
        matches!(self, Self::Udp { .. })
    }

    /// Refuses an address of datagrams, to which no connection can be made.
    pub(crate) fn check_stream(&self) -> Result<()> {
        if !self.is_datagram() {
            return Ok(());
        }
        let why = format!("{self} takes datagrams, and a connection was asked for");
        Err(Error::new(ErrorKind::Address, why))
    }

    /// Returns the socket addresses behind this address, in the order in which the resolver gives them.
    ///
    /// It asks the system's resolver for a host's name, and so may block.
    ///
    /// # Errors
    /// [`ErrorKind::Address`], naming the host, if it cannot be resolved.
    pub fn resolve(&self) -> Result<Vec<PeerAddress>> {
        match self {
            Self::Tcp { host, port } | Self::Udp { host, port } => resolve_host(host, *port),
            Self::Unix(path) | Self::SharedMemory(path) => {
                Ok(vec![PeerAddress::Path(path.clone())])
            }
            Self::Abstract(name) => Ok(vec![PeerAddress::Abstract(name.clone().into_bytes())]),
        }
    }
}

fn resolve_host(host: &str, port: u16) -> Result<Vec<PeerAddress>> {
    let fail = |why: &dyn fmt::Display| {
        Error::new(ErrorKind::Address, format!("cannot resolve host {host:?}: {why}"))
    };
    let found: Vec<_> = (host, port)
        .to_socket_addrs()
        .map_err(|e| fail(&e).with_source(e))?
        .map(PeerAddress::Inet)
        .collect();
    if found.is_empty() { Err(fail(&"it has no address")) } else { Ok(found) }
}

impl FromStr for Address {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        parse(text).map_err(|fault| fault.error(&format_args!("{text:?}")))
    }
}

impl TryFrom<&str> for Address {
    type Error = Error;

    fn try_from(text: &str) -> Result<Self> {
        text.parse()
    }
}

impl From<SocketAddr> for Address {
    fn from(a: SocketAddr) -> Self {
        let host = match a {
            SocketAddr::V6(v6) if v6.scope_id() != 0 => format!("{}%{}", v6.ip(), v6.scope_id()),
            _ => a.ip().to_string(),
        };
        Self::Tcp { host, port: a.port() }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Udp { host, port } if host.contains(':') => write!(f, "udp://[{host}]:{port}"),
            Self::Udp { host, port } => write!(f, "udp://{host}:{port}"),
            Self::Tcp { host, port } if host.contains(':') => write!(f, "[{host}]:{port}"),
            // Without its scheme this would be the file of a Unix socket.
            Self::Tcp { host, port } if host == "unix" || host == "shm" => {
                write!(f, "tcp://{host}:{port}")
            }
            Self::Tcp { host, port } => write!(f, "{host}:{port}"),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
            Self::Abstract(name) => write!(f, "unix:@{name}"),
            Self::SharedMemory(path) => write!(f, "shm:{}", path.display()),
        }
    }
}

/// The reason for which a text is not an address.
enum Fault {
    Empty,
    Scheme,
    UnixPath,
    SharedPath,
    AbstractName,
    NoPort,
    Port,
    NoHost,
    Host,
    BareIpv6,
    Ipv6,
}

impl Fault {
    fn error(&self, text: &dyn fmt::Display) -> Error {
        let (what, write) = self.describe();
        Error::new(ErrorKind::Address, format!("address {text}: {what}; write {write}"))
    }

    /// Returns the fault, and a form that would be right.
    fn describe(&self) -> (&'static str, &'static str) {
        let form = "host:port, [ipv6]:port, unix:/path or unix:@name";
        match self {
            Self::Empty => ("it is empty", form),
            Self::Scheme => {
                ("its scheme is not known", "tcp://host:port, udp://host:port or unix:/path")
            }
            Self::UnixPath => {
                ("the path is empty or holds a zero byte", "unix:/path/of/the/socket")
            }
            Self::SharedPath => {
                ("the path is empty or holds a zero byte", "shm:/path/of/the/socket")
            }
            Self::AbstractName => ("the name is empty or holds a zero byte", "unix:@name"),
            Self::NoPort => ("the port is missing", form),
            Self::Port => ("the port is not a number up to 65535", "host:port, such as 0.0.0.0:80"),
            Self::NoHost => ("the host is missing", "0.0.0.0:port or [::]:port for all interfaces"),
            Self::Host => ("the host holds a character that no host has", form),
            Self::BareIpv6 => ("an IPv6 address needs brackets", "[ipv6]:port, such as [::1]:80"),
            Self::Ipv6 => ("what the brackets hold is no IPv6 address", "[ipv6]:port"),
        }
    }
}

fn parse(text: &str) -> Result<Address, Fault> {
    if text.is_empty() {
        return Err(Fault::Empty);
    }
    if let Some(unix) = text.strip_prefix("unix:") {
        return parse_unix(unix);
    }
    if let Some(path) = text.strip_prefix("shm:") {
        let good = !path.is_empty() && !path.contains('\0');
        return if good { Ok(Address::SharedMemory(path.into())) } else { Err(Fault::SharedPath) };
    }
    let (datagrams, rest) = match text.split_once("://") {
        Some(("tcp", rest)) => (false, rest),
        Some(("udp", rest)) => (true, rest),
        Some(_) => return Err(Fault::Scheme),
        None => (false, text),
    };
    let (host, port) = match rest.strip_prefix('[') {
        Some(bracketed) => {
            let (host, tail) = bracketed.split_once(']').ok_or(Fault::Ipv6)?;
            check_ipv6(host)?;
            (host, tail.strip_prefix(':').ok_or(Fault::NoPort)?)
        }
        None => {
            let (host, port) = rest.rsplit_once(':').ok_or(Fault::NoPort)?;
            check_host(host)?;
            (host, port)
        }
    };
    let (host, port) = (host.to_owned(), parse_port(port)?);
    Ok(if datagrams { Address::Udp { host, port } } else { Address::Tcp { host, port } })
}

fn parse_unix(text: &str) -> Result<Address, Fault> {
    match text.strip_prefix('@') {
        Some(name) if name.is_empty() || name.contains('\0') => Err(Fault::AbstractName),
        Some(name) => Ok(Address::Abstract(name.to_owned())),
        None if text.is_empty() || text.contains('\0') => Err(Fault::UnixPath),
        None => Ok(Address::Unix(PathBuf::from(text))),
    }
}

/// A port: digits alone, so that `+80` is none.
fn parse_port(text: &str) -> Result<u16, Fault> {
    if text.is_empty() {
        return Err(Fault::NoPort);
    }
    if !text.bytes().all(|b| b.is_ascii_digit()) {
        return Err(Fault::Port);
    }
    text.parse().map_err(|_| Fault::Port)
}

fn check_host(host: &str) -> Result<(), Fault> {
    if host.is_empty() {
        Err(Fault::NoHost)
    } else if host.contains(':') {
        Err(Fault::BareIpv6)
    } else if host.chars().any(|c| c.is_whitespace() || c.is_control() || "/@[]?#%\\".contains(c)) {
        Err(Fault::Host)
    } else {
        Ok(())
    }
}

fn check_ipv6(host: &str) -> Result<(), Fault> {
    let (ip, zone) = host.split_once('%').unwrap_or((host, "_"));
    // An interface's name or number: Linux has none with a slash or a colon.
    let zone_is_good =
        !zone.is_empty() && zone.chars().all(|c| c.is_ascii_graphic() && !"/:[]%@".contains(c));
    if ip.parse::<Ipv6Addr>().is_ok() && zone_is_good { Ok(()) } else { Err(Fault::Ipv6) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn message(text: &str) -> String {
        let e = text.parse::<Address>().unwrap_err();
        assert_eq!(e.kind(), ErrorKind::Address);
        e.to_string()
    }

    fn tcp(host: &str, port: u16) -> Address {
        Address::Tcp { host: host.into(), port }
    }

    #[test]
    fn each_written_form_parses() {
        for (text, address) in [
            ("a.example:80", tcp("a.example", 80)),
            ("tcp://127.0.0.1:0", tcp("127.0.0.1", 0)),
            ("[::1]:443", tcp("::1", 443)),
            ("tcp://[fe80::1%eth0]:65535", tcp("fe80::1%eth0", 65535)),
            ("udp://a.example:53", Address::Udp { host: "a.example".into(), port: 53 }),
            ("udp://[::]:0", Address::Udp { host: "::".into(), port: 0 }),
            ("unix:/run/x.sock", Address::Unix("/run/x.sock".into())),
            ("unix:@bus", Address::Abstract("bus".into())),
        ] {
            assert_eq!(text.parse::<Address>().unwrap(), address, "{text}");
        }
    }

    /// As text without a scheme, `unix:0` is the file `0`.
    #[test]
    fn a_host_that_is_called_unix_stays_a_host() {
        let address: Address = "tcp://unix:0".parse().unwrap();
        assert_eq!(address, tcp("unix", 0));
        assert_eq!(address.to_string(), "tcp://unix:0");
    }

    #[test]
    fn an_error_names_the_input_and_says_what_to_write() {
        for (text, hint) in [
            ("", "host:port"),
            ("localhost", "the port is missing"),
            (":80", "0.0.0.0:port"),
            ("::1:80", "[ipv6]:port"),
            ("[::1]", "the port is missing"),
            ("[nonsense]:80", "no IPv6 address"),
            // Written without a scheme, it would have another one.
            ("tcp://[fe80::%a://b]:80", "no IPv6 address"),
            ("h:65536", "65535"),
            ("h:+80", "65535"),
            ("http://h:80", "tcp://host:port"),
            ("h/path:80", "no host has"),
            ("unix:", "unix:/path"),
            ("unix:@", "unix:@name"),
        ] {
            let m = message(text);
            assert!(m.contains(&format!("{text:?}")) && m.contains(hint), "{text}: {m}");
        }
    }

    #[test]
    fn a_host_that_does_not_resolve_is_named() {
        let e = tcp("no-such-host.invalid", 1).resolve().unwrap_err();
        assert_eq!(e.kind(), ErrorKind::Address);
        assert!(e.to_string().contains("no-such-host.invalid"), "{e}");
    }

    #[test]
    fn a_literal_resolves_to_itself() {
        let there = "[::1]:7".parse::<SocketAddr>().unwrap();
        assert_eq!(Address::from(there).resolve().unwrap(), [PeerAddress::Inet(there)]);
    }

    proptest! {
        #[test]
        fn display_parses_back(
            a in prop_oneof![
                ("[a-zA-Z0-9._-]{1,30}", any::<u16>()).prop_map(|(h, p)| tcp(&h, p)),
                any::<SocketAddr>().prop_map(Address::from),
                ("[a-zA-Z0-9._-]{1,30}|[0-9a-f]{1,4}::1", any::<u16>())
                    .prop_map(|(host, port)| Address::Udp { host, port }),
                "[^@\0][^\0]{0,40}".prop_map(|p| Address::Unix(p.into())),
                "[^\0]{1,40}".prop_map(Address::Abstract),
            ]
        ) {
            prop_assert_eq!(a.to_string().parse::<Address>().unwrap(), a);
        }

        #[test]
        fn garbage_is_an_error_or_round_trips(text in "(tcp://|udp://|unix:|shm:|\\[)?\\PC{0,20}[:\\]]{0,2}[0-9]{0,6}") {
            if let Ok(a) = text.parse::<Address>() {
                prop_assert_eq!(a.to_string().parse::<Address>().unwrap(), a);
            }
        }
    }
}
