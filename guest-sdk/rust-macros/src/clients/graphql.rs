//! The client of a resource of kind `graphql`.

use proc_macro2::TokenStream;
use quote::{format_ident, quote};

use super::words;
use crate::signature::Calling;

pub(super) fn items(calling: Calling) -> TokenStream {
    let query = function(calling, "query", "Runs one query. Values travel as variables: anything that becomes a JSON object, or `()`.");
    let mutate = function(calling, "mutate", "Runs one mutation.");
    quote! {
        use ::airlock_guest::HostError;
        use ::airlock_guest::graphql::{Answer, Problem, answer, variables};

        #query
        #mutate

        fn answered<T: ::airlock_guest::private::DeserializeOwned>(answered: raw::Answer) -> ::core::result::Result<Answer<T>, HostError> {
            let problem = |one: raw::Problem| Problem { message: one.message, code: one.code, path: one.path };
            answer(&answered.data, answered.problems.into_iter().map(problem).collect())
        }
    }
}

fn function(calling: Calling, name: &str, doc: &str) -> TokenStream {
    let (async_, await_) = words(calling);
    // A blocking import borrows its text, an async one has to own it until the call is over.
    let arguments = match calling {
        Calling::Sync => quote! { document, &values },
        Calling::Async => quote! { document.to_owned(), values },
    };
    let name = format_ident!("{name}");
    quote! {
        #[doc = #doc]
        pub(crate) #async_ fn #name<T: ::airlock_guest::private::DeserializeOwned>(
            document: &str,
            values: impl ::airlock_guest::private::Serialize,
        ) -> ::core::result::Result<Answer<T>, HostError> {
            let values = variables(&values)?;
            answered(raw::#name(#arguments) #await_ ?)
        }
    }
}
