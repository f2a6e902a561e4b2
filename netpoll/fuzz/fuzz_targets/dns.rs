//! The name server of the examples: whatever comes as a datagram, a reply is one, and fits.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use netpoll_examples::dns::{Limit, Zone, answer};

static ZONE: LazyLock<Zone> = LazyLock::new(|| {
    Zone::parse(include_str!("../../../examples/src/dns/example.zone")).expect("a zone")
});

fuzz_target!(|bytes: &[u8]| {
    let datagram = answer(&ZONE, bytes, Limit::Datagram);
    let stream = answer(&ZONE, bytes, Limit::Stream);
    assert_eq!(datagram.is_some(), stream.is_some());
    for (reply, most) in [(datagram, 1_232), (stream, 65_535)] {
        let Some(reply) = reply else { continue };
        assert!((12..=most).contains(&reply.len()));
        assert_eq!((&reply[..2], reply[2] & 0x80), (&bytes[..2], 0x80));
        // It answers no reply, so that two servers never talk to each other for ever.
        assert_eq!(answer(&ZONE, &reply, Limit::Datagram), None);
    }
});
