//! Which programs take part, and how each is started.

use std::ffi::OsString;
use std::io;
use std::path::PathBuf;
use std::process::Command;

use crate::results::LeftOut;
use crate::{c, clients, go, peers, proxy};

/// What a program does in a benchmark.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// It echoes.
    Server,
    /// It calls.
    Client,
    /// It passes bytes on.
    Proxy,
}

/// A program that takes part.
#[derive(Clone, Debug)]
pub struct Program {
    /// Its name on the command line and in results.
    pub name: String,
    /// A description, for the report.
    pub about: String,
    program: PathBuf,
    args: Vec<OsString>,
}

impl Program {
    /// The command that starts it, to which the role's own arguments are added.
    pub fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        command.args(&self.args);
        command
    }

    /// The server written in Rust of that name.
    ///
    /// # Errors
    /// This program's own path is not known.
    ///
    /// # Panics
    /// There is no such server.
    pub fn rust_server(name: &str) -> io::Result<Self> {
        let peer = peers::find(name).expect("a known server");
        Self::own("peer", peer.name, peer.about)
    }

    fn own(command: &str, name: &str, about: &str) -> io::Result<Self> {
        Ok(Self {
            name: name.into(),
            about: about.into(),
            program: std::env::current_exe()?,
            args: vec![command.into(), name.into()],
        })
    }
}

/// The names that are known for a role, those written in Rust first; over TLS where `tls` says so.
pub fn names(role: Role, tls: bool) -> Vec<&'static str> {
    let rust: Vec<_> = match role {
        Role::Server => {
            peers::PEERS.iter().filter(|peer| peer.suits(tls)).map(|peer| peer.name).collect()
        }
        Role::Client => clients::CLIENTS.iter().map(|client| client.name).collect(),
        Role::Proxy => proxy::PROXIES.iter().map(|proxy| proxy.name).collect(),
    };
    let others = of_go(role, tls).iter().chain(of_c(role, tls));
    rust.into_iter().chain(others.map(|(name, _)| *name)).collect()
}

/// The programs of these names, in this order, and those that cannot take part here.
///
/// `NAME=COMMAND` names any other one: a program and its arguments, separated by spaces. A server gets
/// `--listen ADDRESS`, a proxy `--to ADDRESS` too, and must print `listening on ADDRESS`.
///
/// # Errors
/// A name that is not known.
pub fn resolve(
    role: Role,
    wanted: &[String],
    tls: bool,
) -> io::Result<(Vec<Program>, Vec<LeftOut>)> {
    let all: Vec<String>;
    let wanted = if wanted.is_empty() {
        all = names(role, tls).into_iter().map(String::from).collect();
        &all
    } else {
        wanted
    };
    let (mut go_peers, mut c_peers) = (None, None);
    let (mut programs, mut left_out) = (Vec::new(), Vec::new());
    for name in wanted {
        if let Some((name, line)) = name.split_once('=') {
            programs.push(other(name, line)?);
        } else if let Some(why) = missing(role, name) {
            left_out.push(LeftOut { peer: name.clone(), why });
        } else if let Some(program) = rust(role, name, tls)? {
            programs.push(program);
        } else if let Some((name, about)) = known(of_go(role, tls), name) {
            match go_peers.get_or_insert_with(go::build) {
                Ok(program) => programs.push(Program {
                    name: name.into(),
                    about: about.into(),
                    program: program.clone(),
                    args: vec![role.word().into(), name.into()],
                }),
                Err(why) => left_out.push(LeftOut { peer: name.into(), why: why.clone() }),
            }
        } else if let Some((name, about)) = known(of_c(role, tls), name) {
            match c_peers.get_or_insert_with(c::build) {
                Ok(program) => programs.push(Program {
                    name: name.into(),
                    about: about.into(),
                    program: program.clone(),
                    args: Vec::new(),
                }),
                Err(why) => left_out.push(LeftOut { peer: name.into(), why: why.clone() }),
            }
        } else {
            let known = names(role, tls).join(", ");
            let what = format!("no {} {name:?}; there are {known}", role.word());
            return Err(io::Error::new(io::ErrorKind::InvalidInput, what));
        }
    }
    Ok((programs, left_out))
}

impl Role {
    fn word(self) -> &'static str {
        match self {
            Self::Server => "server",
            Self::Client => "client",
            Self::Proxy => "proxy",
        }
    }
}

/// Why a proxy that is a program of its own cannot take part.
fn missing(role: Role, name: &str) -> Option<String> {
    proxy::find(name).filter(|_| role == Role::Proxy)?.is_missing()
}

fn rust(role: Role, name: &str, tls: bool) -> io::Result<Option<Program>> {
    let found = match role {
        Role::Server => {
            peers::find(name).filter(|it| it.suits(tls)).map(|it| ("peer", it.name, it.about))
        }
        Role::Client => clients::find(name).map(|it| ("call", it.name, it.about)),
        Role::Proxy => proxy::find(name).map(|it| ("pass", it.name, it.about)),
    };
    found.map(|(command, name, about)| Program::own(command, name, about)).transpose()
}

/// Programs of another language, by name and by what they are.
type Others = &'static [(&'static str, &'static str)];

fn of_go(role: Role, tls: bool) -> Others {
    match role {
        Role::Server if tls => go::SECURE_SERVERS,
        Role::Server => go::SERVERS,
        Role::Client => go::CLIENTS,
        Role::Proxy => go::PROXIES,
    }
}

fn of_c(role: Role, tls: bool) -> Others {
    if role == Role::Server && tls { c::SERVERS } else { &[] }
}

fn known(others: Others, name: &str) -> Option<(&'static str, &'static str)> {
    others.iter().find(|(known, _)| *known == name).copied()
}

fn other(name: &str, line: &str) -> io::Result<Program> {
    let mut words = line.split_whitespace();
    let program = words.next().ok_or_else(|| {
        io::Error::new(io::ErrorKind::InvalidInput, format!("{name}= lacks a program"))
    })?;
    Ok(Program {
        name: name.into(),
        about: line.into(),
        program: program.into(),
        args: words.map(OsString::from).collect(),
    })
}
