//! Whom the tests ask: a store in memory, or a server over TCP.

use std::{
    io::{BufRead, BufReader, Write},
    net::TcpStream,
};

use netpoll_examples::resp::{Session, Store, execute};

/// Answers commands; a reply comes as its lines, nested ones in a row.
pub(crate) trait Target {
    /// The reply to one command.
    fn call(&mut self, args: &[&[u8]]) -> Vec<String>;

    /// The reply to a command whose arguments have no spaces.
    fn command(&mut self, line: &str) -> Vec<String> {
        let args: Vec<_> = line.split(' ').map(str::as_bytes).collect();
        self.call(&args)
    }
}

/// A store without a server.
pub(crate) struct InMemory {
    store: Store,
    session: Session,
}

impl InMemory {
    pub(crate) fn new() -> Self {
        Self::with(Store::new())
    }

    pub(crate) fn with(store: Store) -> Self {
        let session = Session::new(&store);
        Self { store, session }
    }
}

impl Target for InMemory {
    fn call(&mut self, args: &[&[u8]]) -> Vec<String> {
        let mut out = Vec::new();
        let _ = execute(&self.store, &mut self.session, args, &mut out).unwrap();
        let mut rest = &out[..];
        let lines = read_reply(&mut rest);
        assert!(rest.is_empty(), "more than one reply: {}", String::from_utf8_lossy(&out));
        lines
    }
}

/// A connection to a server.
pub(crate) struct Wire(BufReader<TcpStream>);

impl Wire {
    pub(crate) fn connect(address: &str) -> Self {
        Self(BufReader::new(TcpStream::connect(address).unwrap()))
    }
}

impl Target for Wire {
    fn call(&mut self, args: &[&[u8]]) -> Vec<String> {
        let mut request = format!("*{}\r\n", args.len()).into_bytes();
        for arg in args {
            request.extend_from_slice(format!("${}\r\n", arg.len()).as_bytes());
            request.extend_from_slice(arg);
            request.extend_from_slice(b"\r\n");
        }
        self.0.get_mut().write_all(&request).unwrap();
        read_reply(&mut self.0)
    }
}

/// One reply's lines.
fn read_reply(from: &mut impl BufRead) -> Vec<String> {
    let mut head = String::new();
    from.read_line(&mut head).unwrap();
    let head = head.strip_suffix("\r\n").expect("a line ends so").to_owned();
    let mut lines = vec![head.clone()];
    let (kind, rest) = head.split_at(1);
    match (kind, rest.parse::<i64>().unwrap_or(-1)) {
        ("$" | "=", len @ 0..) => {
            let mut data = vec![0; len as usize + 2];
            from.read_exact(&mut data).unwrap();
            assert!(data.ends_with(b"\r\n"));
            data.truncate(len as usize);
            lines.push(String::from_utf8(data).unwrap());
        }
        ("*" | "~", len @ 0..) => (0..len).for_each(|_| lines.extend(read_reply(from))),
        ("%", len @ 0..) => (0..2 * len).for_each(|_| lines.extend(read_reply(from))),
        ("+" | "-" | ":" | "$" | "*" | "_", _) => {}
        _ => panic!("no reply begins with {head:?}"),
    }
    lines
}
