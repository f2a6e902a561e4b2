//! The procedural macros of `netpoll`: glue that one could write by hand, and nothing else.
//!
//! Each macro is parsed into a model, checked, and expanded; `netpoll`'s documentation describes
//! what they accept.
#![forbid(unsafe_code)]

mod errors;
mod frame;
mod hygiene;
mod remote;
mod service;

use proc_macro::TokenStream;

#[doc = include_str!("../docs/frame.md")]
#[proc_macro_derive(Frame, attributes(frame))]
pub fn derive_frame(item: TokenStream) -> TokenStream {
    frame::derive(item.into()).into()
}

#[doc = include_str!("../docs/server.md")]
#[proc_macro_attribute]
pub fn server(options: TokenStream, item: TokenStream) -> TokenStream {
    service::server(options.into(), item.into()).into()
}

#[doc = include_str!("../docs/on_request.md")]
#[proc_macro_attribute]
pub fn on_request(options: TokenStream, item: TokenStream) -> TokenStream {
    service::hook(service::Kind::Request, options.into(), item.into()).into()
}

#[doc = include_str!("../docs/on_datagram.md")]
#[proc_macro_attribute]
pub fn on_datagram(options: TokenStream, item: TokenStream) -> TokenStream {
    service::hook(service::Kind::Datagram, options.into(), item.into()).into()
}

/// Makes a function the hook that may refuse connections; see `netpoll::service`.
#[proc_macro_attribute]
pub fn on_prepare(options: TokenStream, item: TokenStream) -> TokenStream {
    service::hook(service::Kind::Prepare, options.into(), item.into()).into()
}

/// Makes a function the hook that makes sessions; see `netpoll::service`.
#[proc_macro_attribute]
pub fn on_connect(options: TokenStream, item: TokenStream) -> TokenStream {
    service::hook(service::Kind::Connect, options.into(), item.into()).into()
}

/// Makes a function the hook that is told that a peer went; see `netpoll::service`.
#[proc_macro_attribute]
pub fn on_disconnect(options: TokenStream, item: TokenStream) -> TokenStream {
    service::hook(service::Kind::Disconnect, options.into(), item.into()).into()
}

/// Makes a function the hook that is given sessions at their end; see `netpoll::service`.
#[proc_macro_attribute]
pub fn on_close(options: TokenStream, item: TokenStream) -> TokenStream {
    service::hook(service::Kind::Close, options.into(), item.into()).into()
}

/// Makes a function the hook that is told of errors; see `netpoll::service`.
#[proc_macro_attribute]
pub fn on_error(options: TokenStream, item: TokenStream) -> TokenStream {
    service::hook(service::Kind::Error, options.into(), item.into()).into()
}

/// Makes a function the hook that is called when a peer has sent its end and the connection stays open
/// (`keep_half_open`); see `netpoll::service`.
#[proc_macro_attribute]
pub fn on_half_close(options: TokenStream, item: TokenStream) -> TokenStream {
    service::hook(service::Kind::HalfClose, options.into(), item.into()).into()
}

/// Makes a function the hook that decides about idle connections; see `netpoll::service`.
#[proc_macro_attribute]
pub fn on_idle(options: TokenStream, item: TokenStream) -> TokenStream {
    service::hook(service::Kind::Idle, options.into(), item.into()).into()
}

#[doc = include_str!("../docs/service.md")]
#[proc_macro_attribute]
pub fn service(options: TokenStream, item: TokenStream) -> TokenStream {
    remote::service(options.into(), item.into()).into()
}

/// Checks that the page `doc` shows each of the options `names`, as code.
#[cfg(test)]
fn documented(doc: &str, names: Vec<&str>) {
    for name in names {
        let forms = ["`", " =", "(", " "].map(|end| format!("`{name}{end}"));
        let marked = format!("`#[{name}");
        assert!(
            forms.iter().chain([&marked]).any(|form| doc.contains(form)),
            "`{name}` is not documented"
        );
    }
}
