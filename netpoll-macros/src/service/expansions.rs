//! Expansions of the three forms, compared with those that are committed under `expansions/`, and of
//! items with errors. `UPDATE_EXPANSIONS=1` writes them.

use std::{fs, path::Path};

use proc_macro2::TokenStream;
use quote::quote;

use super::{Kind, hook, server};

/// The expansion `tokens` of `source` is the file `name`.
fn compare(name: &str, source: &TokenStream, tokens: TokenStream) {
    assert!(!tokens.to_string().contains("unsafe"), "generated code is safe");
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("expansions").join(name);
    let pretty = |tokens| prettyplease::unparse(&syn::parse2(tokens).unwrap());
    let source: String =
        pretty(source.clone()).lines().map(|line| format!("//     {line}\n")).collect();
    let text = format!("// The expansion of:\n//\n{source}\n{}", pretty(tokens));
    if std::env::var_os("UPDATE_EXPANSIONS").is_some() {
        fs::write(&path, &text).unwrap();
    }
    let committed = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        committed == text,
        "the expansion of {name} has changed; `UPDATE_EXPANSIONS=1 cargo test -p netpoll-macros` \
         writes it anew:\n{text}"
    );
}

#[test]
fn a_free_function() {
    let item = quote! {
        fn echo<'a>(request: Bench<'a>) -> Bench<'a> {
            request
        }
    };
    let expansion = hook(Kind::Request, TokenStream::new(), item.clone());
    compare("free_function.rs", &quote!(#[netpoll::on_request] #item), expansion);
}

#[test]
fn an_impl_block() {
    let options = quote!(listen = "0.0.0.0:6379", max_frame = 8 << 20, idle_timeout = "5m");
    let item = quote! {
        impl Kv {
            #[on_connect]
            fn hello(&self, c: &Connection) -> netpoll::Result<Sess> {
                Ok(Sess::new(c))
            }
            #[on_request]
            async fn run(
                &self,
                s: &mut Sess,
                dl: Deadline,
                cmd: Resp<'_>,
            ) -> Result<RespOwned, KvError> {
                self.store.run(s, dl, cmd).await
            }
            #[on_disconnect]
            fn bye(&self, c: &Connection, why: CloseReason) {
                self.log(c, why);
            }
        }
    };
    let expansion = server(options.clone(), item.clone());
    compare("impl_block.rs", &quote!(#[netpoll::server(#options)] #item), expansion);
}

#[test]
fn a_struct_with_free_functions() {
    let options = quote!(listen = "0.0.0.0:8888", on_request = call, on_error = fault);
    let item = quote!(
        struct Rpc {
            reg: Registry,
        }
    );
    let hook_set = server(options.clone(), item.clone());
    let concurrent = quote!(concurrent = 256, timeout = "1s");
    let call = quote! {
        async fn call(
            st: State<'_, Rpc>,
            cancel: Cancel,
            req: TtHeader<'_>,
        ) -> Result<TtReply, RpcError> {
            st.reg.call(cancel, req).await
        }
    };
    let handler = hook(Kind::Request, concurrent.clone(), call.clone());
    let source = quote! {
        #[netpoll::server(#options)]
        #item
        #[netpoll::on_request(#concurrent)]
        #call
    };
    compare("struct_and_functions.rs", &source, quote!(#hook_set #handler));
}

/// `expansion` has `item` in it, whatever space is between the tokens.
fn contains(expansion: &TokenStream, item: &str) -> bool {
    let dense = |text: String| text.split_whitespace().collect::<String>();
    dense(expansion.to_string()).contains(&dense(item.to_owned()))
}

#[test]
fn a_half_written_body_is_not_read() {
    let half =
        "fn run(&self, request: Bench<'_>) { let x = self. ; match request { Bench { => } } }";
    let item: TokenStream = format!("impl Kv {{ #[on_request] {half} fn }}").parse().unwrap();
    let expansion = server(TokenStream::new(), item);
    assert!(contains(&expansion, half), "{expansion}");
    assert!(contains(&expansion, "impl __p::HookSet for Kv"), "{expansion}");
    assert!(!expansion.to_string().contains("compile_error"), "{expansion}");

    let half = "fn echo(request: Bench<'_>) { request. }";
    let expansion = hook(Kind::Request, TokenStream::new(), half.parse().unwrap());
    assert!(contains(&expansion, half) && contains(&expansion, "struct echo"), "{expansion}");
    assert!(!expansion.to_string().contains("compile_error"), "{expansion}");
}

#[test]
fn the_item_is_emitted_on_error_too() {
    let item = "fn echo(a: Bench<'_>, b: Bench<'_>) { a. }";
    let expansion = hook(Kind::Request, quote!(conc = 3), item.parse().unwrap());
    assert!(contains(&expansion, item) && contains(&expansion, "struct echo"), "{expansion}");
    assert_eq!(expansion.to_string().matches("compile_error").count(), 2, "{expansion}");

    let body = "fn run(&mut self, request: Bench<'_>) { request. }";
    let item: TokenStream = format!("impl Kv {{ #[on_request] {body} }}").parse().unwrap();
    let expansion = server(quote!(listen = 3), item);
    assert!(contains(&expansion, body), "{expansion}");
    assert!(contains(&expansion, "impl __p::Service for Kv"), "{expansion}");
}

#[test]
fn an_empty_list_of_layers_adds_nothing() {
    let item = quote! {
        impl Kv {
            #[on_request]
            fn get(&self, get: Get<'_>) -> Value {
                self.find(get)
            }
        }
    };
    let expanded = |options: TokenStream| server(options, item.clone()).to_string();
    assert_eq!(expanded(quote!(layers = [])), expanded(TokenStream::new()));
}
