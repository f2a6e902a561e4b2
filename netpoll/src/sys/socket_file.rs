//! [`SocketFile`]: the file of a Unix socket that listens, and what to do with an old one.

use std::{
    fs::{self, Permissions},
    io,
    os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt},
    path::{Path, PathBuf},
    sync::atomic::{AtomicBool, AtomicU32, Ordering::SeqCst},
    time::SystemTime,
};

use socket2::{Domain, SockAddr, Socket};

use super::os;

/// The file that a listener made; removed once, by [`remove`](Self::remove) or by its drop. Files
/// have identities: one that replaced it is not touched.
#[derive(Debug)]
pub(super) struct SocketFile {
    path: PathBuf,
    identity: Identity,
    removed: AtomicBool,
}

/// A file's device, inode and, since inodes are used again, its time of birth where it is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Identity(u64, u64, Option<SystemTime>);

impl SocketFile {
    /// Binds `socket` to `path`, whose file then has these permissions, if any are given. Nobody can
    /// connect meanwhile: it does not listen yet.
    ///
    /// A file that a dead process left there is replaced: that it is a socket, and that a connect
    /// to it is refused, shows that nobody listens on it.
    ///
    /// # Errors
    /// `AddrInUse` if somebody answers there, `AlreadyExists` if the file is not a socket, and what
    /// the system reports.
    pub(super) fn bind(socket: &Socket, path: &Path, mode: Option<u32>) -> io::Result<Self> {
        let address = SockAddr::unix(path)?;
        match socket.bind(&address) {
            Err(e) if e.kind() == io::ErrorKind::AddrInUse => {
                remove_stale(path, &address)?;
                socket.bind(&address)?;
            }
            result => result?,
        }
        // What a relative path means may change while the process runs.
        let path = std::path::absolute(path)?;
        let identity = identify(&fs::symlink_metadata(&path)?);
        let file = Self { path, identity, removed: AtomicBool::new(false) };
        if let Some(mode) = mode {
            fs::set_permissions(&file.path, Permissions::from_mode(mode))?;
        }
        Ok(file)
    }

    /// Returns the file that another process made at `path`, which this one does not remove until it
    /// [owns](Self::own) it.
    ///
    /// # Errors
    /// The system's.
    #[cfg(target_os = "linux")]
    pub(super) fn of_another(path: &Path) -> io::Result<Self> {
        let path = std::path::absolute(path)?;
        let identity = identify(&fs::symlink_metadata(&path)?);
        Ok(Self { path, identity, removed: AtomicBool::new(true) })
    }

    /// Makes the file this process's, which removes it at the end.
    #[cfg(target_os = "linux")]
    pub(super) fn own(&self) {
        self.removed.store(false, SeqCst);
    }

    /// Leaves the file to the process that has it now.
    #[cfg(target_os = "linux")]
    pub(super) fn give_away(&self) {
        self.removed.store(true, SeqCst);
    }

    /// Removes the file, unless another has taken its place.
    pub(super) fn remove(&self) {
        if self.removed.swap(true, SeqCst) {
            return;
        }
        if fs::symlink_metadata(&self.path).is_ok_and(|m| identify(&m) == self.identity) {
            // Nothing is left to do for a file that somebody else removed meanwhile.
            let _ = fs::remove_file(&self.path);
        }
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        self.remove();
    }
}

fn identify(metadata: &fs::Metadata) -> Identity {
    Identity(metadata.dev(), metadata.ino(), metadata.created().ok())
}

/// Removes the socket at `path` if nobody listens on it.
fn remove_stale(path: &Path, address: &SockAddr) -> io::Result<()> {
    let old = match fs::symlink_metadata(path) {
        Ok(old) => old,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(e) => return Err(e),
    };
    if !old.file_type().is_socket() {
        let why = "a file that is not a socket is there";
        return Err(io::Error::new(io::ErrorKind::AlreadyExists, why));
    }
    match os::stream_socket(Domain::UNIX)?.connect(address) {
        Err(e) if e.kind() == io::ErrorKind::ConnectionRefused => {}
        _ => return Err(io::ErrorKind::AddrInUse.into()),
    }
    take_away(path, identify(&old))
}

/// Removes the file at `path` if it is `stale`.
///
/// Another process may replace the same stale file at this moment. So it is renamed first: what was renamed
/// is looked at where nobody else can replace it, and given back if it is that process's new file.
fn take_away(path: &Path, stale: Identity) -> io::Result<()> {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    let number = NUMBER.fetch_add(1, SeqCst);
    let mut aside = path.as_os_str().to_owned();
    aside.push(format!(".stale-{}-{number}", std::process::id()));
    let aside = PathBuf::from(aside);
    match fs::rename(path, &aside) {
        Ok(()) => {}
        // The other process has taken it away.
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(e) => return Err(e),
    }
    let is_stale = fs::symlink_metadata(&aside).is_ok_and(|file| identify(&file) == stale);
    let given_back = if is_stale { Ok(()) } else { fs::hard_link(&aside, path) };
    fs::remove_file(&aside)?;
    match given_back {
        Ok(()) if is_stale => Ok(()),
        _ => Err(io::ErrorKind::AddrInUse.into()),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::{UnixListener, UnixStream};

    use super::*;

    fn scratch(name: &str) -> PathBuf {
        let path = std::env::temp_dir().join(format!("netpoll-{name}-{}", std::process::id()));
        let _ = fs::remove_file(&path);
        path
    }

    /// Two processes find the same stale file. One has replaced it when the other removes it.
    #[test]
    fn a_file_that_another_process_has_just_made_is_given_back() {
        let path = scratch("raced");
        drop(UnixListener::bind(&path).unwrap());
        let stale = identify(&fs::symlink_metadata(&path).unwrap());
        take_away(&path, stale).unwrap();
        assert!(!path.exists());
        let new = UnixListener::bind(&path).unwrap();
        let error = take_away(&path, stale).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::AddrInUse);
        UnixStream::connect(&path).expect("the other process's listener is reached");
        new.accept().unwrap();
        fs::remove_file(&path).unwrap();
        take_away(&path, stale).expect("nothing is there");
    }
}
