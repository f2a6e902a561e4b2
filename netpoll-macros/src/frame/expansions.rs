//! Expansions of five formats, compared with those that are committed under `expansions/`: whoever
//! changes the generated code sees and shows what changes. `UPDATE_EXPANSIONS=1` writes them.

use std::{fs, path::Path};

use quote::quote;

fn compare(name: &str, item: proc_macro2::TokenStream) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("expansions").join(name);
    let source = prettyplease::unparse(&syn::parse2(quote!(#[derive(Frame)] #item)).unwrap());
    let expansion = super::derive(item);
    assert!(!expansion.to_string().contains("unsafe"), "generated code is safe");
    let expansion = prettyplease::unparse(&syn::parse2(expansion).unwrap());
    let text = format!("// The expansion of:\n//\n{}\n{expansion}", commented(&source));
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

fn commented(source: &str) -> String {
    source.lines().map(|line| format!("//     {line}\n")).collect()
}

#[test]
fn length_and_rest() {
    compare(
        "bench.rs",
        quote! {
            struct Bench<'a> {
                #[frame(len(of = rest))]
                n: Auto<u32>,
                #[frame(rest)]
                body: &'a [u8],
            }
        },
    );
}

#[test]
fn bits() {
    compare(
        "http2.rs",
        quote! {
            struct H2<'a> {
                #[frame(u24, len(of = payload))]
                n: Auto<u32>,
                kind: u8,
                flags: u8,
                #[frame(bits = 1)]
                r: bool,
                #[frame(bits = 31)]
                stream: u32,
                payload: &'a [u8],
            }
        },
    );
}

#[test]
fn optional_and_nested() {
    compare(
        "kafka.rs",
        quote! {
            struct Kafka<'a> {
                #[frame(len(of = rest))]
                n: Auto<u32>,
                api: i16,
                ver: i16,
                #[frame(seq)]
                corr: i32,
                #[frame(prefix = i16, none = -1)]
                client: Option<&'a str>,
                #[frame(if = flexible(api, ver))]
                tags: Option<TagList<'a>>,
                #[frame(rest)]
                body: &'a [u8],
            }
        },
    );
}

#[test]
fn conditions() {
    compare(
        "websocket.rs",
        quote! {
            struct Ws<'a> {
                #[frame(bits = 1)]
                fin: bool,
                #[frame(bits = 3)]
                rsv: u8,
                #[frame(bits = 4)]
                op: u8,
                #[frame(bits = 1)]
                mask: bool,
                #[frame(bits = 7)]
                n7: u8,
                #[frame(if = n7 == 126)]
                n16: Option<u16>,
                #[frame(if = n7 == 127)]
                n64: Option<u64>,
                #[frame(if = mask)]
                key: Option<u32>,
                #[frame(size = ws_len(n7, n16, n64))]
                body: &'a [u8],
            }
        },
    );
}

#[test]
fn tags_and_recursion() {
    compare(
        "resp.rs",
        quote! {
            #[frame(tag = u8, recursive(depth = 32))]
            enum Resp<'a> {
                #[frame(tag = b'+')]
                Simple(#[frame(until = b"\r\n")] &'a str),
                #[frame(tag = b':')]
                Int(#[frame(ascii, until = b"\r\n")] i64),
                #[frame(tag = b'$')]
                Bulk(#[frame(prefix = AsciiCrlf, none = -1, tail = b"\r\n")] Option<&'a [u8]>),
                #[frame(tag = b'*')]
                Array(#[frame(count_prefix = AsciiCrlf, none = -1)] Option<Vec<Resp<'a>>>),
            }
        },
    );
}
