//! Loom models of `Connections`: no slot is lost, no queued call forgotten.

use std::{iter::once, sync::Arc};

use super::{
    actions::Actions,
    balance::Endpoint,
    call::{
        Call, Left, Place,
        models::{call, told},
    },
    connections::{Connections, Limits},
    endpoints::Endpoints,
    source::IntoEndpoints,
};
use crate::{buf::LinkSlice, primitive::thread, timer::Clock};

/// A pool of at most `connections` to one address, with a call on a connection of the number 1.
fn pool(connections: usize) -> (Arc<Connections<()>>, Arc<Call<()>>) {
    let limits = Limits { connections, per_host: connections, capacity: 1, waiters: 10 };
    let endpoints = Endpoints::new("127.0.0.1:1".into_endpoints(), Clock::default()).unwrap();
    let connections = Arc::new(Connections::new(limits, endpoints));
    let call = call();
    let dials = carry_out(&connections, connections.enter(&call, None));
    assert_eq!(dials.len(), 1);
    connected(&connections, &dials[0], 1);
    assert!(call.connection().is_some());
    (connections, call)
}

/// Starts calls as the hub does; returns the dials.
fn carry_out(connections: &Connections<()>, mut actions: Actions<()>) -> Vec<Arc<Endpoint>> {
    let mut dials = Vec::new();
    while !actions.is_empty() {
        let mut starts: Vec<_> = actions.start.take().into_iter().collect();
        if let Some(more) = actions.take_more() {
            dials.extend(more.dials);
            for (call, error) in more.failed {
                call.complete(Err(error));
            }
            more.wakes.into_iter().for_each(std::task::Waker::wake);
            starts.extend(more.starts);
        }
        for start in starts {
            let place =
                Place::Connection { connection: start.connection, number: start.id, sent: true };
            if !start.call.move_to(place) {
                actions.join(connections.release(start.id, once(&*start.call)));
            }
        }
    }
    dials
}

fn connected(connections: &Connections<()>, endpoint: &Arc<Endpoint>, id: u64) {
    let (wanted, actions) = connections.connected(endpoint, (id, 0), &Arc::new(()));
    assert!(wanted);
    assert_eq!(carry_out(connections, actions).len(), 0);
}

/// The connection answers the call that it has.
fn answer(connections: &Connections<()>, call: &Call<()>) {
    let (_, id) = call.connection().expect("a connection has the call");
    let actions = connections.release(id, once(call));
    call.complete(Ok(LinkSlice::default()));
    carry_out(connections, actions);
}

/// Leaves the call as its caller does. Returns whether it had not ended.
fn leave(connections: &Connections<()>, call: &Call<()>) -> bool {
    match call.leave() {
        Left::Done(_) => return false,
        Left::At(Place::Queue) => carry_out(connections, connections.leave(call)),
        // The connection is poisoned, and ends.
        Left::At(Place::Connection { number, .. }) => {
            carry_out(connections, connections.gone(number))
        }
        Left::At(Place::Nowhere) => Vec::new(),
    };
    true
}

/// A connection becomes free while a call arrives: the call gets it, at once or from the queue.
#[test]
fn loom_a_slot_meets_the_waiter_that_arrives() {
    loom::model(|| {
        let (connections, first) = pool(1);
        let (theirs, second) = (connections.clone(), call());
        let turn = thread::spawn(move || answer(&theirs, &first));
        assert_eq!(carry_out(&connections, connections.enter(&second, None)).len(), 0);
        turn.join().unwrap();
        assert!(second.connection().is_some());
        let now = connections.gauges();
        assert_eq!((now.in_flight, now.waiters, now.connections), (1, 0, 1));
    });
}

/// A connection becomes free while its waiter leaves: the connection is not lost.
#[test]
fn loom_a_slot_survives_the_waiter_that_leaves() {
    loom::model(|| {
        let (connections, first) = pool(1);
        let second = call();
        assert_eq!(carry_out(&connections, connections.enter(&second, None)).len(), 0);
        let theirs = connections.clone();
        let turn = thread::spawn(move || answer(&theirs, &first));
        assert!(leave(&connections, &second));
        turn.join().unwrap();
        let now = connections.gauges();
        assert_eq!((now.in_flight, now.waiters), (0, 0));
        // Either it is there, or it was poisoned and may be dialled anew.
        let third = call();
        let dials = carry_out(&connections, connections.enter(&third, None));
        assert_eq!(third.connection().is_some(), dials.is_empty());
        assert_eq!(now.connections, usize::from(dials.is_empty()));
    });
}

/// The first of two waiters leaves while a connection becomes free: the second gets it, or its slot.
#[test]
fn loom_no_waiter_is_forgotten() {
    loom::model(|| {
        let (connections, first) = pool(1);
        let waiting = [(); 2].map(|()| call());
        for call in &waiting {
            assert_eq!(carry_out(&connections, connections.enter(call, None)).len(), 0);
        }
        let theirs = connections.clone();
        let turn = thread::spawn(move || answer(&theirs, &first));
        let [second, third] = waiting;
        let left = second.leave();
        let dials = match left {
            Left::At(Place::Queue) => carry_out(&connections, connections.leave(&second)),
            Left::At(Place::Connection { number, .. }) => {
                carry_out(&connections, connections.gone(number))
            }
            Left::At(Place::Nowhere) | Left::Done(_) => panic!("it waited"),
        };
        turn.join().unwrap();
        for endpoint in &dials {
            connected(&connections, endpoint, 2);
        }
        assert!(third.connection().is_some());
        let now = connections.gauges();
        assert_eq!((now.in_flight, now.waiters, now.connections), (1, 0, 1));
    });
}

/// A dial ends while its caller leaves and another one arrives: there is one connection, and the waiter
/// has it.
#[test]
fn loom_a_dial_belongs_to_its_slot() {
    loom::model(|| {
        let limits = Limits { connections: 1, per_host: 1, capacity: 1, waiters: 10 };
        let endpoints = Endpoints::new("127.0.0.1:1".into_endpoints(), Clock::default()).unwrap();
        let connections = Arc::new(Connections::new(limits, endpoints));
        let (first, second) = (call(), call());
        let dials = carry_out(&connections, connections.enter(&first, None));
        let theirs = connections.clone();
        let dial = thread::spawn(move || connected(&theirs, &dials[0], 1));
        let poisoned = match first.leave() {
            Left::At(Place::Connection { number, .. }) => {
                carry_out(&connections, connections.gone(number)).len()
            }
            Left::At(_) => carry_out(&connections, connections.leave(&first)).len(),
            Left::Done(_) => panic!("nobody has ended it"),
        };
        assert_eq!(poisoned, 0, "nobody waits");
        let again = carry_out(&connections, connections.enter(&second, None));
        dial.join().unwrap();
        for endpoint in &again {
            connected(&connections, endpoint, 2);
        }
        assert!(second.connection().is_some());
        assert_eq!((connections.gauges().connections, connections.gauges().dialing), (1, 0));
    });
}

/// A connection ends under its call while another call arrives: that one gets the slot's next connection.
#[test]
fn loom_the_end_of_a_connection_frees_its_slot() {
    loom::model(|| {
        let (connections, first) = pool(1);
        let second = call();
        let (theirs, ended) = (connections.clone(), first.clone());
        let turn = thread::spawn(move || {
            let dials = carry_out(&theirs, theirs.gone(1));
            ended.complete(Ok(LinkSlice::default()));
            dials
        });
        let mut dials = carry_out(&connections, connections.enter(&second, None));
        assert!(told(&first).is_ok());
        dials.extend(turn.join().unwrap());
        assert_eq!(dials.len(), 1);
        connected(&connections, &dials[0], 2);
        assert!(second.connection().is_some());
        let now = connections.gauges();
        assert_eq!((now.in_flight, now.waiters, now.connections), (1, 0, 1));
    });
}

/// The wheel's entry fires while a call with a later deadline arrives: that one becomes late at its
/// time.
#[test]
fn loom_no_deadline_is_slept_through() {
    loom::model(|| {
        let (connections, _first) = pool(1);
        let (second, third) = (call(), call());
        assert_eq!(connections.enter(&second, Some(20)).more().timer, Some(20));
        let (theirs, comes) = (connections.clone(), third.clone());
        let caller = thread::spawn(move || theirs.enter(&comes, Some(30)).more().timer);
        let (woken, next) = connections.late(20);
        assert!(woken.iter().any(|woken| Arc::ptr_eq(woken, &second)));
        let wheel = [next, caller.join().unwrap()];
        let wakes = |at: u64| connections.late(at).0.iter().any(|late| Arc::ptr_eq(late, &third));
        assert!(wheel.into_iter().flatten().any(|at| at == 30 && wakes(at)));
    });
}
