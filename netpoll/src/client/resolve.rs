//! Where a client's endpoints come from.

use std::{fmt, time::Duration};

use crate::{addr::Address, error::Result};

/// Says which addresses a client's endpoints have.
///
/// It is asked before the first call, again when an answer's [lifetime](Self::lifetime) is over, and
/// soon after an endpoint could not be reached; never twice at once, and only while calls are made.
/// Calls go on with the old answer until there is a new one. An endpoint that a new answer does not
/// list gets no more calls; those under way end as if nothing had happened. An answer without any
/// address is an error.
///
/// ```
/// use netpoll::{Address, Result, client::Resolve};
/// use std::time::Duration;
///
/// /// Endpoints as a file lists them, one on each line.
/// struct Listed(std::path::PathBuf);
///
/// impl Resolve for Listed {
///     fn resolve(&self) -> Result<Vec<Address>> {
///         std::fs::read_to_string(&self.0)?.lines().map(str::parse).collect()
///     }
///
///     fn lifetime(&self) -> Option<Duration> {
///         Some(Duration::from_secs(5))
///     }
/// }
/// # let path = std::env::temp_dir().join(format!("netpoll-listed-{}", std::process::id()));
/// # std::fs::write(&path, "10.0.0.1:80\n10.0.0.2:80\n")?;
/// let listed = Listed(path);
/// assert_eq!(listed.resolve()?[1], "10.0.0.2:80".parse()?);
/// # std::fs::remove_file(listed.0)?;
/// # Ok::<(), netpoll::Error>(())
/// ```
pub trait Resolve: Send + Sync + 'static {
    /// The addresses of now. It may block: it is called on a worker that has given its poller away.
    ///
    /// # Errors
    /// What hindered it. Calls that have no earlier answer to go by fail with it.
    fn resolve(&self) -> Result<Vec<Address>>;

    /// How long an answer holds; `None`, the default: for ever.
    fn lifetime(&self) -> Option<Duration> {
        None
    }
}

/// The addresses of a host's name as the system's resolver gives them, each an endpoint of its own.
///
/// ```
/// use netpoll::client::{Resolve, SystemDns};
/// let dns = SystemDns::new("localhost:6379")?;
/// assert!(dns.resolve()?.iter().all(|address| address.to_string().ends_with(":6379")));
/// # Ok::<(), netpoll::Error>(())
/// ```
#[derive(Clone)]
pub struct SystemDns {
    name: Address,
    lifetime: Duration,
}

impl SystemDns {
    /// Of `host:port`. Answers hold for 30 s, since the system does not tell for how long they would.
    ///
    /// # Errors
    /// [`Address`](crate::ErrorKind::Address), if it is none. An unknown host is told by calls.
    pub fn new(address: &str) -> Result<Self> {
        Ok(Self { name: address.parse()?, lifetime: Duration::from_secs(30) })
    }

    /// How long an answer holds. Default: 30 s.
    #[must_use]
    pub fn lifetime(mut self, lifetime: Duration) -> Self {
        self.lifetime = lifetime;
        self
    }
}

impl Resolve for SystemDns {
    fn resolve(&self) -> Result<Vec<Address>> {
        if !self.name.needs_resolver() {
            return Ok(vec![self.name.clone()]);
        }
        let mut found: Vec<Address> = Vec::new();
        for address in self.name.resolve()?.iter().filter_map(|peer| peer.inet()) {
            if !found.contains(&address.into()) {
                found.push(address.into());
            }
        }
        Ok(found)
    }

    fn lifetime(&self) -> Option<Duration> {
        Some(self.lifetime)
    }
}

impl fmt::Debug for SystemDns {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SystemDns({}, {:?})", self.name, self.lifetime)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorKind;

    #[test]
    fn a_name_is_as_many_endpoints_as_it_has_addresses() {
        let dns = SystemDns::new("localhost:7").unwrap().lifetime(Duration::from_secs(1));
        let found = dns.resolve().unwrap();
        assert!(!found.is_empty());
        for address in &found {
            assert!(!address.needs_resolver(), "{address}");
            assert_eq!(found.iter().filter(|other| *other == address).count(), 1, "{address}");
        }
        assert_eq!(Resolve::lifetime(&dns), Some(Duration::from_secs(1)));
    }

    #[test]
    fn what_is_no_name_is_its_own_answer() {
        for address in ["127.0.0.1:80", "[::1]:80", "unix:/tmp/socket", "unix:@name"] {
            let found = SystemDns::new(address).unwrap().resolve().unwrap();
            assert_eq!(found, [address.parse::<Address>().unwrap()]);
        }
    }

    #[test]
    fn an_unknown_host_is_named() {
        let error = SystemDns::new("no-such-host.invalid:80").unwrap().resolve().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Address);
        assert!(error.to_string().contains("no-such-host.invalid"), "{error}");
        assert_eq!(SystemDns::new("no port").unwrap_err().kind(), ErrorKind::Address);
    }
}
