use netpoll::{Cancel, Connection, Deadline, In, Local, Out, Peer};
use netpoll::{Frame, frame::Auto};

#[derive(Frame)]
struct Echo<'a> {
    #[frame(len(of = rest))]
    n: Auto<u32>,
    #[frame(rest)]
    body: &'a [u8],
}

#[netpoll::on_request(timeout = "250ms")]
fn all(
    conn: &Connection,
    session: &mut u32,
    peer: Peer,
    local: Local,
    deadline: Deadline,
    cancel: Cancel,
    out: Out<'_>,
    request: Echo<'_>,
) {
    let _ = (conn, session, peer, local, deadline, cancel, out, request);
}

#[netpoll::on_request(inline)]
fn raw(mut out: Out<'_>, mut input: In<'_>) -> netpoll::Result<()> {
    let byte = input.read_byte()?;
    out.buf.write(&[byte])?;
    out.flush()
}

#[netpoll::on_request]
fn shared_session(_: &Connection, _session: &String, _request: Echo<'_>) {}

fn main() {
    let _ = (all {}, raw {}, shared_session {});
}
