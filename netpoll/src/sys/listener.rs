//! [`Listener`]: a listening stream socket.

use std::{
    fmt, io,
    net::Shutdown,
    os::fd::{BorrowedFd, OwnedFd},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
};

use parking_lot::Mutex;
use socket2::{SockRef, Type};

use super::{
    endpoint::{FaultLayer, fault_layer::BeforeAccept},
    options::StreamOptions,
    os,
    sockaddr::{domain, from_system, to_system},
    socket::Socket,
    socket_file::SocketFile,
};
use crate::{
    Error, Result,
    addr::PeerAddress,
    counters::{self, Counter},
};

/// How to listen.
#[derive(Clone, Debug)]
pub(crate) struct ListenOptions {
    /// Connections that may wait to be accepted; the system bounds it.
    pub(crate) backlog: u32,
    /// Several sockets may listen on one address, and the system spreads connections (TCP).
    pub(crate) reuse_port: bool,
    /// Permissions of a Unix socket's file, if the umask is not to decide.
    pub(crate) socket_mode: Option<u32>,
    /// IPV6_V6ONLY of listeners on IPv6, if the system's rule is not to decide.
    pub(crate) ipv6_only: Option<bool>,
    /// Options of every accepted connection.
    pub(crate) stream: StreamOptions,
}

impl Default for ListenOptions {
    fn default() -> Self {
        let stream = StreamOptions::default();
        Self { backlog: 4096, reuse_port: false, socket_mode: None, ipv6_only: None, stream }
    }
}

/// The addresses of this process's listeners.
static OWN: Mutex<Vec<PeerAddress>> = Mutex::new(Vec::new());

/// Returns true if this process listens on `address`, or on the same port of all interfaces.
fn is_own(address: &PeerAddress) -> bool {
    OWN.lock().iter().any(|own| match (own.inet(), address.inet()) {
        (Some(own), Some(asked)) => {
            let any = own.ip().is_unspecified() || asked.ip().is_unspecified();
            own.port() == asked.port() && (any || own.ip() == asked.ip())
        }
        _ => own == address,
    })
}

/// A listening socket, non-blocking; closed once, as a [`Socket`] is, with its file removed.
pub(crate) struct Listener {
    socket: Socket,
    address: PeerAddress,
    /// What each accepted connection must still be told.
    stream: Option<StreamOptions>,
    /// The file of a Unix socket that this listener made.
    file: Option<Arc<SocketFile>>,
    before_accept: Option<BeforeAccept>,
    /// Another process may go on listening with the socket.
    shared: AtomicBool,
}

impl Listener {
    /// Listens on `address`. A Unix socket's file that nobody answers at any more is replaced.
    ///
    /// # Errors
    /// What the system reports, with the address and what can be done about it.
    pub(crate) fn bind(address: &PeerAddress, options: &ListenOptions) -> Result<Self> {
        Self::try_bind(address, options).map_err(|e| {
            let hint = match e.kind() {
                io::ErrorKind::AddrInUse if is_own(address) => {
                    " (this process already listens there)"
                }
                io::ErrorKind::AddrInUse => " (another program listens there)",
                io::ErrorKind::AddrNotAvailable => " (this machine has no such address)",
                io::ErrorKind::PermissionDenied => match address.inet() {
                    Some(inet) if (1..1024).contains(&inet.port()) => {
                        " (ports below 1024 need root's rights or CAP_NET_BIND_SERVICE)"
                    }
                    Some(_) => "",
                    None => " (the socket's directory is not writable)",
                },
                io::ErrorKind::NotFound => " (the socket's directory does not exist)",
                _ => "",
            };
            Error::io(format!("cannot listen on {address}{hint}"), e)
        })
    }

    fn try_bind(address: &PeerAddress, options: &ListenOptions) -> io::Result<Self> {
        let wanted = to_system(address)?;
        #[cfg(target_os = "linux")]
        if let Some(fd) = super::handed::take(address) {
            let mut listener = Self::adopt(fd, options)?;
            if let Some(path) = address.path() {
                let file = Arc::new(SocketFile::of_another(path)?);
                super::handed::keep(&file);
                listener.file = Some(file);
            }
            tracing::info!(address = %listener.address, "a listener was handed over");
            return Ok(listener);
        }
        let socket = os::stream_socket(domain(address))?;
        if !wanted.is_unix() {
            // A port of which old connections linger may be listened on again.
            socket.set_reuse_address(true)?;
            if let (Some(only), true) = (options.ipv6_only, wanted.is_ipv6()) {
                socket.set_only_v6(only)?;
            }
            if options.reuse_port {
                socket.set_reuse_port(true)?;
            }
        }
        let file = match address.path() {
            Some(path) => Some(Arc::new(SocketFile::bind(&socket, path, options.socket_mode)?)),
            None => socket.bind(&wanted).map(|()| None)?,
        };
        options.stream.apply(&SockRef::from(&socket), wanted.is_unix())?;
        socket.listen(i32::try_from(options.backlog).unwrap_or(i32::MAX))?;
        Self::from_listening(socket.into(), options, file, false)
    }

    /// Takes over a socket that already listens. The file of a Unix socket is left alone.
    ///
    /// # Errors
    /// `InvalidInput` if `fd` is not a listening stream socket.
    pub(crate) fn adopt(fd: OwnedFd, options: &ListenOptions) -> io::Result<Self> {
        let socket = SockRef::from(&fd);
        if socket.r#type()? != Type::STREAM || !os::is_listening(&socket)? {
            let why = "it is not a listening stream socket";
            return Err(io::Error::new(io::ErrorKind::InvalidInput, why));
        }
        socket.set_cloexec(true)?;
        socket.set_nonblocking(true)?;
        options.stream.apply(&socket, socket.local_addr()?.is_unix())?;
        Self::from_listening(fd, options, None, true)
    }

    fn from_listening(
        fd: OwnedFd,
        options: &ListenOptions,
        file: Option<Arc<SocketFile>>,
        shared: bool,
    ) -> io::Result<Self> {
        let address = from_system(&SockRef::from(&fd).local_addr()?);
        OWN.lock().push(address.clone());
        let stream = (!os::ACCEPT_INHERITS).then(|| options.stream.clone());
        Ok(Self {
            socket: fd.into(),
            address,
            stream,
            file,
            before_accept: None,
            shared: shared.into(),
        })
    }

    /// Injects `faults` into its accepts, if there are any.
    pub(crate) fn inject(&mut self, faults: &FaultLayer) {
        self.before_accept = faults.before_accept();
    }

    /// Accepts one connection, with its options set.
    ///
    /// # Errors
    /// `WouldBlock` if none waits; [`AcceptFault`](super::AcceptFault) says what the others mean.
    pub(crate) fn accept(&self) -> io::Result<(Socket, PeerAddress)> {
        let listener = self.socket.fd()?;
        let (fd, peer) = loop {
            counters::add(Counter::SysAccept, 1);
            let fault = self.before_accept.as_ref().map_or(Ok(()), |check| check());
            match fault.and_then(|()| os::accept(listener)) {
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                result => break result?,
            }
        };
        let socket = Socket::from(fd);
        if let Some(options) = &self.stream {
            socket.set_options(options)?;
        }
        Ok((socket, from_system(&peer)))
    }

    /// Where it listens: with the port that the system chose, if it was asked to.
    pub(crate) fn address(&self) -> &PeerAddress {
        &self.address
    }

    /// The descriptor; as [`Socket::fd`].
    pub(crate) fn fd(&self) -> io::Result<BorrowedFd<'_>> {
        self.socket.fd()
    }

    /// A copy of the descriptor, with which another process may go on listening.
    ///
    /// # Errors
    /// The system's.
    pub(crate) fn share(&self) -> io::Result<OwnedFd> {
        self.shared.store(true, SeqCst);
        self.fd()?.try_clone_to_owned()
    }

    /// Leaves the file of a Unix socket to the process that has the socket now.
    #[cfg(target_os = "linux")]
    pub(crate) fn give_file_away(&self) {
        if let Some(file) = &self.file {
            file.give_away();
        }
    }

    /// Stops listening: connections that were not accepted are reset, and the file of a Unix socket
    /// goes if it is still the one that was made. As [`Socket::close`], no other call may run.
    ///
    /// A socket that was made here stops listening even while a forked child holds its descriptor.
    pub(crate) fn close(&self) -> bool {
        if let Some(file) = &self.file {
            file.remove();
        }
        if let (false, Ok(fd)) = (self.shared.load(SeqCst), self.socket.fd()) {
            // Only Linux knows this of a listener; elsewhere the child's descriptor goes on listening.
            let _ = SockRef::from(&fd).shutdown(Shutdown::Both);
        }
        let closes = self.socket.close();
        if closes {
            let mut own = OWN.lock();
            if let Some(at) = own.iter().position(|address| *address == self.address) {
                own.swap_remove(at);
            }
        }
        closes
    }
}

impl fmt::Debug for Listener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Listener")
            .field("socket", &self.socket)
            .field("address", &self.address)
            .finish_non_exhaustive()
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.close();
    }
}

#[cfg(all(test, target_os = "linux", not(loom)))]
mod tests {
    use std::{net::TcpStream, os::unix::net::UnixStream};

    use super::*;

    /// As a forked child holds it, which a close alone would wait for.
    #[test]
    fn a_closed_listener_refuses_clients_though_another_process_holds_the_descriptor() {
        let bind = |address: &PeerAddress| {
            let listener = Listener::bind(address, &ListenOptions::default()).unwrap();
            let held = listener.fd().unwrap().try_clone_to_owned().unwrap();
            (listener, held)
        };
        let (tcp, _held) = bind(&PeerAddress::Inet("127.0.0.1:0".parse().unwrap()));
        let address = tcp.address().inet().unwrap();
        TcpStream::connect(address).unwrap();
        tcp.close();
        let refused = TcpStream::connect(address).unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::ConnectionRefused);

        let name = format!("netpoll-listener-{}", std::process::id());
        let path = std::env::temp_dir().join(name);
        let (unix, _held) = bind(&PeerAddress::Path(path.clone()));
        // What came before the end is refused as well, by another path to the same socket.
        let second = path.with_extension("second");
        std::fs::hard_link(&path, &second).unwrap();
        unix.close();
        let refused = UnixStream::connect(&second).unwrap_err();
        std::fs::remove_file(second).unwrap();
        assert_eq!(refused.kind(), io::ErrorKind::ConnectionRefused);
    }

    /// Another process may go on with a listener that it gave away a copy of.
    #[test]
    fn an_adopted_listener_is_left_to_whoever_else_holds_it() {
        let theirs = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let copy = theirs.try_clone().unwrap().into();
        Listener::adopt(copy, &ListenOptions::default()).unwrap().close();
        TcpStream::connect(theirs.local_addr().unwrap()).unwrap();
    }
}
