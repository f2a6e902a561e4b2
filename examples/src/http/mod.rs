//! HTTP/1.1 as a codec: [`Http1`] finds [`Request`]s, whose heads `httparse` reads, and writes [`Response`]s.
//!
//! Two programs that read the same bytes must agree on where a request ends, or one of them takes a part
//! of a body for a request. So the framing is strict where RFC 9112 lets a server choose: lines end by
//! CR LF, a length is said once and in digits, `chunked` is the only transfer coding.

mod chunks;
mod codec;
mod date;
mod head;
mod refusal;
mod request;
mod response;

pub use codec::{Http1, Message, Scan};
pub use head::{Body, Head};
pub use refusal::Refusal;
pub use request::Request;
pub use response::Response;
