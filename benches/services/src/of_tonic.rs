//! tonic: gRPC, which is Protocol Buffers over HTTP/2.

use tokio::{net::TcpListener, runtime::Runtime};
use tonic::{
    Request, Response, Status,
    transport::{Endpoint, Server, server::TcpIncoming},
};

use crate::load::Load;

#[derive(Clone, PartialEq, prost::Message)]
pub struct Pair {
    #[prost(sint64, tag = "1")]
    pub a: i64,
    #[prost(sint64, tag = "2")]
    pub b: i64,
}

#[derive(Clone, PartialEq, prost::Message)]
pub struct Sum {
    #[prost(sint64, tag = "1")]
    pub sum: i64,
}

mod generated {
    #![allow(warnings, reason = "as tonic's generator writes it")]
    include!(concat!(env!("OUT_DIR"), "/calculator.Calculator.rs"));
}

struct Exact;

#[tonic::async_trait]
impl generated::calculator_server::Calculator for Exact {
    async fn add(&self, request: Request<Pair>) -> Result<Response<Sum>, Status> {
        let Pair { a, b } = request.into_inner();
        Ok(Response::new(Sum { sum: a + b }))
    }
}

pub fn serve() -> crate::Outcome {
    Runtime::new()?.block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        crate::announce(listener.local_addr()?.to_string());
        let service = generated::calculator_server::CalculatorServer::new(Exact);
        let incoming = TcpIncoming::from(listener).with_nodelay(Some(true));
        Server::builder().add_service(service).serve_with_incoming(incoming).await?;
        Ok(())
    })
}

pub fn call(address: &str, load: &'static Load) -> crate::Outcome {
    let runtime = Runtime::new()?;
    runtime.block_on(async {
        for _ in 0..load.connections {
            let channel = Endpoint::from_shared(format!("http://{address}"))?.connect().await?;
            let client = generated::calculator_client::CalculatorClient::new(channel);
            for _ in 0..load.depth {
                let mut client = client.clone();
                tokio::spawn(async move {
                    while let Some((a, b)) = load.next() {
                        let sum = client.add(Pair { a, b }).await.ok();
                        load.check(a + b, sum.map(|sum| sum.into_inner().sum));
                    }
                });
            }
        }
        Ok::<_, Box<dyn std::error::Error>>(())
    })?;
    load.measure();
    Ok(())
}
