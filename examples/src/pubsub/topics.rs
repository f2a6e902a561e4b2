//! Who subscribes to what.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use bytes::Bytes;
use netpoll::{Connection, ConnectionId, Result, buf::LinkBuffer, frame};
use parking_lot::{Mutex, RwLock};

use super::Event;

/// The subscribers of each topic, for any number of threads.
#[derive(Debug, Default)]
pub struct Topics {
    topics: RwLock<HashMap<String, HashMap<ConnectionId, Arc<Subscriber>>>>,
    all: Mutex<HashMap<ConnectionId, Arc<Subscriber>>>,
}

/// A client, and what it has to be told.
#[derive(Debug)]
pub struct Subscriber {
    conn: Connection,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    topics: HashSet<String>,
    /// Messages that were left out since the last one that was sent.
    missed: u32,
}

impl Topics {
    /// Lets a client in.
    pub fn enter(&self, conn: &Connection) -> Arc<Subscriber> {
        let subscriber = Arc::new(Subscriber { conn: conn.clone(), state: Mutex::default() });
        self.all.lock().insert(conn.id(), subscriber.clone());
        subscriber
    }

    /// Forgets a client.
    pub fn leave(&self, subscriber: &Subscriber) {
        self.all.lock().remove(&subscriber.conn.id());
        let topics = std::mem::take(&mut subscriber.state.lock().topics);
        for topic in topics {
            self.unsubscribe(subscriber, &topic);
        }
    }

    /// Sends the topic's messages to `subscriber` from now on.
    pub fn subscribe(&self, subscriber: &Arc<Subscriber>, topic: &str) {
        if subscriber.state.lock().topics.insert(topic.to_owned()) {
            let mut topics = self.topics.write();
            let subscribers = topics.entry(topic.to_owned()).or_default();
            subscribers.insert(subscriber.conn.id(), subscriber.clone());
        }
    }

    /// Ends that.
    pub fn unsubscribe(&self, subscriber: &Subscriber, topic: &str) {
        subscriber.state.lock().topics.remove(topic);
        let mut topics = self.topics.write();
        if let Some(subscribers) = topics.get_mut(topic) {
            subscribers.remove(&subscriber.conn.id());
            if subscribers.is_empty() {
                topics.remove(topic);
            }
        }
    }

    /// Sends a message to the topic's subscribers; gives how many there are. Nobody is waited for: those
    /// who read too slowly are told how many they missed.
    ///
    /// # Errors
    /// The message cannot be expressed; or there is no memory.
    pub fn publish(&self, topic: &str, payload: &[u8]) -> Result<u32> {
        // It is put together once, and sent by reference to each.
        let message = encoded(&Event::Message { topic, payload })?;
        let topics = self.topics.read();
        let Some(subscribers) = topics.get(topic) else { return Ok(0) };
        for subscriber in subscribers.values() {
            subscriber.deliver(&message)?;
        }
        Ok(u32::try_from(subscribers.len()).unwrap_or(u32::MAX))
    }

    /// Tells all clients that the server ends.
    pub fn goodbye(&self) {
        let clients: Vec<_> = self.all.lock().values().cloned().collect();
        for client in clients {
            let told = client.report().and_then(|()| client.send(&encoded(&Event::Goodbye)?));
            if let Err(error) = told {
                tracing::debug!(%error, "a client is not told that the server ends");
            }
        }
    }
}

impl Subscriber {
    /// Sends `message`, unless too much waits already.
    fn deliver(&self, message: &Bytes) -> Result<()> {
        let sent = self.report().and_then(|()| self.send(message));
        if let Err(error) = sent {
            tracing::trace!(%error, "a message is left out");
            let mut state = self.state.lock();
            state.missed = state.missed.saturating_add(1);
        }
        Ok(())
    }

    /// Tells how many messages were left out, if any were.
    fn report(&self) -> Result<()> {
        let mut state = self.state.lock();
        if state.missed > 0 {
            self.send(&encoded(&Event::Missed(state.missed))?)?;
            state.missed = 0;
        }
        Ok(())
    }

    fn send(&self, bytes: &Bytes) -> Result<()> {
        let mut out = LinkBuffer::new();
        out.write_bytes(bytes.clone())?;
        out.flush();
        self.conn.try_send(out)
    }
}

/// The bytes of an event.
fn encoded(event: &Event<'_>) -> Result<Bytes> {
    let mut out = LinkBuffer::new();
    frame::encode(event, &mut out)?;
    out.flush();
    Ok(Bytes::copy_from_slice(out.next(out.len())?))
}
