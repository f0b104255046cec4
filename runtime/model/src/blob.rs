//! What a guest asks of an object store, as written and as parsed, and what it is told.

use std::num::NonZeroU64;

use serde::{Deserialize, Serialize};

use crate::{Cursor, KeyPrefix, ResourceName, StoreKey, key::KeyError};

const CONTENT_TYPE_BYTES_MAX: usize = 255;

/// One call to an object store.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct BlobCall {
    /// The store.
    pub resource: ResourceName,
    /// What to do, as the guest wrote it.
    pub action: BlobAction,
}

/// What a guest wants done. Nothing in it has been looked at.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "the fields are those of guest-sdk/wit/kinds/blob.wit")]
pub enum BlobAction {
    /// Reads a piece of one object.
    Get { key: String, offset: f64, length: Option<f64> },
    /// Reads what is known of one object.
    Head { key: String },
    /// Stores one object, whatever was there.
    Put { key: String, content_type: String, bytes: Vec<u8> },
    /// Removes one object.
    Delete { key: String },
    /// Reads a page of objects.
    List { prefix: String, cursor: Option<String> },
    /// Makes a URL that reads one object without a token.
    SignedUrl { key: String, ttl_ms: f64 },
}

impl BlobAction {
    /// The name of the function in the WIT.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Get { .. } => "get",
            Self::Head { .. } => "head",
            Self::Put { .. } => "put",
            Self::Delete { .. } => "delete",
            Self::List { .. } => "list",
            Self::SignedUrl { .. } => "signed-url",
        }
    }

    /// Whether the store is another afterwards.
    #[must_use]
    pub const fn changes(&self) -> bool {
        match self {
            Self::Get { .. } | Self::Head { .. } | Self::List { .. } | Self::SignedUrl { .. } => false,
            Self::Put { .. } | Self::Delete { .. } => true,
        }
    }

    /// The key or prefix that it is about.
    #[must_use]
    pub fn target(&self) -> &str {
        match self {
            Self::Get { key, .. }
            | Self::Head { key }
            | Self::Put { key, .. }
            | Self::Delete { key }
            | Self::SignedUrl { key, .. } => key,
            Self::List { prefix, .. } => prefix,
        }
    }

    /// What it stores, type and bytes: what the trail keeps a digest of.
    #[must_use]
    pub fn content(&self) -> [&[u8]; 2] {
        match self {
            Self::Put { content_type, bytes, .. } => [content_type.as_bytes(), bytes],
            Self::Get { .. } | Self::Head { .. } | Self::Delete { .. } | Self::List { .. } | Self::SignedUrl { .. } => {
                [&[], &[]]
            }
        }
    }

    /// Bytes that the guest handed over.
    #[must_use]
    pub fn size_bytes(&self) -> usize {
        let cursor = if let Self::List { cursor, .. } = self { cursor.as_ref().map_or(0, String::len) } else { 0 };
        self.target().len() + cursor + self.content().iter().map(|part| part.len()).sum::<usize>()
    }
}

/// The name of one object. INVARIANT: a store key whose parts between `/` are not empty, `.` or `..`, without `\`.
///
/// Servers and file systems between us and an object read such parts as a way to another one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectKey(StoreKey);

impl ObjectKey {
    /// Takes a key.
    ///
    /// # Errors
    /// When it is no store key, or has a part that means something else.
    pub fn parse(text: String) -> Result<Self, BlobError> {
        let is_way = |part: &str| matches!(part, "" | "." | "..");
        if text.contains('\\') || (!text.is_empty() && text.split('/').any(is_way)) {
            return Err(BlobError::Part);
        }
        Ok(Self(StoreKey::parse(text)?))
    }

    /// The key as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }
}

/// An action whose parts hold what they promise.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "as BlobAction")]
pub enum BlobCommand {
    /// Reads a piece of one object; without a length as much as one answer carries.
    Get { key: ObjectKey, offset: u64, length: Option<NonZeroU64> },
    /// Reads what is known of one object.
    Head { key: ObjectKey },
    /// Stores one object, whatever was there. The type is visible ASCII, at most 255 bytes.
    Put { key: ObjectKey, content_type: String, bytes: Vec<u8> },
    /// Removes one object.
    Delete { key: ObjectKey },
    /// Reads a page of objects.
    List { prefix: KeyPrefix, cursor: Option<Cursor> },
    /// Makes a URL that reads one object without a token.
    SignedUrl { key: ObjectKey, ttl_ms: NonZeroU64 },
}

/// Why an action makes no sense.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BlobError {
    /// Not a key, prefix or cursor.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// A part of a key that is more than a name.
    #[error("the key is not valid: its parts between `/` must not be empty, `.` or `..`, and it has no `\\`")]
    Part,
    /// Not a content type.
    #[error("the content type is not valid: use for instance `application/json`, at most 255 ASCII characters")]
    ContentType,
    /// Not a piece of an object.
    #[error("offset and length are not valid: use whole numbers within 2^53 - 1, the length above zero")]
    Range,
    /// Not a time to live.
    #[error("the time to live is not valid: use a whole number of milliseconds above zero")]
    Ttl,
}

impl BlobCommand {
    /// Reads what a guest wrote.
    ///
    /// # Errors
    /// The first part that breaks its rule.
    pub fn parse(action: BlobAction) -> Result<Self, BlobError> {
        Ok(match action {
            BlobAction::Get { key, offset, length } => {
                let offset = whole(offset).ok_or(BlobError::Range)?;
                let length = length.map(|length| positive(length).ok_or(BlobError::Range)).transpose()?;
                Self::Get { key: ObjectKey::parse(key)?, offset, length }
            }
            BlobAction::Head { key } => Self::Head { key: ObjectKey::parse(key)? },
            BlobAction::Put { key, content_type, bytes } => {
                let is_legal = content_type.len() <= CONTENT_TYPE_BYTES_MAX
                    && content_type.contains('/')
                    && content_type.bytes().all(|byte| byte.is_ascii_graphic() || byte == b' ')
                    && content_type.trim() == content_type;
                if !is_legal {
                    return Err(BlobError::ContentType);
                }
                Self::Put { key: ObjectKey::parse(key)?, content_type, bytes }
            }
            BlobAction::Delete { key } => Self::Delete { key: ObjectKey::parse(key)? },
            BlobAction::List { prefix, cursor } => {
                Self::List { prefix: KeyPrefix::parse(prefix)?, cursor: cursor.map(Cursor::parse).transpose()? }
            }
            BlobAction::SignedUrl { key, ttl_ms } => {
                Self::SignedUrl { key: ObjectKey::parse(key)?, ttl_ms: positive(ttl_ms).ok_or(BlobError::Ttl)? }
            }
        })
    }

    /// Whether the store is another afterwards.
    #[must_use]
    pub const fn changes(&self) -> bool {
        match self {
            Self::Get { .. } | Self::Head { .. } | Self::List { .. } | Self::SignedUrl { .. } => false,
            Self::Put { .. } | Self::Delete { .. } => true,
        }
    }
}

fn whole(number: f64) -> Option<u64> {
    crate::kv::whole(number).and_then(|number| u64::try_from(number).ok())
}

fn positive(number: f64) -> Option<NonZeroU64> {
    whole(number).and_then(NonZeroU64::new)
}

/// What an object store answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BlobReply {
    /// For `get`: a piece, if there is such an object.
    Piece(Option<Piece>),
    /// For `head`: what is known of the object, if there is one.
    Info(Option<ObjectInfo>),
    /// For `put`: the entity tag of what was stored.
    Stored(String),
    /// For `delete`.
    Deleted,
    /// For `list`.
    Objects(ObjectPage),
    /// For `signed-url`.
    Url(String),
}

/// What is known of one object.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ObjectInfo {
    /// All of it, in bytes.
    pub size_bytes: u64,
    /// As it was stored.
    pub content_type: String,
    /// Changes with the content. Opaque.
    pub etag: String,
}

/// A piece of one object.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Piece {
    /// Of the whole object.
    pub info: ObjectInfo,
    /// From the offset on, at most what was asked for. Short where the object ends or one answer does.
    pub bytes: Vec<u8>,
}

/// Some of the objects with a prefix.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ObjectPage {
    /// Whole keys with sizes in bytes, in no promised order.
    pub objects: Vec<(String, u64)>,
    /// Where the next page begins; `None` after the last.
    pub cursor: Option<String>,
}

impl BlobReply {
    /// Bytes that the host hands to the guest.
    #[must_use]
    pub fn size_bytes(&self) -> usize {
        let of_info = |info: &ObjectInfo| info.content_type.len() + info.etag.len();
        match self {
            Self::Piece(piece) => piece.as_ref().map_or(0, |piece| piece.bytes.len() + of_info(&piece.info)),
            Self::Info(info) => info.as_ref().map_or(0, of_info),
            Self::Objects(page) => page.objects.iter().map(|(key, _)| key).chain(&page.cursor).map(String::len).sum(),
            Self::Stored(text) | Self::Url(text) => text.len(),
            Self::Deleted => 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_a_name_and_no_way_elsewhere() {
        for text in ["a", "reports/2026/a.pdf", ".hidden", "a..b/...", "CON", "grüße 漢字/*?[%]", "-", "~"] {
            assert_eq!(ObjectKey::parse(text.to_owned()).map(|key| key.as_str().to_owned()), Ok(text.to_owned()));
        }
        for text in ["..", ".", "../a", "a/..", "a/../b", "a/./b", "/a", "a/", "a//b", "/", "a\\b", "..\\a"] {
            assert_eq!(ObjectKey::parse(text.to_owned()), Err(BlobError::Part), "{text}");
        }
        for text in ["", "a\0", "a\n", &"x".repeat(513)] {
            assert!(matches!(ObjectKey::parse(text.to_owned()), Err(BlobError::Key(_))), "{text:?}");
        }
    }

    #[test]
    fn types_and_pieces_are_checked() {
        let put = |content_type: &str| {
            let (key, content_type) = ("k".to_owned(), content_type.to_owned());
            BlobCommand::parse(BlobAction::Put { key, content_type, bytes: Vec::new() }).is_ok()
        };
        assert!(put("text/plain; charset=utf-8"));
        for text in ["", "text", "text/plain\r\nx: y", " text/plain", "text/pläin", &format!("a/{}", "b".repeat(300))]
        {
            assert!(!put(text), "{text}");
        }
        let get = |offset, length| BlobCommand::parse(BlobAction::Get { key: "k".to_owned(), offset, length }).is_ok();
        assert!(get(0.0, None) && get(5.0, Some(1.0)));
        for (offset, length) in [(-1.0, None), (0.5, None), (f64::NAN, None), (0.0, Some(0.0)), (0.0, Some(-1.0))] {
            assert!(!get(offset, length), "{offset} {length:?}");
        }
    }
}
