//! One client module per resource: the SDK's types in front of the generated ones.

mod blob;
mod graphql;
mod kv;
mod llm;

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
        Kind::Graphql => graphql::items(calling),
        Kind::Llm => llm::items(calling),
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
    let (statement, parameters) = arguments(calling);
    let alone = statements(calling, &TokenStream::new(), &quote! { raw:: });
    let within = statements(calling, &quote! { &self, }, &quote! { self.0. });
    quote! {
        use ::airlock_guest::HostError;
        use ::airlock_guest::sql::{Column, Rows, parameters};

        #alone

        /// Starts one statement that only reads, for results of any size: its rows are taken in batches.
        pub(crate) #async_ fn query_stream(statement: &str, values: impl ::airlock_guest::private::Serialize) -> ::core::result::Result<Batches, HostError> {
            let parameters = parameters(&values)?;
            Ok(Batches(raw::query_stream(#statement, #parameters) #await_ ?))
        }

        /// The rows of a query, some at a time: the database goes no further than `next` asks. Dropped, the query ends.
        pub(crate) struct Batches(raw::Batches);

        impl Batches {
            /// The next rows, none after the last of them. A batch that is truncated is the last, and may be empty.
            pub(crate) #async_ fn next(&mut self) -> ::core::result::Result<Option<Rows>, HostError> {
                Ok(self.0.next() #await_ ?.map(rows_of))
            }
        }

        /// Opens a transaction: one that can write where the function may, and otherwise one that reads a single state.
        pub(crate) #async_ fn begin() -> ::core::result::Result<Transaction, HostError> {
            Ok(Transaction(raw::begin() #await_ ?))
        }

        /// Statements that take effect together or not at all. Dropped, it is rolled back; a statement that fails in the
        /// database ends it at once.
        pub(crate) struct Transaction(raw::Transaction);

        impl Transaction {
            #within

            /// Makes the changes last.
            pub(crate) #async_ fn commit(self) -> ::core::result::Result<(), HostError> {
                Ok(self.0.commit() #await_ ?)
            }

            /// Undoes the changes, and waits until they are.
            pub(crate) #async_ fn rollback(self) -> ::core::result::Result<(), HostError> {
                Ok(self.0.rollback() #await_ ?)
            }
        }

        fn rows_of(rows: raw::Rows) -> Rows {
            let columns = rows.columns.into_iter().map(|column| Column { name: column.name, database_type: column.database_type });
            Rows::from_parts(columns.collect(), rows.rows, rows.truncated)
        }
    }
}

/// A blocking import borrows its text, an async one has to own it until the call is over.
fn arguments(calling: Calling) -> (TokenStream, TokenStream) {
    match calling {
        Calling::Sync => (quote! { statement }, quote! { &parameters }),
        Calling::Async => (quote! { statement.to_owned() }, quote! { parameters }),
    }
}

/// `query` and `execute`, of the database or of what `receiver` holds; `raw` is what stands before their names there.
fn statements(calling: Calling, receiver: &TokenStream, raw: &TokenStream) -> TokenStream {
    let (async_, await_) = words(calling);
    let (statement, parameters) = arguments(calling);
    quote! {
        /// Runs one statement that only reads. Parameters are always bound: a tuple, an array, or `()`.
        pub(crate) #async_ fn query(#receiver statement: &str, values: impl ::airlock_guest::private::Serialize) -> ::core::result::Result<Rows, HostError> {
            let parameters = parameters(&values)?;
            Ok(rows_of(#raw query(#statement, #parameters) #await_ ?))
        }

        /// Runs one statement that writes, and gives the number of rows it changed.
        pub(crate) #async_ fn execute(#receiver statement: &str, values: impl ::airlock_guest::private::Serialize) -> ::core::result::Result<u64, HostError> {
            let parameters = parameters(&values)?;
            let affected = #raw execute(#statement, #parameters) #await_ ?;
            Ok(affected.rows as u64)
        }
    }
}

fn http(calling: Calling) -> TokenStream {
    let (async_, await_) = words(calling);
    let (argument, url, bytes) = match calling {
        Calling::Sync => (quote! { &raw_request }, quote! { url }, quote! { bytes }),
        Calling::Async => (quote! { raw_request }, quote! { url.to_owned() }, quote! { bytes.to_vec() }),
    };
    quote! {
        use ::airlock_guest::HostError;
        use ::airlock_guest::http::{Head, Request, Response};

        /// Sends one request. Redirects are followed as far as the binding says.
        pub(crate) #async_ fn request(request: Request) -> ::core::result::Result<Response, HostError> {
            let Request { method, path, query, headers, body } = request;
            let raw_request = raw::Request { method, path, query, headers, body };
            let raw::Response { status, headers, body } = raw::send(#argument) #await_ ?;
            Ok(Response { status, headers, body })
        }

        /// Whether the resource covers a URL.
        pub(crate) #async_ fn covers(url: &str) -> ::core::result::Result<bool, HostError> {
            Ok(raw::covers(#url) #await_ ?)
        }

        /// Prepares a request that is carried out step by step.
        pub(crate) #async_ fn open(request: Request) -> ::core::result::Result<Exchange, HostError> {
            let Request { method, path, query, headers, body } = request;
            let raw_request = raw::Request { method, path, query, headers, body };
            Ok(Exchange(raw::open(#argument) #await_ ?))
        }

        /// First `write`, as often as needed, then `response`, then `next` until there is none. Dropped, it breaks off.
        pub(crate) struct Exchange(raw::Exchange);

        impl Exchange {
            /// Hands over a piece of the request's body, and waits until there is room for the next.
            pub(crate) #async_ fn write(&mut self, bytes: &[u8]) -> ::core::result::Result<(), HostError> {
                Ok(self.0.write(#bytes) #await_ ?)
            }

            /// Ends the request, and waits for the head of its response.
            pub(crate) #async_ fn response(&mut self) -> ::core::result::Result<Head, HostError> {
                let raw::Head { status, headers } = self.0.response() #await_ ?;
                Ok(Head { status, headers })
            }

            /// The next piece of the response's body, none after the last of them.
            pub(crate) #async_ fn next(&mut self) -> ::core::result::Result<Option<::std::vec::Vec<u8>>, HostError> {
                Ok(self.0.next() #await_ ?)
            }
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
