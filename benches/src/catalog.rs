//! Which programs take part, and how each is started.

use std::ffi::OsString;
use std::io;
use std::path::PathBuf;
use std::process::Command;

use crate::results::LeftOut;
use crate::{clients, go, peers};

/// What a program does in a benchmark.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// It echoes.
    Server,
    /// It calls.
    Client,
}

/// A program that takes part.
#[derive(Clone, Debug)]
pub struct Program {
    /// Its name on the command line and in results.
    pub name: String,
    /// What it is.
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

/// The names that are known for a role, those written in Rust first.
pub fn names(role: Role) -> Vec<&'static str> {
    let (rust, go): (Vec<_>, _) = match role {
        Role::Server => (peers::PEERS.iter().map(|peer| peer.name).collect(), go::SERVERS),
        Role::Client => (clients::CLIENTS.iter().map(|client| client.name).collect(), go::CLIENTS),
    };
    rust.into_iter().chain(go.iter().map(|(name, _)| *name)).collect()
}

/// The programs of these names, in this order, and those that cannot take part here.
///
/// `NAME=COMMAND` names any other server: a program and its arguments, separated by spaces. It gets
/// `--listen ADDRESS` and must print `listening on ADDRESS`.
///
/// # Errors
/// A name that is not known.
pub fn resolve(role: Role, wanted: &[String]) -> io::Result<(Vec<Program>, Vec<LeftOut>)> {
    let all: Vec<String>;
    let wanted = if wanted.is_empty() {
        all = names(role).into_iter().map(String::from).collect();
        &all
    } else {
        wanted
    };
    let mut go_peers = None;
    let (mut programs, mut left_out) = (Vec::new(), Vec::new());
    for name in wanted {
        if let Some((name, line)) = name.split_once('=') {
            programs.push(other(name, line)?);
        } else if let Some(program) = rust(role, name)? {
            programs.push(program);
        } else if let Some((name, about)) = of_go(role, name) {
            match go_peers.get_or_insert_with(go::build) {
                Ok(program) => programs.push(Program {
                    name: name.into(),
                    about: about.into(),
                    program: program.clone(),
                    args: vec![role.word().into(), name.into()],
                }),
                Err(why) => left_out.push(LeftOut { peer: name.into(), why: why.clone() }),
            }
        } else {
            let known = names(role).join(", ");
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
        }
    }
}

fn rust(role: Role, name: &str) -> io::Result<Option<Program>> {
    let found = match role {
        Role::Server => peers::find(name).map(|it| ("peer", it.name, it.about)),
        Role::Client => clients::find(name).map(|it| ("call", it.name, it.about)),
    };
    found.map(|(command, name, about)| Program::own(command, name, about)).transpose()
}

fn of_go(role: Role, name: &str) -> Option<(&'static str, &'static str)> {
    let known = match role {
        Role::Server => go::SERVERS,
        Role::Client => go::CLIENTS,
    };
    known.iter().find(|(known, _)| *known == name).copied()
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
