//! Sending one datagram a call, by quinn-udp: where the system has no call for many.

use std::{
    borrow::Cow,
    io::{self, IoSlice},
};

use quinn_udp::{EcnCodepoint, Transmit, UdpSockRef};

use super::{Outgoing, UdpSocket, mapped};
use crate::counters::{self, Counter};

/// As [`UdpSocket::send`].
pub(super) fn send(socket: &UdpSocket, messages: &[Outgoing<'_>]) -> io::Result<usize> {
    for (sent, message) in messages.iter().enumerate() {
        match send_one(socket, message) {
            Ok(()) => {}
            Err(error) if sent == 0 => return Err(error),
            // It is told when it comes first.
            Err(_) => return Ok(sent),
        }
    }
    Ok(messages.len())
}

fn send_one(socket: &UdpSocket, message: &Outgoing<'_>) -> io::Result<()> {
    debug_assert!(message.segment.is_none(), "no system without `sendmmsg` splits messages");
    counters::add(Counter::SysWrite, 1);
    let contents = join(message.parts);
    let Some(peer) = message.peer else {
        return socket.socket.send(&contents).map(drop);
    };
    let destination = if socket.is_v6() { mapped(peer) } else { peer };
    let transmit = Transmit {
        destination,
        ecn: EcnCodepoint::from_bits(message.ecn),
        contents: &contents,
        segment_size: None,
        src_ip: message.from,
    };
    socket.state.try_send(UdpSockRef::from(&socket.socket), &transmit)
}

fn join<'a>(parts: &'a [IoSlice<'a>]) -> Cow<'a, [u8]> {
    match parts {
        [] => Cow::Borrowed(&[]),
        [one] => Cow::Borrowed(one),
        _ => Cow::Owned(parts.iter().flat_map(|part| part.iter().copied()).collect()),
    }
}
