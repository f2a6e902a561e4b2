//! Replies that depend on the server, and are therefore in no transcript.

use crate::client::{InMemory, Target};

#[test]
fn hello_describes_the_server() {
    let mut store = InMemory::new();
    let reply = store.command("HELLO 2 SETNAME me");
    assert_eq!(reply[..5], ["*14", "$6", "server", "$5", "redis"]);
    let id = store.command("CLIENT ID");
    assert!(reply.windows(2).any(|pair| pair == ["id".to_owned(), id[0].clone()]), "{reply:?}");
    assert_eq!(store.command("CLIENT GETNAME"), ["$2", "me"]);
}

/// What a client gets in the types of version 3, and again in those of version 2.
#[test]
fn hello_3_changes_the_types_of_replies() {
    let mut store = InMemory::new();
    for line in ["HSET h f v", "SADD s m", "SET t text"] {
        store.command(line);
    }
    let asked = [
        "GET none",
        "LPOP none 2",
        "HGETALL h",
        "HGETALL none",
        "SMEMBERS s",
        "SMEMBERS none",
        "CONFIG GET save",
        "INFO none",
    ];
    let mut heads = |hello: &str| {
        let first = store.command(hello)[0].clone();
        let replies = asked.map(|line| store.command(line)[0].clone());
        [vec![first], replies.to_vec()].concat()
    };
    let three = ["%7", "_", "_", "%1", "%0", "~1", "~0", "%1", "=4"];
    let two = ["*14", "$-1", "*-1", "*2", "*0", "*1", "*0", "*2", "$0"];
    assert_eq!(heads("HELLO 2"), two);
    assert_eq!(heads("HELLO 3 AUTH default any"), three);
    assert_eq!(heads("HELLO"), three, "the version stays");
    assert_eq!(store.command("RESET"), ["+RESET"]);
    assert_eq!(store.command("HELLO")[0], "*14");
    let hello = store.command("HELLO 3");
    assert!(hello.windows(3).any(|part| part == ["$5", "proto", ":3"]), "{hello:?}");
}

#[test]
fn commands_are_described() {
    let mut store = InMemory::new();
    let count: usize = store.command("COMMAND COUNT")[0][1..].parse().unwrap();
    assert!(count > 40);
    assert_eq!(store.command("COMMAND")[0], format!("*{count}"));
    assert_eq!(store.command("COMMAND LIST")[0], format!("*{count}"));
    assert_eq!(store.command("COMMAND DOCS")[0], format!("*{}", 2 * count));
    let mset = ["*1", "*10", "$4", "mset", ":-3", "*1", "+write", ":1", ":-1", ":2"];
    assert_eq!(store.command("COMMAND INFO mset")[..10], mset);
    let docs = store.command("COMMAND DOCS get");
    assert_eq!(docs[..5], ["*2", "$3", "get", "*4", "$7"]);
}

#[test]
fn info_counts_keys() {
    let mut store = InMemory::new();
    store.command("SET a 1");
    store.command("SET b 1 EX 100");
    let info = store.command("INFO")[1].clone();
    assert!(info.contains("# Server\r\nredis_version:"), "{info}");
    assert!(info.ends_with("# Keyspace\r\ndb0:keys=2,expires=1,avg_ttl=0\r\n"), "{info}");
    let stats = store.command("INFO stats")[1].clone();
    assert_eq!(stats, "# Stats\r\ntotal_connections_received:1\r\n");
    assert_eq!(store.command("INFO none"), ["$0", ""]);
}

#[test]
fn client_libraries_may_name_themselves() {
    let mut store = InMemory::new();
    assert_eq!(store.command("CLIENT SETINFO LIB-NAME redis-py"), ["+OK"]);
    assert_eq!(store.command("CLIENT SETINFO lib-ver 1.0"), ["+OK"]);
    assert_eq!(store.command("CLIENT SETINFO foo x"), ["-ERR Unrecognized option 'foo'"]);
    let wanted = "-ERR LIB-NAME cannot contain spaces, newlines or special characters.";
    assert_eq!(store.call(&[b"CLIENT", b"SETINFO", b"LIB-NAME", b"a b"]), [wanted]);
}

/// Bytes that would end the line of an error are replaced.
#[test]
fn an_error_stays_on_its_line() {
    let mut store = InMemory::new();
    let wanted = "-ERR unknown command 'a  +OK', with args beginning with: ";
    assert_eq!(store.call(&[b"a\r\n+OK"]), [wanted]);
}

#[test]
fn without_arguments_nothing_happens() {
    use netpoll_examples::resp::{Flow, Session, Store, execute};
    let store = Store::new();
    let mut out = Vec::new();
    let flow = execute(&store, &mut Session::new(&store), &[], &mut out).unwrap();
    assert_eq!((flow, out.is_empty()), (Flow::Continue, true));
}

#[test]
fn long_values_come_back_whole() {
    let mut store = InMemory::new();
    let long = "x".repeat(1 << 20);
    store.command(&format!("SET long {long}"));
    assert_eq!(store.command("GET long"), ["$1048576", &long]);
    store.command("APPEND long y");
    assert_eq!(store.command("GET long")[1].len(), (1 << 20) + 1);
}
