//! Models of the slots over all interleavings: no slot is lost, no waiter forgotten.

use std::{iter::once, sync::Arc};

use super::{
    balance::Endpoint,
    call::{
        Call, Left, Place,
        models::{call, told},
    },
    endpoints::Endpoints,
    slots::{Limits, Slots},
    source::IntoEndpoints,
    steps::Steps,
};
use crate::{buf::LinkSlice, primitive::thread, timer::Clock};

/// A pool of at most `connections` to one address, with a call on a connection of the number 1.
fn pool(connections: usize) -> (Arc<Slots<()>>, Arc<Call<()>>) {
    let limits = Limits { connections, per_host: connections, capacity: 1, waiters: 10 };
    let endpoints = Endpoints::new("127.0.0.1:1".into_endpoints(), Clock::default()).unwrap();
    let slots = Arc::new(Slots::new(limits, endpoints));
    let call = call();
    let dials = carry_out(&slots, slots.enter(&call, None));
    assert_eq!(dials.len(), 1);
    connected(&slots, &dials[0], 1);
    assert!(call.lane().is_some());
    (slots, call)
}

/// Starts what is to be started, as the hub does; gives the dials.
fn carry_out(slots: &Slots<()>, mut steps: Steps<()>) -> Vec<Arc<Endpoint>> {
    let mut dials = Vec::new();
    while !steps.is_empty() {
        let mut starts: Vec<_> = steps.start.take().into_iter().collect();
        if let Some(more) = steps.take_more() {
            dials.extend(more.dials);
            for (call, error) in more.failed {
                call.complete(Err(error));
            }
            more.wakes.into_iter().for_each(std::task::Waker::wake);
            starts.extend(more.starts);
        }
        for start in starts {
            let place = Place::Lane { lane: start.lane, number: start.id, sent: true };
            if !start.call.move_to(place) {
                steps.join(slots.release(start.id, once(&*start.call)));
            }
        }
    }
    dials
}

fn connected(slots: &Slots<()>, endpoint: &Arc<Endpoint>, id: u64) {
    let (wanted, steps) = slots.connected(endpoint, id, &Arc::new(()));
    assert!(wanted);
    assert_eq!(carry_out(slots, steps).len(), 0);
}

/// The connection answers the call that it has.
fn answer(slots: &Slots<()>, call: &Call<()>) {
    let (_, id) = call.lane().expect("a connection has the call");
    let steps = slots.release(id, once(call));
    call.complete(Ok(LinkSlice::default()));
    carry_out(slots, steps);
}

/// What a caller does that waits no more. True: its call had not ended.
fn leave(slots: &Slots<()>, call: &Call<()>) -> bool {
    match call.leave() {
        Left::Done(_) => return false,
        Left::At(Place::Queue) => carry_out(slots, slots.leave(call)),
        // The connection is poisoned, and ends.
        Left::At(Place::Lane { number, .. }) => carry_out(slots, slots.gone(number)),
        Left::At(Place::Nowhere) => Vec::new(),
    };
    true
}

/// A connection comes free while a caller comes: the caller gets it, at once or from the queue.
#[test]
fn loom_a_slot_meets_the_waiter_that_arrives() {
    loom::model(|| {
        let (slots, first) = pool(1);
        let (theirs, second) = (slots.clone(), call());
        let turn = thread::spawn(move || answer(&theirs, &first));
        assert_eq!(carry_out(&slots, slots.enter(&second, None)).len(), 0);
        turn.join().unwrap();
        assert!(second.lane().is_some());
        let now = slots.gauges();
        assert_eq!((now.in_flight, now.waiters, now.connections), (1, 0, 1));
    });
}

/// A connection comes free while the one that waits for it leaves: it is not lost.
#[test]
fn loom_a_slot_survives_the_waiter_that_leaves() {
    loom::model(|| {
        let (slots, first) = pool(1);
        let second = call();
        assert_eq!(carry_out(&slots, slots.enter(&second, None)).len(), 0);
        let theirs = slots.clone();
        let turn = thread::spawn(move || answer(&theirs, &first));
        assert!(leave(&slots, &second));
        turn.join().unwrap();
        let now = slots.gauges();
        assert_eq!((now.in_flight, now.waiters), (0, 0));
        // Either it is there, or it was poisoned and may be dialled anew.
        let third = call();
        let dials = carry_out(&slots, slots.enter(&third, None));
        assert_eq!(third.lane().is_some(), dials.is_empty());
        assert_eq!(now.connections, usize::from(dials.is_empty()));
    });
}

/// Of two that wait the first leaves while a connection comes free: the second gets it, or the slot.
#[test]
fn loom_no_waiter_is_forgotten() {
    loom::model(|| {
        let (slots, first) = pool(1);
        let waiting = [(); 2].map(|()| call());
        for call in &waiting {
            assert_eq!(carry_out(&slots, slots.enter(call, None)).len(), 0);
        }
        let theirs = slots.clone();
        let turn = thread::spawn(move || answer(&theirs, &first));
        let [second, third] = waiting;
        let left = second.leave();
        let dials = match left {
            Left::At(Place::Queue) => carry_out(&slots, slots.leave(&second)),
            Left::At(Place::Lane { number, .. }) => carry_out(&slots, slots.gone(number)),
            Left::At(Place::Nowhere) | Left::Done(_) => panic!("it waited"),
        };
        turn.join().unwrap();
        for endpoint in &dials {
            connected(&slots, endpoint, 2);
        }
        assert!(third.lane().is_some());
        let now = slots.gauges();
        assert_eq!((now.in_flight, now.waiters, now.connections), (1, 0, 1));
    });
}

/// A dial ends while its caller leaves and another comes: there is one connection, and whoever waits
/// has it.
#[test]
fn loom_a_dial_belongs_to_its_slot() {
    loom::model(|| {
        let limits = Limits { connections: 1, per_host: 1, capacity: 1, waiters: 10 };
        let endpoints = Endpoints::new("127.0.0.1:1".into_endpoints(), Clock::default()).unwrap();
        let slots = Arc::new(Slots::new(limits, endpoints));
        let (first, second) = (call(), call());
        let dials = carry_out(&slots, slots.enter(&first, None));
        let theirs = slots.clone();
        let dial = thread::spawn(move || connected(&theirs, &dials[0], 1));
        let poisoned = match first.leave() {
            Left::At(Place::Lane { number, .. }) => carry_out(&slots, slots.gone(number)).len(),
            Left::At(_) => carry_out(&slots, slots.leave(&first)).len(),
            Left::Done(_) => panic!("nobody has ended it"),
        };
        assert_eq!(poisoned, 0, "nobody waits");
        let again = carry_out(&slots, slots.enter(&second, None));
        dial.join().unwrap();
        for endpoint in &again {
            connected(&slots, endpoint, 2);
        }
        assert!(second.lane().is_some());
        assert_eq!((slots.gauges().connections, slots.gauges().dialing), (1, 0));
    });
}

/// A connection ends under its call while another comes: that one gets the slot's next connection.
#[test]
fn loom_the_end_of_a_connection_frees_its_slot() {
    loom::model(|| {
        let (slots, first) = pool(1);
        let second = call();
        let (theirs, ended) = (slots.clone(), first.clone());
        let turn = thread::spawn(move || {
            let dials = carry_out(&theirs, theirs.gone(1));
            ended.complete(Ok(LinkSlice::default()));
            dials
        });
        let mut dials = carry_out(&slots, slots.enter(&second, None));
        assert!(told(&first).is_ok());
        dials.extend(turn.join().unwrap());
        assert_eq!(dials.len(), 1);
        connected(&slots, &dials[0], 2);
        assert!(second.lane().is_some());
        let now = slots.gauges();
        assert_eq!((now.in_flight, now.waiters, now.connections), (1, 0, 1));
    });
}

/// The wheel's entry fires while a call comes that is late later: that one is rung at its time.
#[test]
fn loom_no_deadline_is_slept_through() {
    loom::model(|| {
        let (slots, _first) = pool(1);
        let (second, third) = (call(), call());
        assert_eq!(slots.enter(&second, Some(20)).more().alarm, Some(20));
        let (theirs, comes) = (slots.clone(), third.clone());
        let caller = thread::spawn(move || theirs.enter(&comes, Some(30)).more().alarm);
        let (rung, next) = slots.late(20);
        assert!(rung.iter().any(|rung| Arc::ptr_eq(rung, &second)));
        let wheel = [next, caller.join().unwrap()];
        let rings = |at: u64| slots.late(at).0.iter().any(|rung| Arc::ptr_eq(rung, &third));
        assert!(wheel.into_iter().flatten().any(|at| at == 30 && rings(at)));
    });
}
