//! The results of a handshake, as handlers see them.

use bytes::Bytes;

/// The results of a transport's handshake, as `Connection::transport_facts`
/// gives them to handlers.
///
/// ```
/// use netpoll::transport::TransportFacts;
/// let mut facts = TransportFacts::default();
/// facts.alpn = Some("h2".into());
/// assert!(facts.peer_certificates.is_empty());
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct TransportFacts {
    /// The protocol that both sides agreed on (ALPN).
    pub alpn: Option<Bytes>,
    /// The name that the client asked for (SNI), at a server; the name that was verified, at a client.
    pub server_name: Option<String>,
    /// The peer's certificates in DER form, its own first. Empty if it was not asked for any.
    pub peer_certificates: Vec<Bytes>,
    /// The subject of the peer's own certificate as RFC 4514 writes it, such as `CN=alice, O=Example`.
    pub peer_subject: Option<String>,
    /// The version of the transport's protocol, such as `TLSv1.3`.
    pub version: Option<&'static str>,
    /// The name of what protects the bytes, such as a cipher suite.
    pub suite: Option<&'static str>,
    /// Whether an earlier session was resumed.
    pub resumed: bool,
}
