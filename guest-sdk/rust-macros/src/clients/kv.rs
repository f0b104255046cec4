//! The client of a resource of kind `kv`.

use proc_macro2::TokenStream;
use quote::quote;

use super::words;
use crate::signature::Calling;

/// How an argument is handed to a generated import: a blocking one borrows its text, an async one has to own it until the
/// call is over.
struct Arguments {
    key: TokenStream,
    prefix: TokenStream,
    cursor: TokenStream,
    value: TokenStream,
    expected: TokenStream,
}

fn arguments(calling: Calling) -> Arguments {
    match calling {
        Calling::Sync => Arguments {
            key: quote! { key },
            prefix: quote! { prefix },
            cursor: quote! { cursor },
            value: quote! { &value },
            expected: quote! { expected.as_deref() },
        },
        Calling::Async => Arguments {
            key: quote! { key.to_owned() },
            prefix: quote! { prefix.to_owned() },
            cursor: quote! { cursor.map(::std::borrow::ToOwned::to_owned) },
            value: quote! { value },
            expected: quote! { expected },
        },
    }
}

pub(super) fn items(calling: Calling) -> TokenStream {
    let (reading, changing) = (reading(calling), changing(calling));
    quote! {
        use ::airlock_guest::HostError;
        use ::airlock_guest::kv::{Page, decode, encode, milliseconds};
        use ::airlock_guest::private::{DeserializeOwned, Serialize};
        use ::core::time::Duration;

        #reading
        #changing
    }
}

fn reading(calling: Calling) -> TokenStream {
    let (async_, await_) = words(calling);
    let Arguments { key, prefix, cursor, .. } = arguments(calling);
    quote! {
        /// The value of an entry, if there is one.
        pub(crate) #async_ fn get<T: DeserializeOwned>(key: &str) -> ::core::result::Result<Option<T>, HostError> {
            decode(get_text(key) #await_ ?)
        }

        /// The text of an entry as it is, without JSON.
        pub(crate) #async_ fn get_text(key: &str) -> ::core::result::Result<Option<String>, HostError> {
            Ok(raw::get(#key) #await_ ?)
        }

        /// A page of the keys that begin with `prefix`, in no promised order; no cursor begins with the first.
        pub(crate) #async_ fn list(prefix: &str, cursor: Option<&str>) -> ::core::result::Result<Page, HostError> {
            let raw::Page { keys, cursor } = raw::list(#prefix, #cursor) #await_ ?;
            Ok(Page { keys, cursor })
        }
    }
}

fn changing(calling: Calling) -> TokenStream {
    let (async_, await_) = words(calling);
    let Arguments { key, value, expected, .. } = arguments(calling);
    let text = match calling {
        Calling::Sync => quote! { text },
        Calling::Async => quote! { text.to_owned() },
    };
    quote! {
        /// Sets an entry, whatever was there. Without a time to live it stays.
        pub(crate) #async_ fn set(key: &str, value: &impl Serialize, ttl: Option<Duration>) -> ::core::result::Result<(), HostError> {
            let value = encode(value)?;
            Ok(raw::set(#key, #value, milliseconds(ttl)) #await_ ?)
        }

        /// Sets an entry to the text as it is, without JSON.
        pub(crate) #async_ fn set_text(key: &str, text: &str, ttl: Option<Duration>) -> ::core::result::Result<(), HostError> {
            Ok(raw::set(#key, #text, milliseconds(ttl)) #await_ ?)
        }

        /// Removes an entry, and says whether there was one.
        pub(crate) #async_ fn delete(key: &str) -> ::core::result::Result<bool, HostError> {
            Ok(raw::delete(#key) #await_ ?)
        }

        /// Adds to a whole number and gives the sum; a missing entry counts as 0. The time to live is for a new entry.
        pub(crate) #async_ fn increment(key: &str, by: i64, ttl: Option<Duration>) -> ::core::result::Result<i64, HostError> {
            let sum = raw::increment(#key, by as f64, milliseconds(ttl)) #await_ ?;
            Ok(sum as i64)
        }

        /// Sets an entry if its JSON is that of `expected` (`None`: if there is none), and says whether it did.
        pub(crate) #async_ fn compare_and_set<T: Serialize>(
            key: &str,
            expected: Option<&T>,
            value: &T,
            ttl: Option<Duration>,
        ) -> ::core::result::Result<bool, HostError> {
            let (expected, value) = (expected.map(encode).transpose()?, encode(value)?);
            Ok(raw::compare_and_set(#key, #expected, #value, milliseconds(ttl)) #await_ ?)
        }
    }
}
