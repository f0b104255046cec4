//! What goes out over HTTP, against real servers and a DNS server of our own on loopback.

mod client;
mod credentials;
mod dns;
mod explain;
mod fetch;
mod graphql;
mod guests;
mod llm;
mod names;
mod redirects;
mod repeats;
mod soql;
mod spellings;
mod streams;
mod upstream;
