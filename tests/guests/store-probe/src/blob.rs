//! Calls to the object store.

use std::time::Duration;

use airlock_guest::HostError;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::resources::files;

#[derive(Deserialize)]
#[serde(tag = "op", rename_all = "snake_case")]
pub(crate) enum Call {
    Get {
        key: String,
        #[serde(default)]
        offset: u64,
        length: Option<u64>,
    },
    Head {
        key: String,
    },
    Put {
        key: String,
        text: String,
        /// The text so many times.
        times: Option<usize>,
    },
    Delete {
        key: String,
    },
    List {
        #[serde(default)]
        prefix: String,
        cursor: Option<String>,
    },
    SignedUrl {
        key: String,
        ttl_ms: u64,
    },
}

pub(crate) async fn perform(call: Call) -> Result<Value, HostError> {
    Ok(match call {
        Call::Get { key, offset, length } => match files::get(&key, offset, length).await? {
            Some(piece) => json!({ "info": piece.info, "text": String::from_utf8_lossy(&piece.bytes) }),
            None => Value::Null,
        },
        Call::Head { key } => json!(files::head(&key).await?),
        Call::Put { key, text, times } => {
            let bytes = text.repeat(times.unwrap_or(1)).into_bytes();
            json!({ "etag": files::put(&key, "text/plain", bytes).await? })
        }
        Call::Delete { key } => json!({ "deleted": files::delete(&key).await? }),
        Call::List { prefix, cursor } => json!(files::list(&prefix, cursor.as_deref()).await?),
        Call::SignedUrl { key, ttl_ms } => {
            json!({ "url": files::signed_url(&key, Duration::from_millis(ttl_ms)).await? })
        }
    })
}
