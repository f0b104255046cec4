//! What the attribute accepts as a handler.

use proc_macro2::{Ident, TokenStream};
use syn::spanned::Spanned;
use syn::{Error, FnArg, ItemFn, ReturnType};

/// How the export is lifted and the imports are lowered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Calling {
    /// `fn`: the host runs the call on a stack of its own, host calls block it.
    Sync,
    /// `async fn`: stackless, host calls can overlap.
    Async,
}

/// A handler whose form is right. Its types are left to the compiler.
pub(crate) struct Handler {
    pub(crate) item: ItemFn,
    pub(crate) calling: Calling,
}

impl Handler {
    pub(crate) fn parse(arguments: &TokenStream, item: TokenStream) -> Result<Self, Error> {
        if !arguments.is_empty() {
            return Err(Error::new(
                arguments.span(),
                "#[airlock_guest::function] takes no arguments; settings stand in function.toml",
            ));
        }
        let item: ItemFn = syn::parse2(item)?;
        check(&item)?;
        let calling = if item.sig.asyncness.is_some() { Calling::Async } else { Calling::Sync };
        Ok(Self { item, calling })
    }

    pub(crate) fn name(&self) -> &Ident {
        &self.item.sig.ident
    }
}

fn check(item: &ItemFn) -> Result<(), Error> {
    let signature = &item.sig;
    let refuse = |span, message: &str| Err(Error::new(span, message));
    if signature.generics.type_params().next().is_some() || signature.generics.const_params().next().is_some() {
        return refuse(signature.generics.span(), "a handler cannot be generic: the caller sends one type");
    }
    if matches!(signature.inputs.first(), Some(FnArg::Receiver(_))) {
        return refuse(signature.inputs.span(), "a handler is a free function, without `self`");
    }
    if signature.inputs.len() != 1 {
        return refuse(
            signature.span(),
            "a handler takes one argument: the input, a type that implements `Deserialize`",
        );
    }
    if matches!(signature.output, ReturnType::Default) {
        return refuse(signature.span(), "a handler returns `Result<Output, airlock_guest::Error>`");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use quote::quote;

    fn refusal(item: TokenStream) -> String {
        Handler::parse(&TokenStream::new(), item).err().map(|error| error.to_string()).unwrap_or_default()
    }

    #[test]
    fn asyncness_decides_the_calling() {
        let calling = |item| Handler::parse(&TokenStream::new(), item).map(|handler| handler.calling).ok();
        assert_eq!(calling(quote! { fn handle(input: In) -> Result<Out, Error> { body() } }), Some(Calling::Sync));
        assert_eq!(
            calling(quote! { async fn handle(input: In) -> Result<Out, Error> { body() } }),
            Some(Calling::Async)
        );
    }

    #[test]
    fn other_forms_are_refused_with_the_right_form() {
        assert!(refusal(quote! { fn handle() -> Result<Out, Error> { body() } }).contains("takes one argument"));
        assert!(refusal(quote! { fn handle(input: In) { body() } }).contains("returns `Result"));
        assert!(refusal(quote! { fn handle<T>(input: T) -> Result<Out, Error> { body() } }).contains("generic"));
        assert!(refusal(quote! { fn handle(&self, input: In) -> Result<Out, Error> { body() } }).contains("self"));
        assert!(Handler::parse(&quote! { name = "f" }, quote! { fn f(a: A) -> B { c() } }).is_err());
    }
}
