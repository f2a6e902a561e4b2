//! The certificates of the tests, and servers that show them.

use std::{
    path::{Path, PathBuf},
    sync::atomic::{AtomicU64, Ordering::Relaxed},
};

use netpoll::{
    Runtime, ServerHandle,
    tls::{TlsClient, TlsServer},
};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};

use crate::common::{Echo, serve};

/// A directory of PEM files, removed at the end.
pub(crate) struct Certificates(PathBuf);

impl Certificates {
    /// Makes an authority, a server's certificate for `localhost` and 127.0.0.1, and a client's for `alice`.
    pub(crate) fn new() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let name = format!("netpoll-tls-{}-{}", std::process::id(), NEXT.fetch_add(1, Relaxed));
        let dir = Self(std::env::temp_dir().join(name));
        std::fs::create_dir_all(&dir.0).unwrap();
        let mut params = CertificateParams::new([]).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(rcgen::DnType::CommonName, "tests");
        let key = KeyPair::generate().unwrap();
        dir.write("ca.pem", &params.self_signed(&key).unwrap().pem());
        let issuer = Issuer::new(params, key);
        dir.sign("server", &["localhost", "127.0.0.1"], &issuer);
        dir.sign("client", &["alice"], &issuer);
        dir
    }

    fn sign(&self, name: &str, names: &[&str], issuer: &Issuer<'_, KeyPair>) {
        let names = names.iter().map(|&name| name.to_owned()).collect::<Vec<_>>();
        let mut params = CertificateParams::new(names).unwrap();
        params.distinguished_name = rcgen::DistinguishedName::new();
        params
            .distinguished_name
            .push(rcgen::DnType::CommonName, if name == "client" { "alice" } else { name });
        params.use_authority_key_identifier_extension = true;
        let key = KeyPair::generate().unwrap();
        self.write(&format!("{name}.pem"), &params.signed_by(&key, issuer).unwrap().pem());
        self.write(&format!("{name}.key"), &key.serialize_pem());
    }

    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.0.join(name), text).unwrap();
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// The server's side with its certificate.
    pub(crate) fn server(&self) -> TlsServer {
        TlsServer::from_pem_files(self.path("server.pem"), self.path("server.key")).unwrap()
    }

    /// The client's side, which trusts the authority.
    pub(crate) fn client(&self) -> TlsClient {
        TlsClient::builder().roots_file(self.path("ca.pem")).build().unwrap()
    }
}

impl Drop for Certificates {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// An echo server over TLS.
pub(crate) fn echo(tls: &TlsServer) -> (Runtime, ServerHandle, crate::common::Log) {
    let echo = Echo::default();
    let log = echo.log.clone();
    let (runtime, server) = serve(echo, |b| b.tls(tls.clone()));
    (runtime, server, log)
}

/// The address of a server, by the name in its certificate.
pub(crate) fn address(server: &ServerHandle) -> String {
    format!("localhost:{}", port(server))
}

pub(crate) fn port(server: &ServerHandle) -> u16 {
    server.addresses()[0].inet().unwrap().port()
}

pub(crate) fn text(path: &Path) -> String {
    path.display().to_string()
}
