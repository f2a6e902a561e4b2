//! The examples of the macros' documentation, which run as tests here: the crate of the macros cannot use
//! this one.

macro_rules! run {
    ($($name:ident: $file:literal;)*) => {
        $(
            #[doc = include_str!(concat!("../../netpoll-macros/docs/", $file))]
            pub struct $name;
        )*
    };
}

run! {
    Server: "server.md";
    OnRequest: "on_request.md";
    Service: "service.md";
}
#[cfg(feature = "udp")]
run! {
    OnDatagram: "on_datagram.md";
}
