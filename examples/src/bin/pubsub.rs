//! Topics to which clients subscribe, and publish: pushes, subscribers that read too slowly, a goodbye.
//!
//! Without an address it starts a server and clients in itself, and ends by itself.
//!
//! ```sh
//! cargo run --release -p netpoll-examples --bin pubsub
//! cargo run --release -p netpoll-examples --bin pubsub -- --listen 127.0.0.1:7100
//! ```

use std::{error::Error, sync::Arc, thread, time::Duration};

use clap::Parser;
use netpoll::{CloseReason, Connection, Result};
use netpoll_examples::{
    cli::ServerOptions,
    pubsub::{Client, Event, Request, Subscriber, Topics},
    run,
};

/// Topics to which clients subscribe, and publish.
#[derive(Parser)]
#[command(version)]
struct Options {
    /// Where to listen, to serve only: host:port, unix:/path or unix:@name
    #[arg(long, value_name = "ADDRESS")]
    listen: Option<String>,

    /// Bytes that may wait for a subscriber before it misses messages, in KiB
    #[arg(long, value_name = "KIB", default_value_t = 256)]
    backlog: usize,

    /// Messages that are published, without an address
    #[arg(long, value_name = "N", default_value_t = 20_000)]
    messages: u32,

    #[command(flatten)]
    server: ServerOptions,
}

struct Broker(Arc<Topics>);

#[netpoll::server(max_frame = 1 << 20)]
impl Broker {
    #[on_connect]
    fn enter(&self, conn: &Connection) -> Arc<Subscriber> {
        self.0.enter(conn)
    }

    #[on_request]
    fn handle(&self, me: &mut Arc<Subscriber>, request: Request<'_>) -> Result<Event<'static>> {
        let receivers = match request {
            Request::Subscribe(topic) => {
                self.0.subscribe(me, topic);
                0
            }
            Request::Unsubscribe(topic) => {
                self.0.unsubscribe(me, topic);
                0
            }
            Request::Publish { topic, payload } => self.0.publish(topic, payload)?,
        };
        Ok(Event::Done(receivers))
    }

    #[on_close]
    fn leave(&self, me: Arc<Subscriber>, _why: CloseReason) {
        self.0.leave(&me);
    }
}

fn main() -> std::result::Result<(), Box<dyn Error>> {
    let options = Options::parse();
    let runtime = run::runtime(&options.server)?;
    let topics = Arc::new(Topics::default());
    let server = Broker(topics.clone()).builder().runtime(&runtime);
    let server = server.write_high(options.backlog << 10).write_low(options.backlog << 9);
    if let Some(address) = options.listen {
        let server = server.listen(address).bind()?;
        return Ok(run::until_signal_then(server, move || topics.goodbye())?);
    }
    let server = server.listen("127.0.0.1:0").bind()?;
    let address = server.addresses()[0].to_string();
    let subscribers = [("quick", Duration::ZERO), ("slow", Duration::from_millis(500))];
    let subscribers = subscribers.map(|(name, pause)| {
        let mut client = Client::connect(&address)?;
        client.send(&Request::Subscribe("news"))?;
        Ok::<_, netpoll::Error>((name, thread::spawn(move || count(&mut client, pause))))
    });
    let mut publisher = Client::connect(&address)?;
    while publish(&mut publisher, b"are both there?")? < 2 {}
    for n in 0..options.messages {
        publish(&mut publisher, format!("{n:0500}").as_bytes())?;
    }
    topics.goodbye();
    for subscriber in subscribers {
        let (name, counts) = subscriber?;
        let (messages, missed) = counts.join().map_err(|_| "a subscriber panicked")??;
        println!("{name}: {messages} messages, {missed} missed");
    }
    println!("{}", server.handle().shutdown(Duration::from_secs(5)));
    Ok(())
}

/// Publishes a message; gives how many receive it.
fn publish(publisher: &mut Client, payload: &[u8]) -> Result<u32> {
    publisher.send(&Request::Publish { topic: "news", payload })?;
    Ok(match publisher.next()? {
        Some(Event::Done(receivers)) => receivers,
        _ => 0,
    })
}

/// Counts messages, and those that were missed, up to the goodbye; after the first one it rests.
fn count(client: &mut Client, pause: Duration) -> Result<(u32, u32)> {
    let (mut messages, mut missed) = (0, 0);
    loop {
        match client.next()? {
            Some(Event::Message { .. }) => messages += 1,
            Some(Event::Missed(n)) => missed += n,
            Some(Event::Done(_)) => {}
            Some(Event::Goodbye) | None => return Ok((messages, missed)),
        }
        if messages == 1 {
            thread::sleep(pause);
        }
    }
}
