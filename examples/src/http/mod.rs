//! HTTP/1.1 as frames: [`Request`], whose head `httparse` reads, and [`Response`].

mod request;
mod response;

pub use request::{Request, RequestScan};
pub use response::Response;
