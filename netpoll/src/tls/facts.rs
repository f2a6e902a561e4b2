//! The results of a handshake.

use std::fmt;

use rustls::{CommonState, HandshakeKind, ProtocolVersion};

use super::names::subject;

/// A version of TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum TlsVersion {
    /// RFC 5246.
    Tls12,
    /// RFC 8446.
    Tls13,
}

/// The results of a handshake: protocol, names, certificates.
#[derive(Clone, PartialEq, Eq)]
pub struct TlsFacts {
    version: TlsVersion,
    cipher_suite: &'static str,
    alpn: Option<Vec<u8>>,
    server_name: Option<String>,
    peer_certificates: Vec<Vec<u8>>,
    resumed: bool,
}

impl TlsFacts {
    pub(super) fn new(state: &CommonState, server_name: Option<String>) -> Self {
        let certificates = state.peer_certificates().unwrap_or_default();
        Self {
            version: match state.protocol_version() {
                Some(ProtocolVersion::TLSv1_2) => TlsVersion::Tls12,
                _ => TlsVersion::Tls13,
            },
            cipher_suite: state
                .negotiated_cipher_suite()
                .and_then(|suite| suite.suite().as_str())
                .unwrap_or("unknown"),
            alpn: state.alpn_protocol().map(<[u8]>::to_vec),
            server_name,
            peer_certificates: certificates.iter().map(|der| der.to_vec()).collect(),
            resumed: state.handshake_kind() == Some(HandshakeKind::Resumed),
        }
    }

    /// Returns the version that both sides speak.
    pub fn version(&self) -> TlsVersion {
        self.version
    }

    /// Returns the cipher suite's name by the register of IANA, such as `TLS13_AES_128_GCM_SHA256`.
    pub fn cipher_suite(&self) -> &'static str {
        self.cipher_suite
    }

    /// Returns the application's protocol that both sides agreed on (ALPN, RFC 7301), such as `h2`.
    pub fn alpn(&self) -> Option<&[u8]> {
        self.alpn.as_deref()
    }

    /// Returns the server's name: at a server the one that the client asked for (SNI), at a client the one
    /// that it checked.
    pub fn server_name(&self) -> Option<&str> {
        self.server_name.as_deref()
    }

    /// Returns the peer's certificates in DER, its own first; empty if it showed none.
    pub fn peer_certificates(&self) -> &[Vec<u8>] {
        &self.peer_certificates
    }

    /// Returns the subject of the peer's own certificate, such as `CN=alice, O=Example`.
    pub fn peer_subject(&self) -> Option<String> {
        subject(self.peer_certificates.first()?)
    }

    /// Returns whether the handshake took up an earlier session, and so exchanged no certificates.
    pub fn resumed(&self) -> bool {
        self.resumed
    }
}

impl fmt::Debug for TlsFacts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsFacts")
            .field("version", &self.version)
            .field("cipher_suite", &self.cipher_suite)
            .field("alpn", &self.alpn.as_ref().map(|name| String::from_utf8_lossy(name)))
            .field("server_name", &self.server_name)
            .field("peer_subject", &self.peer_subject())
            .field("resumed", &self.resumed)
            .finish()
    }
}
