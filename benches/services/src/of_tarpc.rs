//! tarpc, by bincode over TCP.

use futures::StreamExt;
use tarpc::{
    client, context,
    serde_transport::tcp,
    server::{BaseChannel, Channel},
    tokio_serde::formats::Bincode,
};
use tokio::runtime::Runtime;

use crate::load::Load;

#[tarpc::service]
trait Calculator {
    async fn add(a: i64, b: i64) -> i64;
}

#[derive(Clone)]
struct Exact;

impl Calculator for Exact {
    async fn add(self, _: context::Context, a: i64, b: i64) -> i64 {
        a + b
    }
}

pub fn serve() -> crate::Outcome {
    Runtime::new()?.block_on(async {
        let mut incoming = tcp::listen("127.0.0.1:0", Bincode::default).await?;
        crate::announce(incoming.local_addr().to_string());
        while let Some(transport) = incoming.next().await {
            let transport = transport?;
            transport.get_ref().set_nodelay(true)?;
            let requests = BaseChannel::with_defaults(transport).execute(Exact.serve());
            tokio::spawn(requests.for_each(|handled| async {
                tokio::spawn(handled);
            }));
        }
        Ok(())
    })
}

pub fn call(address: &str, load: &'static Load) -> crate::Outcome {
    let runtime = Runtime::new()?;
    runtime.block_on(async {
        for _ in 0..load.connections {
            let transport = tcp::connect(address, Bincode::default).await?;
            transport.get_ref().set_nodelay(true)?;
            let client = CalculatorClient::new(client::Config::default(), transport).spawn();
            for _ in 0..load.depth {
                let client = client.clone();
                tokio::spawn(async move {
                    while let Some((a, b)) = load.next() {
                        load.check(a + b, client.add(context::current(), a, b).await.ok());
                    }
                });
            }
        }
        Ok::<_, Box<dyn std::error::Error>>(())
    })?;
    load.measure();
    Ok(())
}
