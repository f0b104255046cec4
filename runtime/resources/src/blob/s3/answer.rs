//! What a server answered, and what of it a guest is told.

use airlock_model::{HostError, ObjectInfo, Piece, ResourceName};
use hyper::{HeaderMap, header};

use crate::blob::unusable;

const TEXT_CHARS_MAX: usize = 255;

/// A whole answer.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) headers: HeaderMap,
    pub(super) body: Vec<u8>,
}

/// What is known of an object.
pub(super) struct Head(ObjectInfo);

impl Head {
    /// From the answer to a HEAD.
    pub(super) fn of_whole(answer: &Answer) -> Option<Self> {
        Some(answer.head(answer.text(header::CONTENT_LENGTH).parse().ok()?))
    }

    /// From the answer to a range: `content-range: bytes 0-9/443`.
    pub(super) fn of_piece(answer: &Answer) -> Option<Self> {
        let range = answer.text(header::CONTENT_RANGE);
        let (_, size) = range.strip_prefix("bytes ")?.split_once('/')?;
        Some(answer.head(size.parse().ok()?))
    }

    pub(super) fn into_info(self) -> ObjectInfo {
        self.0
    }

    pub(super) fn into_piece(self, bytes: Vec<u8>) -> Piece {
        Piece { info: self.0, bytes }
    }
}

impl Answer {
    /// The tag without its quotes.
    pub(super) fn etag(&self) -> String {
        self.text(header::ETAG).trim_matches('"').to_owned()
    }

    fn head(&self, size_bytes: u64) -> Head {
        Head(ObjectInfo { size_bytes, content_type: self.text(header::CONTENT_TYPE), etag: self.etag() })
    }

    /// A header that is short and text, or nothing.
    fn text(&self, name: header::HeaderName) -> String {
        let text = self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
        text.chars().take(TEXT_CHARS_MAX).collect()
    }

    /// # Errors
    /// When the status is none of these.
    pub(super) fn expect(&self, statuses: &[u16], resource: &ResourceName) -> Result<(), HostError> {
        if statuses.contains(&self.status) { Ok(()) } else { Err(self.refused(resource)) }
    }

    /// Whether it is the object that is missing, and not the bucket.
    pub(super) fn is_no_such_key(&self) -> bool {
        self.code() == "NoSuchKey"
    }

    /// A status that no operation expects. Its text names buckets and keys and people: the log gets the code alone.
    pub(super) fn refused(&self, resource: &ResourceName) -> HostError {
        let (status, code) = (self.status, self.code());
        tracing::warn!(%resource, status, code, "a store refused a request");
        match status {
            429 | 500.. => HostError::Unavailable(format!("`{resource}` is overloaded or broken right now, try again")),
            _ => unusable(resource),
        }
    }

    fn code(&self) -> &str {
        let text = std::str::from_utf8(&self.body).unwrap_or_default();
        let code =
            text.split_once("<Code>").and_then(|(_, rest)| rest.split_once("</Code>")).map_or("", |(code, _)| code);
        if code.len() <= 64 && code.bytes().all(|byte| byte.is_ascii_alphanumeric()) { code } else { "" }
    }
}

/// An answer that makes no sense.
pub(super) fn malformed(resource: &ResourceName) -> HostError {
    tracing::warn!(%resource, "a store answered with something that is not S3");
    HostError::Backend {
        code: "BLOB_ANSWER_MALFORMED".to_owned(),
        message: "the store answered with something that is not S3".to_owned(),
    }
}
