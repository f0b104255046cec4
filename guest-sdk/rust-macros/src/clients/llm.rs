//! The client of a resource of kind `llm`.

use proc_macro2::TokenStream;
use quote::quote;

use super::words;
use crate::signature::Calling;

pub(super) fn items(calling: Calling) -> TokenStream {
    let (async_, await_) = words(calling);
    // A blocking import borrows its text, an async one has to own it until the call is over.
    let asked = match calling {
        Calling::Sync => quote! { &asked },
        Calling::Async => quote! { asked },
    };
    quote! {
        use ::airlock_guest::HostError;
        use ::airlock_guest::llm::{Completion, Piece, Request, decode, encode};

        /// Waits for the whole completion.
        pub(crate) #async_ fn complete(request: &Request) -> ::core::result::Result<Completion, HostError> {
            let asked = encode(request)?;
            decode(&raw::complete(#asked) #await_ ?)
        }

        /// Starts a completion that comes as it is made.
        pub(crate) #async_ fn complete_stream(request: &Request) -> ::core::result::Result<Pieces, HostError> {
            let asked = encode(request)?;
            Ok(Pieces(raw::complete_stream(#asked) #await_ ?))
        }

        /// A completion that comes as it is made. Dropped, it ends; what was reserved for it stays taken then.
        pub(crate) struct Pieces(raw::Pieces);

        impl Pieces {
            /// More text, at last all of it, none after that.
            pub(crate) #async_ fn next(&mut self) -> ::core::result::Result<Option<Piece>, HostError> {
                let piece = self.0.next() #await_ ?;
                piece.map(|text| decode(&text)).transpose()
            }
        }
    }
}
