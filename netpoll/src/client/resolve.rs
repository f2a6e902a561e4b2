//! Resolvers: lists of endpoints that change.

use std::{fmt, time::Duration};

use crate::{addr::Address, dial::look_up, error::Result, sched::block_on};

/// A source of the addresses of a client's endpoints.
///
/// A client asks it before the first call, again when an answer's [lifetime](Self::lifetime) is over,
/// and soon after an endpoint could not be reached; never twice at once, and only while calls are made.
/// Calls use the old answer until there is a new one. An endpoint that a new answer does not list gets
/// no more calls; its calls in flight go on. An answer without any address is an error.
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
    /// Returns the current addresses. It may block: it is called on a thread that serves nothing else.
    ///
    /// # Errors
    /// The reason why there is no answer. Calls fail with it unless there is an earlier answer.
    fn resolve(&self) -> Result<Vec<Address>>;

    /// Returns the lifetime of an answer; `None`, the default, means for ever.
    fn lifetime(&self) -> Option<Duration> {
        None
    }
}

/// A [`Resolve`] that asks the system's resolver: each address of a host's name is an endpoint.
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
    /// Creates a resolver of `host:port`. Answers hold for 30 s, since the system does not report their
    /// lifetime.
    ///
    /// # Errors
    /// [`Address`](crate::ErrorKind::Address) if it cannot be parsed. An unknown host fails the calls.
    pub fn new(address: &str) -> Result<Self> {
        let name: Address = address.parse()?;
        name.check_stream()?;
        Ok(Self { name, lifetime: Duration::from_secs(30) })
    }

    /// Sets the lifetime of an answer. Default: 30 s.
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
        // Shared with dials of the same name.
        let peers = block_on(look_up(&self.name))?;
        for address in peers.iter().filter_map(|peer| peer.inet()) {
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

#[cfg(all(test, not(loom)))]
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
