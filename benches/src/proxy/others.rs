//! Proxies that are programs of their own. This process becomes them, so that they are measured like any other. Their settings are the defaults but for addresses and limits.

use std::ffi::CString;
use std::fs::File;
use std::io::{self, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use nix::fcntl::{FcntlArg, FdFlag, fcntl};
use nix::sys::memfd::{MFdFlags, memfd_create};

use crate::peers;

pub(super) fn haproxy(listener: TcpListener, to: SocketAddr) -> io::Result<()> {
    let fd = inherited(&listener)?;
    let settings = format!(
        "global\n maxconn 4000\n\
         defaults\n mode tcp\n timeout connect 10s\n timeout client 1m\n timeout server 1m\n\
         frontend clients\n bind fd@{fd}\n default_backend servers\n\
         backend servers\n server one {to}\n"
    );
    let file = memory_file(&settings)?;
    let mut command = Command::new("haproxy");
    Err(command.args(["-db", "-f"]).arg(path_of(&file)).exec())
}

/// It cannot inherit a listener in a process of its own: another process announces it once it listens.
pub(super) fn nginx(listener: TcpListener, to: SocketAddr) -> io::Result<()> {
    let at = listener.local_addr()?;
    drop(listener);
    let module = "/usr/lib/nginx/modules/ngx_stream_module.so";
    // Where the module is not a file of its own it is built in.
    let load = match Path::new(module).exists() {
        true => format!("load_module {module};"),
        false => String::new(),
    };
    let settings = format!(
        "{load} daemon off; master_process off; error_log stderr; pid /dev/null;\
         events {{ worker_connections 4000; }}\
         stream {{ server {{ listen {at}; proxy_pass {to}; }} }}"
    );
    let file = memory_file(&settings)?;
    Command::new(std::env::current_exe()?).args(["announce", &at.to_string()]).spawn()?;
    let mut command = Command::new("nginx");
    Err(command.arg("-c").arg(path_of(&file)).args(["-e", "stderr"]).exec())
}

/// Announces `at` once somebody listens there, within 10 s.
///
/// # Errors
/// Nobody does.
pub fn announce(at: SocketAddr) -> io::Result<()> {
    let until = Instant::now() + Duration::from_secs(10);
    while let Err(error) = TcpStream::connect(at) {
        if Instant::now() > until {
            return Err(error);
        }
        thread::sleep(Duration::from_millis(5));
    }
    peers::announce(at)
}

/// The file of a program, by its name.
pub(super) fn find(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|dir| dir.join(program)).find(|file| file.is_file())
}

/// Keeps a descriptor open in the program that this process becomes; its number.
fn inherited(fd: &impl AsFd) -> io::Result<i32> {
    fcntl(fd.as_fd(), FcntlArg::F_SETFD(FdFlag::empty()))?;
    Ok(fd.as_fd().as_raw_fd())
}

/// A file with this text that is gone with the process.
fn memory_file(text: &str) -> io::Result<File> {
    let name = CString::new("settings").expect("no zero in it");
    let mut file = File::from(memfd_create(&*name, MFdFlags::empty())?);
    file.write_all(text.as_bytes())?;
    Ok(file)
}

fn path_of(file: &File) -> PathBuf {
    format!("/proc/self/fd/{}", file.as_raw_fd()).into()
}
