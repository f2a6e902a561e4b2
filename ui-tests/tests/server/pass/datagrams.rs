#![deny(warnings)]
//! What handlers of datagrams may take and give.

use netpoll::{
    Datagram, DatagramOut, Ecn, Error, Frame, Local, Peer, Replies, Result, State, server,
};

#[derive(Frame)]
#[frame(datagram)]
struct Query<'a> {
    #[frame(seq)]
    number: u16,
    #[frame(rest)]
    body: &'a [u8],
}

#[netpoll::on_datagram]
fn nothing(_bytes: &[u8]) {}

#[netpoll::on_datagram(inline)]
pub(crate) fn frame(query: Query<'_>) -> Query<'_> {
    query
}

#[netpoll::on_datagram(concurrent = 8, timeout = "1s")]
async fn all(
    _peer: Peer,
    _local: Local,
    _ecn: Ecn,
    _out: DatagramOut<'_>,
    datagram: Datagram<'_>,
) -> Result<Option<Vec<u8>>, Error> {
    Ok(Some(datagram.to_vec()))
}

#[netpoll::on_datagram]
fn many(query: Query<'_>) -> Replies<std::vec::IntoIter<Query<'static>>> {
    Replies(vec![Query { number: query.number, body: b"" }].into_iter())
}

#[server(listen = "udp://[::1]:53", on_datagram = stated, on_error = told)]
struct Wired;

#[netpoll::on_datagram]
fn stated(_state: State<'_, Wired>, _query: Query<'_>) {}

#[netpoll::on_error]
fn told(_state: State<'_, Wired>, _error: &Error) {}

struct Both;

#[server(listen = "127.0.0.1:80")]
impl Both {
    #[on_request]
    fn line(&self, _line: u8_line::Line<'_>) {}

    #[cfg(not(any()))]
    #[on_datagram]
    fn datagram(&self, _query: Query<'_>) {}

    #[cfg(any())]
    #[on_datagram]
    fn datagram(&self, _query: &[u8]) {}

    #[on_error]
    fn told(&self, _peer: Peer, _error: &Error) {}
}

mod u8_line {
    #[derive(netpoll::Frame)]
    pub(crate) struct Line<'a>(#[frame(prefix = u8)] pub(crate) &'a [u8]);
}

fn main() {
    let _ = || netpoll::serve::<nothing>("udp://127.0.0.1:0");
    let _ = || netpoll::serve::<frame>("udp://127.0.0.1:0");
    let _ = || netpoll::serve::<all>("udp://127.0.0.1:0");
    let _ = || netpoll::serve::<many>("udp://127.0.0.1:0");
    let _ = |query: Query<'static>| query.body;
    let _ = |line: u8_line::Line<'static>| line.0;
    let (_, _) = (Wired.builder(), Both.builder());
}
