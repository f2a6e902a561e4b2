//! Slots of several endpoints: who gives way to whom.

use std::{iter::once, sync::Arc, time::Duration};

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

fn call() -> Arc<Call<()>> {
    Call::new(LinkSlice::default(), Clock::default().now(), None)
}

fn enter(slots: &Slots<()>) -> Steps<()> {
    slots.enter(&call(), None)
}

fn connected(slots: &Slots<()>, endpoint: &Arc<Endpoint>) -> Steps<()> {
    let (wanted, steps) = slots.connected(endpoint, 1, &Arc::new(()));
    assert!(wanted);
    steps
}

/// The call that was started has ended.
fn release(slots: &Slots<()>, steps: Steps<()>) -> Steps<()> {
    let start = steps.start.expect("it was started");
    slots.release(start.id, once(&*start.call))
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
    let first = enter(&slots).more().dials.remove(0);
    let steps = connected(&slots, &first);
    fails(&slots, &first);
    assert!(release(&slots, steps).is_empty());
    let mut steps = enter(&slots);
    assert!(steps.start.is_none());
    assert_eq!((steps.more().dials.len(), steps.more().closes.len()), (0, 1));
    let mut steps = slots.gone(1);
    assert_eq!(steps.more().dials.len(), 1);
    assert_ne!(steps.more().dials[0].address, first.address);
}

#[test]
fn who_has_no_lane_is_dialled_while_a_call_takes_what_there_is() {
    let slots = pool(2);
    let first = enter(&slots).more().dials.remove(0);
    let steps = connected(&slots, &first);
    assert!(release(&slots, steps).is_empty());
    // It is chosen by load, which is equal: each time one of the two.
    let dialled = (0..100).find_map(|_| {
        let mut steps = enter(&slots);
        let dial = steps.more().dials.pop();
        assert!(steps.start.is_some(), "a lane with room never waits beside a call");
        release(&slots, steps);
        slots.endpoints.ended(&first, Outcome::Answered);
        dial
    });
    assert_ne!(dialled.expect("the other is chosen at some time").address, first.address);
}

#[test]
fn alarms_are_set_for_the_earliest_deadline_that_is_left() {
    let slots = pool(1);
    let calls = [(); 4].map(|()| call());
    let alarm = |call, at| slots.enter(call, Some(at)).more().alarm;
    assert_eq!(alarm(&calls[0], 50), Some(50));
    assert_eq!(alarm(&calls[1], 60), None, "it is set again at 50");
    assert_eq!(alarm(&calls[2], 40), Some(40));
    slots.forget(&calls[2]);
    slots.forget(&calls[2]);
    assert!(!calls[2].has_alarm());
    let late = |now| {
        let (late, next) = slots.late(now);
        let at = |late: &Arc<Call<()>>| calls.iter().position(|call| Arc::ptr_eq(call, late));
        (late.iter().filter_map(at).collect::<Vec<_>>(), next)
    };
    assert_eq!(late(39), (vec![], None), "an entry of the wheel that was set before");
    assert_eq!(late(40), (vec![], Some(50)), "its call has ended");
    assert_eq!(late(55), (vec![0], Some(60)));
    assert_eq!(late(60), (vec![0, 1], None), "it has not left yet");
    assert_eq!(slots.enter(&calls[3], Some(70)).more().alarm, Some(70));
}

#[test]
fn a_dial_that_fails_costs_nobody_who_may_wait_for_another() {
    let slots = pool(4);
    let dials: Vec<_> = (0..4).map(|_| enter(&slots).more().dials.remove(0)).collect();
    assert_eq!(dials.len(), 4);
    let refused = Error::new(ErrorKind::Io, "refused");
    for endpoint in dials.iter().filter(|it| it.address == dials[0].address) {
        assert_eq!(slots.unreachable(endpoint, &refused).more().failed.len(), 0);
    }
    let now = slots.gauges();
    assert_eq!((now.waiters, now.dialing), (4, 4), "the other one is dialled instead");
}
