//! This project: a trait, by Postcard.

use netpoll::{EventLoop, client::Client};

use crate::load::Load;

#[netpoll::service]
trait Calculator {
    async fn add(&self, a: i64, b: i64) -> i64;
}

struct Exact;

impl Calculator for Exact {
    async fn add(&self, a: i64, b: i64) -> i64 {
        a + b
    }
}

pub fn serve() -> crate::Outcome {
    let server = EventLoop::builder(Calculator::serve(Exact)).listen("127.0.0.1:0").bind()?;
    crate::announce(server.addresses()[0].to_string());
    server.serve()?;
    Ok(())
}

pub fn call(address: &str, load: &'static Load) -> crate::Outcome {
    let connections = Client::mux(address).connections(load.connections).build()?;
    let client = CalculatorClient::new(netpoll::service::MethodClient::new(connections));
    for _ in 0..load.connections * load.depth {
        let client = client.clone();
        netpoll::spawn(async move {
            while let Some((a, b)) = load.next() {
                load.check(a + b, client.add_async(a, b).await.ok());
            }
        });
    }
    load.measure();
    Ok(())
}
