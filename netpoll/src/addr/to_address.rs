//! [`ToAddress`]: everything that names a place to listen on or to dial.

use std::{
    net::{IpAddr, SocketAddr, SocketAddrV4, SocketAddrV6},
    path::{Path, PathBuf},
};

use super::{Address, Fault, PeerAddress};
use crate::error::{Error, ErrorKind, Result};

/// A value that names an address to listen on or to dial.
///
/// | type | address |
/// | --- | --- |
/// | `&str`, `String` | the text, as [`Address`] parses it |
/// | [`Address`] | itself |
/// | `SocketAddr`, `SocketAddrV4`, `SocketAddrV6` | TCP |
/// | `(IpAddr, u16)`, `(&str, u16)`, `(String, u16)` | TCP to a host and a port |
/// | [`Path`], [`PathBuf`] | the file of a Unix socket |
/// | [`PeerAddress`] | the same place: where a server listens can be dialled |
///
/// References to these work too. The address is parsed once, when it is given.
///
/// ```
/// use netpoll::{Address, ToAddress};
/// use std::{net::IpAddr, path::Path};
///
/// assert_eq!("unix:/run/app".to_address()?, Path::new("/run/app").to_address()?);
/// assert_eq!("127.0.0.1:80".to_address()?, (IpAddr::from([127, 0, 0, 1]), 80).to_address()?);
/// # Ok::<(), netpoll::Error>(())
/// ```
pub trait ToAddress {
    /// Returns the address.
    ///
    /// # Errors
    /// [`ErrorKind::Address`] if it is a text that cannot be parsed, with what to write instead, or a place
    /// that has no name.
    fn to_address(&self) -> Result<Address>;
}

impl<T: ToAddress + ?Sized> ToAddress for &T {
    fn to_address(&self) -> Result<Address> {
        (**self).to_address()
    }
}

impl ToAddress for str {
    fn to_address(&self) -> Result<Address> {
        self.parse()
    }
}

impl ToAddress for String {
    fn to_address(&self) -> Result<Address> {
        self.parse()
    }
}

impl ToAddress for Address {
    fn to_address(&self) -> Result<Address> {
        Ok(self.clone())
    }
}

impl ToAddress for SocketAddr {
    fn to_address(&self) -> Result<Address> {
        Ok((*self).into())
    }
}

impl ToAddress for SocketAddrV4 {
    fn to_address(&self) -> Result<Address> {
        SocketAddr::V4(*self).to_address()
    }
}

impl ToAddress for SocketAddrV6 {
    fn to_address(&self) -> Result<Address> {
        SocketAddr::V6(*self).to_address()
    }
}

impl ToAddress for (IpAddr, u16) {
    fn to_address(&self) -> Result<Address> {
        SocketAddr::from(*self).to_address()
    }
}

/// The host is a name or an IP address, without brackets.
impl ToAddress for (&str, u16) {
    fn to_address(&self) -> Result<Address> {
        let (host, port) = *self;
        let text = if host.contains(':') { format!("[{host}]") } else { host.to_owned() };
        format!("tcp://{text}:{port}").parse()
    }
}

/// The host is a name or an IP address, without brackets.
impl ToAddress for (String, u16) {
    fn to_address(&self) -> Result<Address> {
        (&*self.0, self.1).to_address()
    }
}

/// A path is a file also where it begins with `@`: it is then the same as `./@..`.
impl ToAddress for Path {
    fn to_address(&self) -> Result<Address> {
        let bytes = self.as_os_str().as_encoded_bytes();
        if bytes.is_empty() || bytes.contains(&0) {
            return Err(Fault::UnixPath.error(&self.display()));
        }
        let is_file_like_a_name = bytes[0] == b'@';
        Ok(Address::Unix(if is_file_like_a_name { Path::new(".").join(self) } else { self.into() }))
    }
}

/// A path is a file also where it begins with `@`: it is then the same as `./@..`.
impl ToAddress for PathBuf {
    fn to_address(&self) -> Result<Address> {
        self.as_path().to_address()
    }
}

impl ToAddress for PeerAddress {
    fn to_address(&self) -> Result<Address> {
        let refuse = |why| Err(Error::new(ErrorKind::Address, format!("address {self}: {why}")));
        match self {
            Self::Inet(address) => address.to_address(),
            Self::Path(path) => path.to_address(),
            Self::Abstract(name) => match std::str::from_utf8(name) {
                Ok(name) => Ok(Address::Abstract(name.to_owned())),
                Err(_) => refuse("an abstract name that is not UTF-8 cannot be dialled"),
            },
            Self::Unnamed => refuse("a Unix socket without a name cannot be dialled"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_type_names_the_address_that_its_text_does() {
        let v4: SocketAddr = "127.0.0.1:80".parse().unwrap();
        let v6: SocketAddr = "[::1]:80".parse().unwrap();
        let same: [(&dyn ToAddress, &str); 12] = [
            (&"127.0.0.1:80", "127.0.0.1:80"),
            (&String::from("127.0.0.1:80"), "127.0.0.1:80"),
            (&v4, "127.0.0.1:80"),
            (&v6, "[::1]:80"),
            (&(v6.ip(), 80), "[::1]:80"),
            (&("::1", 80), "[::1]:80"),
            (&("unix", 80), "tcp://unix:80"),
            (&(String::from("a.example"), 80), "a.example:80"),
            (&PathBuf::from("/run/x"), "unix:/run/x"),
            // A path is never taken for an abstract name.
            (&PathBuf::from("@x"), "unix:./@x"),
            (&PeerAddress::Inet(v6), "[::1]:80"),
            (&PeerAddress::Abstract(b"x".to_vec()), "unix:@x"),
        ];
        for (value, text) in same {
            assert_eq!(value.to_address().unwrap(), text.parse().unwrap());
        }
    }

    #[test]
    fn a_path_that_no_file_has_is_refused() {
        for path in ["", "a\0b"] {
            let error = Path::new(path).to_address().unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Address);
        }
    }

    #[test]
    fn a_place_without_a_name_is_refused() {
        for peer in [PeerAddress::Unnamed, PeerAddress::Abstract(vec![0xff])] {
            let error = peer.to_address().unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Address);
            assert!(error.to_string().contains(&peer.to_string()), "{error}");
        }
        assert!(("a b", 1).to_address().is_err());
        assert!(("[::1]", 1).to_address().is_err());
    }
}
