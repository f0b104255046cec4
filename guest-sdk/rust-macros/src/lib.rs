//! The attribute of `airlock-guest`. Use it through that crate: the expansion names its items.

mod clients;
mod expand;
mod manifest;
mod signature;
mod world;

use proc_macro::TokenStream;

/// Makes a function the handler of this guest project.
///
/// The function takes one value that deserialises and gives `Result<Out, E>`, where `Out` serialises and `E` converts
/// into `airlock_guest::Error`. `function.toml` beside `Cargo.toml` says which resources it may use: for each of them
/// the module `resources` gets a client, async in an `async fn` and blocking in a plain one. Once per project.
#[proc_macro_attribute]
pub fn function(arguments: TokenStream, item: TokenStream) -> TokenStream {
    expand::function(arguments.into(), item.into()).unwrap_or_else(syn::Error::into_compile_error).into()
}
