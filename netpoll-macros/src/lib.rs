//! The procedural macros of `netpoll`: glue that one could write by hand, and nothing else.
//!
//! Each macro is parsed into a model, checked, and expanded; `netpoll`'s documentation describes
//! what they accept.
#![forbid(unsafe_code)]

mod errors;
mod frame;
mod hygiene;

use proc_macro::TokenStream;

/// Derives a frame; see `netpoll::Frame`.
#[proc_macro_derive(Frame, attributes(frame))]
pub fn derive_frame(item: TokenStream) -> TokenStream {
    frame::derive(item.into()).into()
}
