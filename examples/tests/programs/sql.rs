//! Handlers that use tokio's crates, against a real PostgreSQL and a real web server.

use std::process::Command;

use crate::{postgresql::Postgres, printed, server::Server};

const SQL: &str = env!("CARGO_BIN_EXE_sql");

fn start(postgres: &Postgres, upstream: &str) -> Server {
    let database = format!("host={} user=postgres", postgres.directory().display());
    Server::start_with(SQL, &["--database", &database, "--upstream", &format!("http://{upstream}")])
}

fn ask(server: &Server, words: &[&str]) -> String {
    printed(SQL, &[&["--listen", &server.address][..], words].concat())
}

/// What the client says of a call that fails.
fn refused(server: &Server, words: &[&str]) -> String {
    let output =
        Command::new(SQL).args(["--listen", &server.address]).args(words).output().unwrap();
    assert!(!output.status.success(), "{output:?}");
    String::from_utf8(output.stderr).unwrap()
}

#[test]
fn handlers_query_postgresql_and_fetch_pages() {
    let Some(postgres) = Postgres::start() else { return };
    let web = Server::start(env!("CARGO_BIN_EXE_http"));
    let server = start(&postgres, &web.address);
    assert_eq!(ask(&server, &["price", "tea"]), "none\n");
    assert_eq!(ask(&server, &["set", "tea", "250"]), "none\n");
    assert_eq!(ask(&server, &["set", "tea", "275"]), "250\n");
    assert_eq!(ask(&server, &["set", "'; drop table price; --", "1"]), "none\n");
    assert_eq!(ask(&server, &["price", "tea"]), "275\n");
    assert_eq!(postgres.ask("select count(*), max(cents) from price").unwrap(), "2|275\n");

    assert_eq!(ask(&server, &["page", "/count/3"]), "0\n1\n2\n");
    assert!(refused(&server, &["page", "/nowhere"]).contains("does not work"));
    assert!(refused(&server, &["page", "http://127.0.0.1:1/"]).contains("another server's"));
    drop(web);
    assert!(refused(&server, &["page", "/count/3"]).contains("does not work"));
    assert!(refused(&server, &["set", "tea", "-1"]).contains("no price"));

    // A lost connection is made anew by the next request.
    let cut = "select count(pg_terminate_backend(pid, 20000)) from pg_stat_activity
               where pid <> pg_backend_pid() and backend_type = 'client backend'";
    assert_eq!(postgres.ask(cut).unwrap(), "1\n");
    let price = (0..50).find_map(|_| {
        let output = Command::new(SQL).args(["--listen", &server.address, "price", "tea"]).output();
        let output = output.unwrap();
        output.status.success().then(|| String::from_utf8(output.stdout).unwrap())
    });
    assert_eq!(price.as_deref(), Some("275\n"));

    // Without the database the error shows nothing of it.
    drop(postgres);
    let said = refused(&server, &["price", "tea"]);
    assert!(said.contains("does not work") && !said.contains("postgres"), "{said}");
    assert_eq!(server.end_by("TERM"), Some(0));
}
