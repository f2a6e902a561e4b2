//! Commands are atomic, whatever number of threads runs them.

use std::thread;

use netpoll_examples::resp::{Session, Store, execute};

/// Runs `line` with its words as arguments; gives the reply's bytes.
fn run(store: &Store, session: &mut Session, line: &str) -> String {
    let args: Vec<_> = line.split(' ').map(str::as_bytes).collect();
    let mut out = Vec::new();
    let _ = execute(store, session, &args, &mut out).unwrap();
    String::from_utf8(out).unwrap()
}

#[test]
fn increments_from_many_threads_all_count() {
    let store = Store::new();
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let mut session = Session::new(&store);
                for n in 0..5_000 {
                    run(&store, &mut session, "INCR all");
                    run(&store, &mut session, &format!("INCR some:{}", n % 10));
                }
            });
        }
    });
    let mut session = Session::new(&store);
    assert_eq!(run(&store, &mut session, "GET all"), "$5\r\n20000\r\n");
    assert_eq!(run(&store, &mut session, "GET some:3"), "$4\r\n2000\r\n");
}

/// Nobody sees half of an `MSET`, though its keys lie behind different locks, named in any order.
#[test]
fn keys_that_are_set_together_are_seen_together() {
    let store = Store::new();
    run(&store, &mut Session::new(&store), "MSET a 0 b 0 c 0 d 0");
    thread::scope(|scope| {
        for (thread, order) in [["a", "b", "c", "d"], ["d", "c", "b", "a"]].into_iter().enumerate()
        {
            let store = &store;
            scope.spawn(move || {
                let mut session = Session::new(store);
                for n in 0..5_000 {
                    let pairs = order.map(|key| format!("{key} {}", 2 * n + thread)).join(" ");
                    run(store, &mut session, &format!("MSET {pairs}"));
                }
            });
            scope.spawn(move || {
                let mut session = Session::new(store);
                for _ in 0..5_000 {
                    let reply = run(store, &mut session, &format!("MGET {}", order.join(" ")));
                    let values: Vec<_> = reply.lines().skip(2).step_by(2).collect();
                    assert!(values.iter().all(|value| *value == values[0]), "{values:?}");
                    run(store, &mut session, "DBSIZE");
                }
            });
        }
    });
}
