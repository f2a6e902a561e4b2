//! `Connections` with several endpoints.

use std::{iter::once, sync::Arc, time::Duration};

use super::{
    actions::Actions,
    balance::Endpoint,
    call::{Call, Manner},
    connections::{Connections, Limits},
    endpoints::Endpoints,
    health::{Ejection, Outcome},
    source::IntoEndpoints,
};
use crate::{
    buf::LinkSlice,
    error::{Error, ErrorKind},
    timer::Clock,
};

/// A pool of at most `connections` to two endpoints. Ejections outlast the test.
fn pool(connections: usize) -> Connections<()> {
    let limits = Limits { connections, per_host: connections, capacity: 1, waiters: 10 };
    let hour = Duration::from_secs(3_600);
    let policy = Ejection { first: hour, longest: hour, ..Ejection::default() };
    let two = ["127.0.0.1:1", "127.0.0.1:2"].into_endpoints();
    Connections::new(limits, Endpoints::with(two, Clock::default(), policy).unwrap())
}

fn call() -> Arc<Call<()>> {
    Call::new(LinkSlice::default(), Clock::default().now(), Manner::Once, None)
}

fn enter(connections: &Connections<()>) -> Actions<()> {
    connections.enter(&call(), None)
}

fn connected(connections: &Connections<()>, endpoint: &Arc<Endpoint>) -> Actions<()> {
    let (wanted, actions) = connections.connected(endpoint, (1, 0), &Arc::new(()));
    assert!(wanted);
    actions
}

/// The call that was started has ended.
fn release(connections: &Connections<()>, actions: Actions<()>) -> Actions<()> {
    let start = actions.start.expect("it was started");
    connections.release(start.id, once(&*start.call))
}

fn fails(connections: &Connections<()>, endpoint: &Endpoint) {
    for _ in 0..Ejection::default().failures {
        connections.endpoints.began(endpoint);
        connections.endpoints.ended(endpoint, Outcome::Failed);
    }
}

#[test]
fn an_idle_connection_of_an_ejected_endpoint_gives_its_slot_to_another_one() {
    let connections = pool(1);
    let first = enter(&connections).more().dials.remove(0);
    let actions = connected(&connections, &first);
    fails(&connections, &first);
    assert!(release(&connections, actions).is_empty());
    let mut actions = enter(&connections);
    assert!(actions.start.is_none());
    assert_eq!((actions.more().dials.len(), actions.more().closes.len()), (0, 1));
    let mut actions = connections.gone(1);
    assert_eq!(actions.more().dials.len(), 1);
    assert_ne!(actions.more().dials[0].address, first.address);
}

#[test]
fn an_endpoint_without_a_connection_is_dialled_while_a_call_takes_another_one() {
    let connections = pool(2);
    let first = enter(&connections).more().dials.remove(0);
    let actions = connected(&connections, &first);
    assert!(release(&connections, actions).is_empty());
    // It is chosen by load, which is equal: each time one of the two.
    let dialled = (0..100).find_map(|_| {
        let mut actions = enter(&connections);
        let dial = actions.more().dials.pop();
        assert!(actions.start.is_some(), "a connection with room never waits beside a call");
        release(&connections, actions);
        connections.endpoints.ended(&first, Outcome::Answered);
        dial
    });
    assert_ne!(dialled.expect("the other is chosen at some time").address, first.address);
}

#[test]
fn calls_wait_for_an_endpoint_after_a_goodbye() {
    for goodbye in [false, true] {
        let connections = pool(1);
        let first = enter(&connections).more().dials.remove(0);
        let actions = connected(&connections, &first);
        release(&connections, actions);
        let mut actions = if goodbye { connections.goodbye(1) } else { connections.drain_one(1) };
        assert_eq!(actions.more().closes.len(), 1);
        connections.gone(1);
        let refused = Error::new(ErrorKind::Io, "refused");
        let (mut dials, mut failed, mut nudges) = (enter(&connections), 0, false);
        for _ in 0..2 {
            let endpoint = dials.more().dials.remove(0);
            dials = connections.unreachable(&endpoint, &refused);
            failed += dials.more().failed.len();
            nudges |= dials.more().nudges;
        }
        assert_eq!((failed, connections.gauges().waiters), if goodbye { (0, 1) } else { (1, 0) });
        assert!(nudges, "the endpoints are looked at again");
    }
}

#[test]
fn the_deadline_timer_is_set_to_the_earliest_deadline_left() {
    let connections = pool(1);
    let calls = [(); 4].map(|()| call());
    let timer = |call, at| connections.enter(call, Some(at)).more().timer;
    assert_eq!(timer(&calls[0], 50), Some(50));
    assert_eq!(timer(&calls[1], 60), None, "it is set again at 50");
    assert_eq!(timer(&calls[2], 40), Some(40));
    connections.forget(&calls[2]);
    connections.forget(&calls[2]);
    assert!(!calls[2].has_timer());
    let late = |now| {
        let (late, next) = connections.late(now);
        let at = |late: &Arc<Call<()>>| calls.iter().position(|call| Arc::ptr_eq(call, late));
        (late.iter().filter_map(at).collect::<Vec<_>>(), next)
    };
    assert_eq!(late(39), (vec![], None), "an entry of the wheel that was set before");
    assert_eq!(late(40), (vec![], Some(50)), "its call has ended");
    assert_eq!(late(55), (vec![0], Some(60)));
    assert_eq!(late(60), (vec![0, 1], None), "it has not left yet");
    assert_eq!(connections.enter(&calls[3], Some(70)).more().timer, Some(70));
}

#[test]
fn a_failed_dial_fails_no_call_that_may_wait_for_another_one() {
    let connections = pool(4);
    let dials: Vec<_> = (0..4).map(|_| enter(&connections).more().dials.remove(0)).collect();
    assert_eq!(dials.len(), 4);
    let refused = Error::new(ErrorKind::Io, "refused");
    for endpoint in dials.iter().filter(|it| it.address == dials[0].address) {
        assert_eq!(connections.unreachable(endpoint, &refused).more().failed.len(), 0);
    }
    let now = connections.gauges();
    assert_eq!((now.waiters, now.dialing), (4, 4), "the other one is dialled instead");
}
