//! A chat room: what one says, the others read.
//!
//! ```sh
//! cargo run --release -p netpoll-examples --bin chat -- --listen 127.0.0.1:7000
//! nc 127.0.0.1 7000
//! ```

use std::collections::HashMap;

use clap::Parser;
use netpoll::{CloseReason, Connection, ConnectionId, Flow, Frame, Result};
use netpoll_examples::{cli::ServerOptions, run};
use parking_lot::Mutex;

/// A chat room. The first line of a client is its name; `/quit` leaves.
#[derive(Parser)]
#[command(version)]
struct Options {
    /// Where to listen: host:port, unix:/path or unix:@name; may be given several times
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:7000")]
    listen: Vec<String>,

    #[command(flatten)]
    server: ServerOptions,
}

/// A line.
#[derive(Frame)]
struct Line<'a> {
    #[frame(until = b"\n", max = 4096)]
    text: &'a str,
}

/// Who is there.
#[derive(Default)]
struct Room {
    members: Mutex<HashMap<ConnectionId, Connection>>,
}

/// What a member is called, once it said so.
#[derive(Default)]
struct Member {
    name: Option<String>,
}

impl Room {
    /// Sends `text` to all but `from`. Who reads too slowly misses it.
    fn tell(&self, from: &Connection, text: &str) -> Result<()> {
        for member in self.members.lock().values().filter(|member| *member != from) {
            let line = netpoll::buf::LinkBuffer::try_from(text.as_bytes())?;
            if let Err(error) = member.try_send(line) {
                tracing::debug!(%error, "a member misses a line");
            }
        }
        Ok(())
    }
}

#[netpoll::server(max_frame = 4096, idle_timeout = "1h")]
impl Room {
    #[on_connect]
    fn enter(&self, conn: &Connection) -> Result<Member> {
        // Whoever has read the question misses nothing that is told from then on.
        let mut members = self.members.lock();
        conn.write(b"who are you?\n")?;
        members.insert(conn.id(), conn.clone());
        Ok(Member::default())
    }

    #[on_request]
    fn said(&self, conn: &Connection, member: &mut Member, line: Line<'_>) -> Result<Flow> {
        let text = line.text.trim_end();
        match &member.name {
            _ if text == "/quit" => return Ok(Flow::Close),
            None => {
                self.tell(conn, &format!("* {text} is here\n"))?;
                conn.write(format!("welcome, {text}\n").as_bytes())?;
                member.name = Some(text.to_owned());
            }
            Some(name) => self.tell(conn, &format!("{name}: {text}\n"))?,
        }
        Ok(Flow::Continue)
    }

    #[on_close]
    fn leave(&self, conn: &Connection, member: Member, _why: CloseReason) -> Result<()> {
        self.members.lock().remove(&conn.id());
        match member.name {
            Some(name) => self.tell(conn, &format!("* {name} is gone\n")),
            None => Ok(()),
        }
    }
}

fn main() -> Result<()> {
    let options = Options::parse();
    let runtime = run::runtime(&options.server)?;
    let mut server = Room::default().builder().runtime(&runtime);
    for address in options.listen {
        server = server.listen(address);
    }
    run::until_signal(server.bind()?)
}
