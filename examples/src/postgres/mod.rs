//! The server's side of PostgreSQL's protocol, version 3, as a codec: [`Postgres`] reads a start-up message,
//! refuses encryption, and from then on reads and writes messages with a type; and a [`Database`] in memory
//! that answers simple queries.
//!
//! Byte formats: <https://www.postgresql.org/docs/15/protocol-message-formats.html>.

mod codec;
mod database;
mod lexer;
mod message;
mod session;
mod statement;
mod value;

pub use codec::{Event, Postgres, Scan};
pub use database::{Answer, Database};
pub use message::{Column, Failure, Message, Output};
pub use session::Session;
pub use value::{Kind, Value};
