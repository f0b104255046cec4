//! The whole expansion: the handler as written, the world, the export, the clients.

use std::path::PathBuf;

use proc_macro2::{Span, TokenStream};
use quote::quote;
use syn::Error;

use crate::manifest::{self, Resource};
use crate::signature::{Calling, Handler};
use crate::{clients, world};

/// What `#[airlock_guest::function]` becomes.
pub(crate) fn function(arguments: TokenStream, item: TokenStream) -> Result<TokenStream, Error> {
    let handler = Handler::parse(&arguments, item)?;
    let resources = project().and_then(|project| manifest::resources(&project));
    let resources = resources.map_err(|message| Error::new(Span::call_site(), message))?;
    Ok(items(&handler, &resources))
}

fn project() -> Result<PathBuf, String> {
    // Cargo gives it to the compiler of every crate; without it there is no project to read.
    std::env::var_os("CARGO_MANIFEST_DIR")
        .map(PathBuf::from)
        .ok_or_else(|| "CARGO_MANIFEST_DIR is not set: build the function with cargo or `airlock build`".to_owned())
}

fn items(handler: &Handler, resources: &[Resource]) -> TokenStream {
    let written = &handler.item;
    let bindings = bindings(handler.calling, &world::text(resources));
    let export = export(handler);
    let clients = clients::modules(resources, handler.calling);
    quote! {
        #written

        /// Clients of the resources that function.toml declares.
        #[allow(dead_code, unused_imports, clippy::all, clippy::pedantic)]
        pub(crate) mod resources { #clients }

        #[doc(hidden)]
        #[allow(dead_code, missing_docs, unsafe_code, unused, unreachable_pub, clippy::all, clippy::pedantic)]
        mod __airlock {
            // The compiler reads the file again when it changes.
            const _: &str = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/function.toml"));
            #bindings
            #export
        }
    }
}

fn bindings(calling: Calling, world: &str) -> TokenStream {
    let calling = match calling {
        Calling::Sync => quote! { async: false, },
        Calling::Async => TokenStream::new(),
    };
    quote! {
        ::airlock_guest::private::wit_bindgen::generate!({
            inline: #world,
            world: "airlock:rust-function/function",
            with: { "airlock:guest/types@1.0.0": ::airlock_guest::private::types },
            generate_all,
            runtime_path: "::airlock_guest::private::wit_bindgen::rt",
            #calling
        });
    }
}

fn export(handler: &Handler) -> TokenStream {
    let name = handler.name();
    let (async_, await_) = match handler.calling {
        Calling::Sync => (TokenStream::new(), TokenStream::new()),
        Calling::Async => (quote! { async }, quote! { .await }),
    };
    quote! {
        struct Component;

        impl exports::airlock::guest::handler::Guest for Component {
            #async_ fn handle(
                input: ::std::string::String,
            ) -> ::core::result::Result<::std::string::String, ::airlock_guest::private::types::FunctionError> {
                ::airlock_guest::private::install_panic_hook();
                let input = ::airlock_guest::private::decode(&input)?;
                ::airlock_guest::private::encode(super::#name(input) #await_)
            }
        }

        export!(Component with_types_in self);
    }
}
