//! The model of a server: hooks, their arguments, their options.

use proc_macro2::TokenStream;
use quote::ToTokens;
use syn::{Attribute, Ident, Lit, Path, Signature, Type};

/// The hooks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Prepare,
    Connect,
    Request,
    Disconnect,
    Close,
    Error,
    Idle,
    HalfClose,
    Datagram,
}

impl Kind {
    pub(super) const ALL: [Self; 9] = [
        Self::Prepare,
        Self::Connect,
        Self::Request,
        Self::Disconnect,
        Self::Close,
        Self::Error,
        Self::Idle,
        Self::HalfClose,
        Self::Datagram,
    ];

    /// The attribute's name.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Prepare => "on_prepare",
            Self::Connect => "on_connect",
            Self::Request => "on_request",
            Self::Disconnect => "on_disconnect",
            Self::Close => "on_close",
            Self::Error => "on_error",
            Self::Idle => "on_idle",
            Self::HalfClose => "on_half_close",
            Self::Datagram => "on_datagram",
        }
    }

    /// The name of the type that stands for a method with this attribute.
    pub(super) fn twin(self) -> &'static str {
        match self {
            Self::Prepare => "__OnPrepare",
            Self::Connect => "__OnConnect",
            Self::Request => "__OnRequest",
            Self::Disconnect => "__OnDisconnect",
            Self::Close => "__OnClose",
            Self::Error => "__OnError",
            Self::Idle => "__OnIdle",
            Self::HalfClose => "__OnHalfClose",
            Self::Datagram => "__OnDatagram",
        }
    }

    /// The hook that an attribute's name stands for.
    pub(super) fn of(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }

    /// Returns whether it may be an `async fn`.
    pub(super) fn may_wait(self) -> bool {
        matches!(self, Self::Connect | Self::Request | Self::Close | Self::Datagram)
    }
}

/// A function or method with an attribute.
pub(super) struct Hook {
    pub(super) kind: Kind,
    pub(super) sig: Signature,
    /// The `#[cfg]`s of the function, which hold for its glue too.
    pub(super) cfgs: Vec<Attribute>,
    pub(super) args: Vec<Arg>,
    pub(super) dispatch: Dispatching,
}

/// The requests that a handler is for, of a server with several.
pub(super) enum Route {
    /// Those that name this key: a literal.
    Key(Lit),
    /// Those of this variant of the frame.
    Variant(Path),
}

impl ToTokens for Route {
    fn to_tokens(&self, tokens: &mut TokenStream) {
        match self {
            Self::Key(key) => key.to_tokens(tokens),
            Self::Variant(path) => path.to_tokens(tokens),
        }
    }
}

/// The options of `#[on_request]`.
#[derive(Default)]
pub(super) struct Dispatching {
    pub(super) route: Option<Route>,
    pub(super) inline: Option<Ident>,
    pub(super) concurrent: Option<(Ident, TokenStream)>,
    /// The most requests of the route at once.
    pub(super) most: Option<TokenStream>,
    pub(super) ordered: Option<Ident>,
    /// Milliseconds.
    pub(super) timeout: Option<u64>,
    pub(super) codec: Option<Path>,
    pub(super) krate: Option<Path>,
}

/// An argument, by its position.
pub(super) enum Arg {
    /// `&self`.
    Server,
    /// The first shared reference.
    Connection(Type),
    /// `&mut S`, or the second shared reference: the type behind it.
    Session { ty: Type, mutable: bool },
    /// `&Error`, the last reference of `on_error`.
    Error(Type),
    /// By value, from the call or the connection.
    Taken(Type),
    /// The last by value of `on_request`, the last of `on_datagram`.
    Frame(Type),
    /// The first by value of `on_close`.
    Owned(Type),
}

impl Hook {
    /// The session's type, if an argument names it.
    pub(super) fn session(&self) -> Option<&Type> {
        self.args.iter().find_map(|arg| match arg {
            Arg::Session { ty, .. } | Arg::Owned(ty) => Some(ty),
            _ => None,
        })
    }

    /// The frame's type; `on_request` has one.
    pub(super) fn frame(&self) -> Option<&Type> {
        self.args.iter().find_map(|arg| match arg {
            Arg::Frame(ty) => Some(ty),
            _ => None,
        })
    }

    pub(super) fn is_async(&self) -> bool {
        self.sig.asyncness.is_some()
    }

    /// Takes the requests of a key.
    pub(super) fn is_keyed(&self) -> bool {
        matches!(self.dispatch.route, Some(Route::Key(_)))
    }

    /// Replies find their requests by numbers.
    pub(super) fn is_numbered(&self) -> bool {
        self.dispatch.concurrent.is_some() && self.dispatch.ordered.is_none()
    }
}
