//! The front of PostgreSQL's protocol, asked by hand, by `psql` and by `psycopg`.

use std::{
    io::{Read, Write},
    process::Command,
};

use netpoll_examples::testing::{printed, python, real_client};

use crate::server::Server;

fn start(options: &[&str]) -> Server {
    Server::start_with(env!("CARGO_BIN_EXE_postgres"), options)
}

/// A message of a client's.
fn message(kind: &[u8], body: &[u8]) -> Vec<u8> {
    [kind, &(body.len() as u32 + 4).to_be_bytes(), body].concat()
}

const START: &[u8] = b"\0\x03\0\0user\0me\0\0";

/// The types of the messages in `bytes`, and the code of an error among them.
fn kinds(mut bytes: &[u8]) -> String {
    let mut all = String::new();
    while let Some((kind, rest)) = bytes.split_first() {
        let length = u32::from_be_bytes(*rest.first_chunk().unwrap()) as usize;
        let body = &rest[4..length];
        all.push(char::from(*kind));
        if *kind == b'E' {
            let code = body.split(|byte| *byte == 0).find_map(|field| field.strip_prefix(b"C"));
            all.push_str(str::from_utf8(code.unwrap()).unwrap());
        }
        bytes = &rest[length..];
    }
    all
}

/// All that is answered to `bytes`, up to the end.
fn answers(server: &Server, bytes: &[u8]) -> Vec<u8> {
    let mut client = server.connect();
    client.write_all(bytes).unwrap();
    let mut all = Vec::new();
    client.read_to_end(&mut all).unwrap();
    all
}

#[test]
fn postgres_phases_follow_each_other() {
    let server = start(&[]);
    let leave = message(b"X", b"");
    let welcome = "RSSSSSSKZ";
    let ssl = message(b"", &80_877_103u32.to_be_bytes());
    let gss = message(b"", &80_877_104u32.to_be_bytes());
    let all = answers(&server, &[&*ssl, &gss, &message(b"", START), &leave].concat());
    assert_eq!((&all[..2], &*kinds(&all[2..])), (&b"NN"[..], welcome));
    for (sent, wanted) in [
        (message(b"Q", b"select 1\0"), "TDCZ"),
        (message(b"Q", b"\0"), "IZ"),
        (message(b"Q", b"select 1; select name from planet; frobnicate\0"), "E42601Z"),
        (message(b"Q", b"select 1; select * from nowhere; select 2\0"), "TDCE42P01Z"),
        (
            [message(b"P", b"\0select 1\0\0\0"), message(b"B", b""), message(b"S", b"")].concat(),
            "E0A000Z",
        ),
        (message(b"H", b""), ""),
    ] {
        let all = answers(&server, &[&*message(b"", START), &sent, &leave].concat());
        assert_eq!(kinds(&all), format!("{welcome}{wanted}"), "{sent:?}");
    }
    // What ends the connection.
    for (sent, wanted) in [
        (message(b"", b"\0\x02\0\0"), "E0A000".to_owned()),
        (message(b"", b"\0\x03\0\0\0"), "E28000".to_owned()),
        (b"GET / HTTP/1.1\r\n\r\n".to_vec(), "E08P01".to_owned()),
        ([message(b"", START), message(b"?", b"")].concat(), format!("{welcome}E08P01")),
        ([message(b"", START), b"Q\xff\xff\xff\xff".to_vec()].concat(), format!("{welcome}E08P01")),
        ([message(b"", START), message(b"Q", b"\xff\0")].concat(), format!("{welcome}E22021")),
        (message(b"", &80_877_102u32.to_be_bytes()), String::new()),
    ] {
        assert_eq!(kinds(&answers(&server, &sent)), wanted, "{sent:?}");
    }
}

#[test]
fn postgres_in_single_bytes() {
    let server = start(&[]);
    let mut client = server.connect();
    client.set_nodelay(true).unwrap();
    let sent = [message(b"", START), message(b"Q", b"select 7\0"), message(b"X", b"")].concat();
    for byte in sent {
        client.write_all(&[byte]).unwrap();
    }
    let mut all = Vec::new();
    client.read_to_end(&mut all).unwrap();
    assert_eq!(kinds(&all), "RSSSSSSKZTDCZ");
}

#[test]
fn nothing_is_answered_before_the_password() {
    let server = start(&["--password", "secret"]);
    let after = |sent: &[Vec<u8>]| {
        kinds(&answers(&server, &[&message(b"", START)[..], &sent.concat()].concat()))
    };
    let leave = message(b"X", b"");
    assert_eq!(after(&[message(b"p", b"secret\0"), leave.clone()]), "RRSSSSSSKZ");
    assert_eq!(after(&[message(b"p", b"secre\0")]), "RE28P01");
    assert_eq!(after(&[message(b"p", b"\0")]), "RE28P01");
    for early in [b"Q", b"S", b"P", b"H"] {
        assert_eq!(after(&[message(early, b"select 1\0"), leave.clone()]), "RE08P01");
    }
}

#[test]
fn psql_talks_to_it() {
    let Some(psql) = real_client("psql") else { return };
    let server = start(&["--password", "secret"]);
    let (host, port) = server.address.rsplit_once(':').unwrap();
    let psql = |password: &str, sql: &str| {
        let mut command = Command::new(&psql);
        command.args(["-XAtq", "-w", "-h", host, "-p", port, "-U", "me", "-d", "any", "-c", sql]);
        command.env("PGPASSWORD", password);
        command
    };
    assert_eq!(
        printed(&mut psql("secret", "select name from planet where moons >= 1 order by name")),
        "Earth\nMars\n"
    );
    let sql = "create table t (a bigint, b text); insert into t values (1, 'it''s'), (2, null);
               update t set b = 'two' where a = 2; select * from t order by a desc; drop table t";
    assert_eq!(printed(&mut psql("secret", sql)), "2|two\n1|it's\n");
    let failed = psql("secret", "select * from nowhere").output().unwrap();
    assert!(
        String::from_utf8_lossy(&failed.stderr).contains("relation \"nowhere\" does not exist")
    );
    let failed = psql("wrong", "select 1").output().unwrap();
    assert!(String::from_utf8_lossy(&failed.stderr).contains("password authentication failed"));
}

const PSYCOPG: &str = r#"
import sys, psycopg
host, port = sys.argv[1].rsplit(":", 1)
with psycopg.connect(host=host, port=port, user="me", autocommit=True, cursor_factory=psycopg.ClientCursor) as conn:
    conn.execute("create table person (name text, age bigint)")
    for name, age in [("Ann", 30), ("Bo'b", 25), ("Zo\u00eb", None)]:
        conn.execute("insert into person values (%s, %s)", (name, age))
    rows = conn.execute("select name, age from person order by age").fetchall()
    assert rows == [("Bo'b", 25), ("Ann", 30), ("Zo\u00eb", None)], rows
    assert conn.execute("select count(*) from person where age > %s", (26,)).fetchone() == (1,)
    cursor = conn.execute("delete from person where name = %s", ("Ann",))
    assert cursor.rowcount == 1
    try:
        conn.execute("select nothing from person")
        raise SystemExit("no error")
    except psycopg.errors.UndefinedColumn:
        pass
    try:
        psycopg.Cursor(conn).execute("select %s", (1,))
        raise SystemExit("no error")
    except psycopg.errors.FeatureNotSupported:
        pass
    large = "x" * 1_000_000
    conn.execute("insert into person values (%s, 1)", (large,))
    assert conn.execute("select name from person where age = 1").fetchone() == (large,)
print("done")
"#;

#[test]
fn psycopg_talks_to_it() {
    let Some(mut client) = python("psycopg", PSYCOPG) else { return };
    let server = start(&[]);
    assert_eq!(printed(client.arg(&server.address)), "done\n");
}
