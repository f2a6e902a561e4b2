use netpoll::{CloseReason, Connection, Error, Local, Peer, Result};
use netpoll::{Frame, frame::Auto};

#[derive(Frame)]
struct Echo<'a> {
    #[frame(len(of = rest))]
    n: Auto<u32>,
    #[frame(rest)]
    body: &'a [u8],
}

struct Kv;
struct Session;

#[netpoll::server(
    listen = "unix:/tmp/kv",
    max_frame = 8 << 20,
    read_timeout = "1s",
    frame_timeout = "250ms",
    write_timeout = "1m",
    idle_timeout = "1h",
    max_connections = 100,
    pollers = 1,
    max_workers = 8,
    crate = ::netpoll,
)]
impl Kv {
    pub const ANY: u8 = 1;

    #[on_prepare]
    fn admit(&self, peer: Peer) -> Result<()> {
        drop(peer);
        Ok(())
    }

    #[on_connect]
    async fn hello(&self, conn: &Connection, local: Local) -> Result<Session> {
        let _ = (conn, local);
        Ok(Session)
    }

    #[on_request(concurrent = 8, ordered)]
    async fn run(&self, _: &Connection, session: &Session, request: Echo<'_>) {
        let _ = (session, request);
    }

    #[on_disconnect]
    fn bye(&self, why: CloseReason) {
        let _ = why;
    }

    #[on_close]
    async fn end(&self, conn: &Connection, session: Session, why: CloseReason) -> Result<()> {
        let _ = (conn, session, why);
        Ok(())
    }

    #[on_error]
    fn fault(&self, conn: &Connection, error: &Error) {
        let _ = (conn, error);
    }

    #[on_idle]
    fn idle(&self) -> bool {
        false
    }
}

fn main() {
    let _ = Kv.builder().max_frame(1);
}
