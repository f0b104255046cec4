//! One client module per resource: the SDK's types in front of the generated ones.

mod blob;
mod kv;

use proc_macro2::TokenStream;
use quote::quote;

use crate::manifest::{Kind, Resource};
use crate::signature::Calling;

/// The items of the module `resources`.
pub(crate) fn modules(resources: &[Resource], calling: Calling) -> TokenStream {
    resources.iter().map(|resource| module(resource, calling)).collect()
}

fn module(resource: &Resource, calling: Calling) -> TokenStream {
    let module = resource.module();
    let title = format!("Client of the resource `{}`.", resource.name);
    let items = match resource.kind {
        Kind::Sql => sql(calling),
        Kind::Http => http(calling),
        Kind::Kv => kv::items(calling),
        Kind::Blob => blob::items(calling),
    };
    let kind = quote::format_ident!("{}", resource.kind.name());
    quote! {
        #[doc = #title]
        pub(crate) mod #module {
            use super::super::__airlock::resources::#module::#kind as raw;
            #items
        }
    }
}

/// The words that make a function async and wait for one.
fn words(calling: Calling) -> (TokenStream, TokenStream) {
    match calling {
        Calling::Sync => (TokenStream::new(), TokenStream::new()),
        Calling::Async => (quote! { async }, quote! { .await }),
    }
}

fn sql(calling: Calling) -> TokenStream {
    let (async_, await_) = words(calling);
    // A blocking import borrows its text, an async one has to own it until the call is over.
    let (statement, parameters) = match calling {
        Calling::Sync => (quote! { statement }, quote! { &parameters }),
        Calling::Async => (quote! { statement.to_owned() }, quote! { parameters }),
    };
    quote! {
        use ::airlock_guest::HostError;
        use ::airlock_guest::sql::{Column, Rows, parameters};

        /// Runs one statement that only reads. Parameters are always bound: a tuple, an array, or `()`.
        pub(crate) #async_ fn query(statement: &str, values: impl ::airlock_guest::private::Serialize) -> ::core::result::Result<Rows, HostError> {
            let parameters = parameters(&values)?;
            let rows = raw::query(#statement, #parameters) #await_ ?;
            let columns = rows.columns.into_iter().map(|column| Column { name: column.name, database_type: column.database_type });
            Ok(Rows::from_parts(columns.collect(), rows.rows, rows.truncated))
        }

        /// Runs one statement that writes, and gives the number of rows it changed.
        pub(crate) #async_ fn execute(statement: &str, values: impl ::airlock_guest::private::Serialize) -> ::core::result::Result<u64, HostError> {
            let parameters = parameters(&values)?;
            let affected = raw::execute(#statement, #parameters) #await_ ?;
            Ok(affected.rows as u64)
        }
    }
}

fn http(calling: Calling) -> TokenStream {
    let (async_, await_) = words(calling);
    let argument = match calling {
        Calling::Sync => quote! { &raw_request },
        Calling::Async => quote! { raw_request },
    };
    quote! {
        use ::airlock_guest::HostError;
        use ::airlock_guest::http::{Request, Response};

        /// Sends one request. Redirects are not followed.
        pub(crate) #async_ fn request(request: Request) -> ::core::result::Result<Response, HostError> {
            let Request { method, path, query, headers, body } = request;
            let raw_request = raw::Request { method, path, query, headers, body };
            let raw::Response { status, headers, body } = raw::send(#argument) #await_ ?;
            Ok(Response { status, headers, body })
        }

        /// Reads one path.
        pub(crate) #async_ fn get(path: &str) -> ::core::result::Result<Response, HostError> {
            request(Request::new("GET", path)) #await_
        }

        /// Sends a JSON body to one path.
        pub(crate) #async_ fn post(path: &str, body: &impl ::airlock_guest::private::Serialize) -> ::core::result::Result<Response, HostError> {
            request(Request::new("POST", path).json(body)?) #await_
        }
    }
}
