//! The client of a resource of kind `blob`.

use proc_macro2::TokenStream;
use quote::quote;

use super::words;
use crate::signature::Calling;

pub(super) fn items(calling: Calling) -> TokenStream {
    let (reading, changing) = (reading(calling), changing(calling));
    quote! {
        use ::airlock_guest::HostError;
        use ::airlock_guest::blob::{Entry, Info, Page, Piece};
        use ::core::time::Duration;

        fn info(raw: raw::Info) -> Info {
            Info { size: raw.size as u64, content_type: raw.content_type, etag: raw.etag }
        }

        #reading
        #changing
    }
}

fn reading(calling: Calling) -> TokenStream {
    let (async_, await_) = words(calling);
    let (key, prefix, cursor) = match calling {
        Calling::Sync => (quote! { key }, quote! { prefix }, quote! { cursor }),
        Calling::Async => (
            quote! { key.to_owned() },
            quote! { prefix.to_owned() },
            quote! { cursor.map(::std::borrow::ToOwned::to_owned) },
        ),
    };
    quote! {
        /// A piece of an object from `offset` on, if there is such an object: at most `length` bytes, and at most 1 MiB.
        pub(crate) #async_ fn get(key: &str, offset: u64, length: Option<u64>) -> ::core::result::Result<Option<Piece>, HostError> {
            let found = raw::get(#key, offset as f64, length.map(|length| length as f64)) #await_ ?;
            Ok(found.map(|piece| Piece { info: info(piece.info), bytes: piece.bytes }))
        }

        /// What is known of an object, if there is one.
        pub(crate) #async_ fn head(key: &str) -> ::core::result::Result<Option<Info>, HostError> {
            let found = raw::head(#key) #await_ ?;
            Ok(found.map(info))
        }

        /// A page of the objects whose keys begin with `prefix`; no cursor begins with the first.
        pub(crate) #async_ fn list(prefix: &str, cursor: Option<&str>) -> ::core::result::Result<Page, HostError> {
            let page = raw::list(#prefix, #cursor) #await_ ?;
            let entries = page.entries.into_iter().map(|entry| Entry { key: entry.key, size: entry.size as u64 });
            Ok(Page { entries: entries.collect(), cursor: page.cursor })
        }

        /// A URL that reads the object without a token, where the operator allows it.
        pub(crate) #async_ fn signed_url(key: &str, ttl: Duration) -> ::core::result::Result<String, HostError> {
            Ok(raw::signed_url(#key, ttl.as_millis() as f64) #await_ ?)
        }
    }
}

fn changing(calling: Calling) -> TokenStream {
    let (async_, await_) = words(calling);
    let (key, content_type, bytes) = match calling {
        Calling::Sync => (quote! { key }, quote! { content_type }, quote! { &bytes }),
        Calling::Async => (quote! { key.to_owned() }, quote! { content_type.to_owned() }, quote! { bytes }),
    };
    quote! {
        /// Stores an object, whatever was there, all of it or nothing. Gives its etag.
        pub(crate) #async_ fn put(key: &str, content_type: &str, bytes: Vec<u8>) -> ::core::result::Result<String, HostError> {
            Ok(raw::put(#key, #content_type, #bytes) #await_ ?)
        }

        /// Removes an object. It is no error if there is none.
        pub(crate) #async_ fn delete(key: &str) -> ::core::result::Result<(), HostError> {
            Ok(raw::delete(#key) #await_ ?)
        }
    }
}
