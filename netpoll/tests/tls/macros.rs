//! `#[server(tls = function)]`.

use std::{path::PathBuf, sync::Mutex};

use netpoll::{Dialer, Frame, Result, frame::Auto, tls::TlsServer};

use crate::{common::frame, setup::Certificates};

#[derive(Frame)]
struct Message<'a> {
    #[frame(len(of = rest))]
    length: Auto<u32>,
    #[frame(rest)]
    body: &'a [u8],
}

static FILES: Mutex<Option<[PathBuf; 2]>> = Mutex::new(None);

fn certificates() -> Result<TlsServer> {
    let [chain, key] = FILES.lock().unwrap().clone().unwrap_or_default();
    TlsServer::from_pem_files(chain, key)
}

struct Echo;

#[netpoll::server(tls = certificates)]
impl Echo {
    #[on_request]
    fn echo<'a>(&self, message: Message<'a>) -> Message<'a> {
        message
    }
}

#[test]
fn a_server_speaks_tls_by_an_option() {
    let error = Echo.builder().listen("127.0.0.1:0").bind().unwrap_err();
    assert!(error.to_string().contains("TLS: reading"), "{error}");
    let pki = Certificates::new();
    *FILES.lock().unwrap() = Some([pki.path("server.pem"), pki.path("server.key")]);
    let server = Echo.builder().listen("127.0.0.1:0").bind().unwrap();
    let conn = Dialer::new().tls(pki.client()).dial(server.addresses()[0].to_string()).unwrap();
    conn.write(&frame(b"hello")).unwrap();
    assert_eq!(conn.reader().unwrap().next(9).unwrap(), frame(b"hello"));
}
