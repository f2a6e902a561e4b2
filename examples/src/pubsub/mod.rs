//! Topics to which clients subscribe, and publish.
//!
//! The wire is [`Request`] one way and [`Event`] the other, integers with the most significant byte first:
//!
//! | tag | request | | tag | event |
//! | --- | --- | --- | --- | --- |
//! | 1 | subscribe: topic | | 1 | done: how many subscribers a message had, else 0 |
//! | 2 | unsubscribe: topic | | 2 | message: topic, payload |
//! | 3 | publish: topic, payload | | 3 | missed: how many messages were left out here |
//! | | | | 4 | goodbye: the server ends, go elsewhere |
//!
//! A topic has a length of two bytes before it, a payload one of four, a count has four bytes. Each request
//! is answered by one event 1, in their order; messages come between.

mod client;
mod topics;

use netpoll::Frame;

pub use client::Client;
pub use topics::{Subscriber, Topics};

/// What a client says.
#[derive(Debug, Frame)]
#[frame(tag = u8)]
pub enum Request<'a> {
    /// Has the topic's messages sent here.
    #[frame(tag = 1)]
    Subscribe(#[frame(prefix = u16)] &'a str),
    /// Ends that.
    #[frame(tag = 2)]
    Unsubscribe(#[frame(prefix = u16)] &'a str),
    /// Sends a message to all who subscribe to the topic.
    #[frame(tag = 3)]
    Publish {
        /// The topic.
        #[frame(prefix = u16)]
        topic: &'a str,
        /// The message.
        #[frame(prefix = u32)]
        payload: &'a [u8],
    },
}

/// What the server says.
#[derive(Debug, Frame, PartialEq)]
#[frame(tag = u8)]
pub enum Event<'a> {
    /// The answer to a request: how many subscribers a message had, else 0.
    #[frame(tag = 1)]
    Done(u32),
    /// A message of a topic that the client subscribes to.
    #[frame(tag = 2)]
    Message {
        /// The topic.
        #[frame(prefix = u16)]
        topic: &'a str,
        /// The message.
        #[frame(prefix = u32)]
        payload: &'a [u8],
    },
    /// The client reads too slowly: this many messages are left out here.
    #[frame(tag = 3)]
    Missed(u32),
    /// The server ends; no message follows.
    #[frame(tag = 4)]
    Goodbye,
}
