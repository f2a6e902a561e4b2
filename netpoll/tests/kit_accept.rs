//! An `accept` that fails again and again: it pauses, and goes on when it works.

mod common;

use std::{sync::Arc, thread, time::Duration};

use common::{Echo, call, connect, wait_until};
use netpoll::{
    EventLoop, Runtime,
    observe::{AcceptFailed, Observer},
    testing::{Fault, Faults},
};
use parking_lot::Mutex;

const MS: Duration = Duration::from_millis(1);

/// A server whose accepts fail as `faults` say.
fn serve(faults: &Faults) -> EventLoop {
    let runtime = Runtime::builder().pollers(1).faults(faults.clone()).build().unwrap();
    EventLoop::builder(Echo::default()).runtime(&runtime).listen("127.0.0.1:0").bind().unwrap()
}

#[test]
fn an_error_of_single_clients_that_never_ends_does_not_spin() {
    let faults = Faults::seeded(1).one_in(1, Fault::Reset);
    let server = serve(&faults);
    let _waits = connect(&server.handle());
    wait_until(|| faults.injected(Fault::Reset) >= 16);
    thread::sleep(300 * MS);
    // Pauses of 10, 20, 40 ms and so on, with one attempt after each.
    let tried = faults.injected(Fault::Reset);
    assert!(tried < 100, "{tried} attempts");
}

/// Observers are told of each pause, with the listener and the system's error.
#[test]
fn observers_are_told_of_pauses() {
    #[derive(Clone, Default)]
    struct Told(Arc<Mutex<Vec<String>>>);
    impl Observer for Told {
        fn accept_failed(&self, failure: &AcceptFailed<'_>) {
            let AcceptFailed { server, address, fatal, .. } = failure;
            self.0.lock().push(format!("{server} {address} {fatal}"));
        }
    }
    let told = Told::default();
    let faults = Faults::seeded(1).at(0..18, Fault::Reset);
    let runtime = Runtime::builder().pollers(1).faults(faults).build().unwrap();
    let builder = EventLoop::builder(Echo::default()).runtime(&runtime).observer(told.clone());
    let server = builder.name("e").listen("127.0.0.1:0").bind().unwrap();
    let mut client = connect(&server.handle());
    assert_eq!(call(&mut client, b"at last"), b"at last");
    let line = format!("e {} false", server.addresses()[0]);
    let told = told.0.lock();
    assert!(!told.is_empty() && told.iter().all(|told| *told == line), "{told:?}");
}

#[test]
fn clients_are_accepted_when_the_errors_end() {
    let faults = Faults::seeded(1).at(0..18, Fault::Reset);
    let server = serve(&faults);
    let mut client = connect(&server.handle());
    assert_eq!(call(&mut client, b"at last"), b"at last");
    assert_eq!(faults.injected(Fault::Reset), 18);
}
