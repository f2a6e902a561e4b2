//! Slots of several endpoints: who gives way to whom.

use std::{sync::Arc, time::Duration};

use super::{
    balance::Endpoint,
    call::Call,
    endpoints::Endpoints,
    health::{Ejection, Outcome},
    slots::{Limits, Slots},
    source::IntoEndpoints,
    steps::Steps,
};
use crate::{
    buf::LinkSlice,
    error::{Error, ErrorKind},
    timer::Clock,
};

/// A pool of at most `connections` to two endpoints. Who fails is left out for the time of the test.
fn pool(connections: usize) -> Slots<()> {
    let limits = Limits { connections, per_host: connections, capacity: 1, waiters: 10 };
    let hour = Duration::from_secs(3_600);
    let policy = Ejection { first: hour, longest: hour, ..Ejection::default() };
    let two = ["127.0.0.1:1", "127.0.0.1:2"].into_endpoints();
    Slots::new(limits, Endpoints::with(two, Clock::default(), policy).unwrap())
}

fn enter(slots: &Slots<()>) -> Steps<()> {
    slots.enter(&Call::new(LinkSlice::default()))
}

fn fails(slots: &Slots<()>, endpoint: &Endpoint) {
    for _ in 0..Ejection::default().failures {
        slots.endpoints.began(endpoint);
        slots.endpoints.ended(endpoint, Outcome::Failed);
    }
}

#[test]
fn a_lane_that_nobody_may_use_gives_its_slot_to_another_endpoint() {
    let slots = pool(1);
    let first = enter(&slots).dials.remove(0);
    let (wanted, steps) = slots.connected(&first, 1, &Arc::new(()));
    assert!(wanted && steps.starts.len() == 1);
    fails(&slots, &first);
    assert!(slots.release(1, 1).is_empty());
    let steps = enter(&slots);
    assert_eq!((steps.starts.len(), steps.dials.len(), steps.closes.len()), (0, 0, 1));
    let steps = slots.gone(1);
    assert_eq!(steps.dials.len(), 1);
    assert_ne!(steps.dials[0].address, first.address);
}

#[test]
fn who_has_no_lane_is_dialled_while_a_call_takes_what_there_is() {
    let slots = pool(2);
    let first = enter(&slots).dials.remove(0);
    slots.connected(&first, 1, &Arc::new(()));
    slots.release(1, 1);
    // It is chosen by load, which is equal: each time one of the two.
    let dialled = (0..100).find_map(|_| {
        let steps = enter(&slots);
        assert_eq!(steps.starts.len(), 1, "a lane with room never waits beside a call");
        slots.release(1, 1);
        slots.endpoints.ended(&first, Outcome::Answered);
        steps.dials.first().cloned()
    });
    assert_ne!(dialled.expect("the other is chosen at some time").address, first.address);
}

#[test]
fn a_dial_that_fails_costs_nobody_who_may_wait_for_another() {
    let slots = pool(4);
    let dials: Vec<_> = (0..4).flat_map(|_| enter(&slots).dials).collect();
    assert_eq!(dials.len(), 4);
    let refused = Error::new(ErrorKind::Io, "refused");
    for endpoint in dials.iter().filter(|it| it.address == dials[0].address) {
        assert_eq!(slots.unreachable(endpoint, &refused).failed.len(), 0);
    }
    let now = slots.gauges();
    assert_eq!((now.waiters, now.dialing), (4, 4), "the other one is dialled instead");
}
