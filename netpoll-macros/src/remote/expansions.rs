//! Expansions of items with errors: the item is kept, each mistake is one error.

use proc_macro2::TokenStream;

use super::service;

fn errors(options: &str, item: &str) -> usize {
    let expansion = service(options.parse().unwrap(), item.parse::<TokenStream>().unwrap());
    expansion.to_string().matches("compile_error").count()
}

#[test]
fn each_mistake_is_one_error() {
    for (options, item, expected) in [
        ("", "trait T { async fn a(&self); }", 0),
        ("payload = netpoll::Json", "pub trait T { fn a(&self, n: u8) -> Result<u8, E>; }", 0),
        ("paylod = Json", "trait T { async fn a(&self); }", 1),
        ("", "struct T;", 1),
        ("", "trait T {}", 1),
        ("", "trait T<X> { async fn a(&self); }", 1),
        ("", "trait T { const N: u8; }", 1),
        ("", "trait T { async fn a(&self) { } }", 1),
        ("", "trait T { async fn a(); }", 1),
        ("", "trait T { async fn a(&mut self); }", 1),
        ("", "trait T { async fn a<X>(&self); }", 1),
        ("", "trait T { async fn a(&self, text: &str); }", 1),
        ("", "trait T { async fn a(&self, (a, b): (u8, u8)); }", 1),
        ("", "trait T { async fn a(&self) -> &str; }", 1),
        ("", "trait T { async fn a(&self) -> Result<u8>; }", 1),
        ("", "trait T { #[rout = \"x\"] async fn a(&self); }", 1),
        ("", "trait T { #[route = 5] async fn a(&self); }", 1),
        ("", "trait T { #[route = \"b\"] async fn a(&self); async fn b(&self); }", 2),
    ] {
        assert_eq!(errors(options, item), expected, "#[service({options})] {item}");
    }
}
