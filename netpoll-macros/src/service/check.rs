//! From a signature to a hook: arguments by their position, and what cannot be.

use quote::ToTokens;
use syn::{FnArg, GenericParam, ReturnType, Signature, Type, spanned::Spanned};

use super::{
    item::Function,
    model::{Arg, Dispatching, Hook, Kind, Route},
};
use crate::errors::Errors;

/// The hook that `function` is. `method`: of a server's impl block.
pub(super) fn hook(
    kind: Kind,
    function: &Function,
    dispatch: Dispatching,
    method: bool,
    errors: &Errors,
) -> Hook {
    let sig = function.sig.clone();
    let before = errors.count();
    receiver(kind, &sig, method, errors);
    qualifiers(kind, &sig, errors);
    generics(kind, &sig, errors);
    let args = arguments(kind, &sig);
    let cfgs = function.attrs.iter().filter(|attr| attr.path().is_ident("cfg")).cloned().collect();
    let hook = Hook { kind, sig, cfgs, args, dispatch };
    once(&hook, errors);
    if errors.count() == before {
        match kind {
            Kind::Request => request(&hook, errors),
            Kind::Datagram => datagram(&hook, errors),
            _ => {}
        }
        returns(&hook, errors);
    }
    hook
}

fn receiver(kind: Kind, sig: &Signature, method: bool, errors: &Errors) {
    let Some(FnArg::Receiver(receiver)) = sig.inputs.first() else { return };
    let name = kind.name();
    if !method {
        let help = format!("write `#[netpoll::server]` on the impl block, and `#[{name}]` in it");
        errors.at(receiver, format!("`#[{name}]` on a method outside of a server"), help);
    } else if receiver.reference.is_none() {
        let help = "write `&self`: one server is shared by all connections";
        errors.at(receiver, "a hook cannot take the server by value", help);
    } else if receiver.mutability.is_some() {
        let help = "write `&self`, and keep what changes in the session, `session: &mut Session`, \
                    or behind a lock";
        errors.at(receiver, "a hook cannot change the server, which all connections share", help);
    }
}

fn qualifiers(kind: Kind, sig: &Signature, errors: &Errors) {
    let name = kind.name();
    let qualifiers = [
        sig.constness.map(|it| it.to_token_stream()),
        sig.unsafety.map(|it| it.to_token_stream()),
        sig.abi.as_ref().map(ToTokens::to_token_stream),
    ];
    if let Some(qualifier) = qualifiers.into_iter().flatten().next() {
        let message = format!("`#[{name}]` cannot be on a function that is `{qualifier}`");
        errors.at(&qualifier, message, format!("remove `{qualifier}`"));
    }
    if let (Some(token), false) = (&sig.asyncness, kind.may_wait()) {
        let help = match kind {
            Kind::Disconnect => {
                "remove `async`: it runs on the poller; what has to wait goes to `on_close`"
            }
            _ => "remove `async`: this hook cannot wait",
        };
        errors.at(token, format!("`#[{name}]` cannot be on an `async fn`"), help);
    }
}

fn generics(kind: Kind, sig: &Signature, errors: &Errors) {
    let name = kind.name();
    let has_types =
        sig.generics.params.iter().any(|param| !matches!(param, GenericParam::Lifetime(_)));
    let help = "name the types: a server has one handler";
    if has_types {
        errors.at(&sig.generics, format!("`#[{name}]` cannot be on a generic function"), help);
    }
    for arg in &sig.inputs {
        if let FnArg::Typed(arg) = arg
            && let Type::ImplTrait(ty) = &*arg.ty
        {
            errors.at(ty, format!("`#[{name}]` cannot be on a generic function"), help);
        }
    }
}

/// The arguments, each by its position.
fn arguments(kind: Kind, sig: &Signature) -> Vec<Arg> {
    let shared = |arg: &FnArg| {
        matches!(arg, FnArg::Typed(arg)
            if matches!(&*arg.ty, Type::Reference(ty) if ty.mutability.is_none()))
    };
    let by_value =
        |arg: &FnArg| matches!(arg, FnArg::Typed(arg) if !matches!(*arg.ty, Type::Reference(_)));
    let last_reference = sig.inputs.iter().rposition(shared);
    let first_value = sig.inputs.iter().position(by_value);
    let last_value = sig.inputs.iter().rposition(by_value);
    let last = sig.inputs.len().wrapping_sub(1);
    let mut connection = false;
    let args = sig.inputs.iter().enumerate();
    args.map(|(i, arg)| match arg {
        FnArg::Receiver(_) => Arg::Server,
        FnArg::Typed(arg) if kind == Kind::Datagram && i == last => Arg::Frame((*arg.ty).clone()),
        FnArg::Typed(arg) => match &*arg.ty {
            Type::Reference(ty) if ty.mutability.is_some() => {
                Arg::Session { ty: (*ty.elem).clone(), mutable: true }
            }
            Type::Reference(ty) if kind == Kind::Error && Some(i) == last_reference => {
                Arg::Error((*ty.elem).clone())
            }
            Type::Reference(ty) if !std::mem::replace(&mut connection, true) => {
                Arg::Connection((*ty.elem).clone())
            }
            Type::Reference(ty) => Arg::Session { ty: (*ty.elem).clone(), mutable: false },
            ty if kind == Kind::Request && Some(i) == last_value => Arg::Frame(ty.clone()),
            ty if kind == Kind::Close && Some(i) == first_value => Arg::Owned(ty.clone()),
            ty => Arg::Taken(ty.clone()),
        },
    })
    .collect()
}

/// Checks that no argument is taken from a call twice.
fn once(hook: &Hook, errors: &Errors) {
    let taken = hook.args.iter().filter_map(|arg| match arg {
        Arg::Taken(ty) => Some(ty),
        _ => None,
    });
    let taken: Vec<_> = taken.collect();
    for (i, ty) in taken.iter().enumerate() {
        if taken[..i].iter().any(|before| same_but_lifetimes(before, ty)) {
            errors.at(ty, "two arguments are the same", "take it once, and pass it on");
        }
    }
}

fn request(hook: &Hook, errors: &Errors) {
    if matches!(hook.dispatch.route, Some(Route::Key(_))) && hook.frame().is_none() {
        return;
    }
    let Some(frame) = hook.frame() else {
        let help = "the last argument by value is the frame: `request: Request<'_>`";
        return errors.at(&hook.sig.ident, "a handler of requests without a request", help);
    };
    let mut frames = hook.args.iter().filter(
        |arg| matches!(arg, Arg::Taken(ty) | Arg::Frame(ty) if same_but_lifetimes(ty, frame)),
    );
    if let (Some(_), Some(_)) = (frames.next(), frames.next()) {
        let help = "the last argument by value is the frame; remove the others";
        errors.at(frame, "two arguments are the request's frame", help);
    }
    if let (Some(inline), Some(token)) = (&hook.dispatch.inline, &hook.sig.asyncness) {
        let help = format!("remove `{inline}`, or `async`");
        errors.at(token, "an `inline` handler cannot wait", help);
    }
    if hook.dispatch.concurrent.is_some() {
        if let Some(codec) = &hook.dispatch.codec {
            let help = "remove `concurrent`: each frame is read by what came before it";
            errors.at(
                codec,
                "a connection has one codec, which no two requests have at once",
                help,
            );
        }
        for arg in hook.sig.inputs.iter().zip(&hook.args) {
            if let (FnArg::Typed(typed), Arg::Session { mutable: true, ty }) = arg {
                let ty = ty.to_token_stream();
                let help = format!(
                    "write `conn: &Connection, session: &{ty}`, with a lock around what changes"
                );
                errors.at(&typed.ty, "requests side by side share their session", help);
            }
        }
    }
}

fn datagram(hook: &Hook, errors: &Errors) {
    let Some(frame) = hook.frame() else {
        let help =
            "the last argument is the datagram: a frame, `query: Query<'_>`, or `bytes: &[u8]`";
        return errors.at(&hook.sig.ident, "a handler of datagrams without a datagram", help);
    };
    for (input, arg) in hook.sig.inputs.iter().zip(&hook.args) {
        let FnArg::Typed(input) = input else { continue };
        match arg {
            Arg::Connection(_) | Arg::Session { mutable: false, .. } => {
                let help = "take `Peer`, `Local`, `Ecn` or `State<'_, Server>` by value; the datagram \
                            is the last argument";
                errors.at(&input.ty, "a datagram has no connection", help);
            }
            Arg::Session { mutable: true, .. } => {
                let help = "keep what changes in the server, behind a lock, by the `Peer`";
                errors.at(&input.ty, "a datagram has no session", help);
            }
            Arg::Taken(ty) if same_but_lifetimes(ty, frame) => {
                let help = "the last argument is the datagram; remove the others";
                errors.at(frame, "two arguments are the datagram", help);
            }
            _ => {}
        }
    }
    if let (Some(inline), Some(token)) = (&hook.dispatch.inline, &hook.sig.asyncness) {
        let help = format!("remove `{inline}`, or `async`");
        errors.at(token, "an `inline` handler cannot wait", help);
    }
}

fn returns(hook: &Hook, errors: &Errors) {
    let ReturnType::Type(_, ty) = &hook.sig.output else {
        if hook.kind == Kind::Idle {
            let help = "write `-> bool`: true closes the connection";
            errors.at(
                &hook.sig.ident,
                "`on_idle` does not say what becomes of the connection",
                help,
            );
        }
        return;
    };
    // Whoever writes `-> impl Future` means `async fn`.
    if let (Type::ImplTrait(it), true) = (&**ty, hook.is_async()) {
        errors.at(it, "an `async fn` that returns an opaque type", "name the reply's type");
    }
}

fn same_but_lifetimes(a: &Type, b: &Type) -> bool {
    super::lifetimes::erased(a).to_token_stream().to_string()
        == super::lifetimes::erased(b).to_token_stream().to_string()
}

/// The span for an error about a hook's return value.
pub(super) fn return_span(hook: &Hook) -> proc_macro2::Span {
    match &hook.sig.output {
        ReturnType::Type(_, ty) => ty.span(),
        ReturnType::Default => hook.sig.ident.span(),
    }
}
