//! Publishing and subscribing, by the program alone and by its client.

use std::time::Duration;

use netpoll_examples::pubsub::{Client, Event, Request};

use crate::{printed, server::Server};

fn connect(server: &Server) -> Client {
    let client = Client::connect(&server.address).unwrap();
    client.set_timeout(Duration::from_secs(20)).unwrap();
    client
}

/// Sends a request, and gives its answer, past messages.
fn ask(client: &mut Client, request: Request<'_>) -> u32 {
    client.send(&request).unwrap();
    loop {
        if let Event::Done(n) = client.next().unwrap().expect("an answer") {
            return n;
        }
    }
}

fn next(client: &mut Client) -> String {
    match client.next().unwrap() {
        Some(Event::Message { topic, payload }) => format!("{topic}: {}", payload.escape_ascii()),
        other => format!("{other:?}"),
    }
}

#[test]
fn pubsub_sends_messages_to_those_who_subscribe() {
    let server = Server::start(env!("CARGO_BIN_EXE_pubsub"));
    let [mut ann, mut bob, mut eve] = [(); 3].map(|()| connect(&server));
    for client in [&mut ann, &mut bob] {
        assert_eq!(ask(client, Request::Subscribe("a")), 0);
        assert_eq!(ask(client, Request::Subscribe("a")), 0);
    }
    ask(&mut bob, Request::Subscribe("b"));
    let publish =
        |client: &mut Client, topic, payload| ask(client, Request::Publish { topic, payload });
    assert_eq!(publish(&mut eve, "a", b"1"), 2);
    assert_eq!(publish(&mut eve, "b", b"2"), 1);
    assert_eq!(publish(&mut eve, "none", b"3"), 0);
    assert_eq!(next(&mut ann), "a: 1");
    assert_eq!((next(&mut bob), next(&mut bob)), ("a: 1".into(), "b: 2".into()));
    assert_eq!(ask(&mut bob, Request::Unsubscribe("a")), 0);
    assert_eq!(publish(&mut eve, "a", b"4"), 1);
    assert_eq!(next(&mut ann), "a: 4");
    drop(ann);
    // A client that went is forgotten, sooner or later.
    let gone = (0..400).any(|_| {
        std::thread::sleep(Duration::from_millis(25));
        publish(&mut eve, "a", b"5") == 0
    });
    assert!(gone);
}

/// A subscriber that reads nothing costs the others nothing, and is told what it missed; at the end all
/// are told that the server goes.
#[test]
fn pubsub_counts_what_slow_subscribers_miss_and_says_goodbye() {
    let server = Server::start_with(env!("CARGO_BIN_EXE_pubsub"), &["--backlog", "64"]);
    let [mut quick, mut slow, mut publisher] = [(); 3].map(|()| connect(&server));
    for client in [&mut quick, &mut slow] {
        ask(client, Request::Subscribe("a"));
    }
    let payload = vec![b'x'; 10_000];
    let mut sent = 0;
    // As much as no buffer of the system holds.
    for _ in 0..3_000 {
        assert_eq!(ask(&mut publisher, Request::Publish { topic: "a", payload: &payload }), 2);
        assert!(next(&mut quick).starts_with("a: x"));
        sent += 1;
    }
    let ended = std::thread::spawn(move || server.end_by("TERM"));
    let (mut got, mut missed) = (0, 0);
    loop {
        match slow.next().unwrap() {
            Some(Event::Message { .. }) => got += 1,
            Some(Event::Missed(n)) => missed += n,
            Some(Event::Goodbye) => break,
            other => panic!("{other:?} after {got} messages and {missed} missed"),
        }
    }
    assert!(got > 0 && missed > 0 && got + missed == sent, "{got} + {missed} of {sent}");
    assert_eq!(next(&mut quick), "Some(Goodbye)");
    assert_eq!((next(&mut quick), next(&mut slow)), ("None".into(), "None".into()));
    assert_eq!(ended.join().unwrap(), Some(0));
}

#[test]
fn pubsub_alone_ends_by_itself() {
    let said = printed(env!("CARGO_BIN_EXE_pubsub"), &["--messages", "2000"]);
    let lines: Vec<_> = said.lines().collect();
    assert!(lines[0].starts_with("quick: ") && lines[1].starts_with("slow: "), "{said}");
    for line in &lines[..2] {
        let numbers = line.split_whitespace().filter_map(|word| word.parse::<u32>().ok());
        assert!(numbers.sum::<u32>() >= 2000, "{said}");
    }
}
