//! What the clients of object stores take and give.

use serde::Serialize;

/// What is known of one object.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Info {
    /// All of it, in bytes.
    pub size: u64,
    /// As it was stored.
    pub content_type: String,
    /// Changes with the content. Opaque.
    pub etag: String,
}

/// A piece of one object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Piece {
    /// Of the whole object.
    pub info: Info,
    /// From the offset on: at most what was asked for, and at most 1 MiB. Empty at the end.
    pub bytes: Vec<u8>,
}

/// One object in a listing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Entry {
    /// The whole key.
    pub key: String,
    /// In bytes.
    pub size: u64,
}

/// Some of the objects with a prefix.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Page {
    /// In no promised order. May be empty although more follow.
    pub entries: Vec<Entry>,
    /// Where the next page begins; `None` after the last.
    pub cursor: Option<String>,
}
