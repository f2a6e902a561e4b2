//! TLS 1.2 and 1.3, by [rustls]: what a server and a client need to speak it.
//!
//! ```text
//!   certificates ──▶ TlsServer ──▶ one Session for each connection ◀── TlsClient ◀── roots
//!                    reload()      (between the wire and the handlers)
//! ```
//! [`TlsServer`] goes to a server ([`EventLoopBuilder::tls`](crate::EventLoopBuilder::tls)), [`TlsClient`] to
//! a dialler ([`Dialer::tls`](crate::Dialer::tls)) or a client
//! ([`ClientBuilder::tls`](crate::client::ClientBuilder::tls)); both are cheap to clone and share what they know,
//! such as the sessions that can be resumed. The results of the handshake are
//! [`TransportFacts`](crate::transport::TransportFacts).
//!
//! rustls is the one implementation, over *ring* or, with the feature `tls-aws-lc`, over AWS-LC. Its
//! defaults are this module's: TLS 1.2 and 1.3, its cipher suites, no renegotiation, no early data.
//! A configuration of rustls' own is taken where these options do not suffice.

mod certificates;
mod client;
mod client_auth;
mod machine;
mod names;
mod provider;
mod server;
mod session;
mod sni;

pub use client::{TlsClient, TlsClientBuilder};
pub use client_auth::ClientAuth;
/// The version of rustls whose configurations [`TlsServer`] and [`TlsClient`] take.
pub use rustls;
pub use server::{TlsServer, TlsServerBuilder};
pub(crate) use session::Session;
