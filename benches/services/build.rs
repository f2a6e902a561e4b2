//! Generates tonic's server and client, without a compiler of Protocol Buffers.

use tonic_build::manual::{Builder, Method, Service};

fn main() {
    let add = Method::builder()
        .name("add")
        .route_name("Add")
        .input_type("crate::of_tonic::Pair")
        .output_type("crate::of_tonic::Sum")
        .codec_path("tonic_prost::ProstCodec")
        .build();
    let calculator =
        Service::builder().name("Calculator").package("calculator").method(add).build();
    Builder::new().compile(&[calculator]);
}
