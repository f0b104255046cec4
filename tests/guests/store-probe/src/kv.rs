//! Calls to the key-value store.

use std::time::Duration;

use airlock_guest::HostError;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::resources::cache;

#[derive(Deserialize)]
#[serde(tag = "op", rename_all = "snake_case")]
pub(crate) enum Call {
    Get {
        key: String,
    },
    GetText {
        key: String,
    },
    Set {
        key: String,
        #[serde(default)]
        value: Value,
        ttl_ms: Option<u64>,
    },
    SetText {
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
    Increment {
        key: String,
        by: i64,
        ttl_ms: Option<u64>,
    },
    CompareAndSet {
        key: String,
        expected: Option<Value>,
        value: Value,
        ttl_ms: Option<u64>,
    },
}

pub(crate) async fn perform(call: Call) -> Result<Value, HostError> {
    let ttl = |ms: Option<u64>| ms.map(Duration::from_millis);
    Ok(match call {
        Call::Get { key } => json!({ "value": cache::get::<Value>(&key).await? }),
        Call::GetText { key } => json!({ "text": cache::get_text(&key).await? }),
        Call::Set { key, value, ttl_ms } => json!({ "set": cache::set(&key, &value, ttl(ttl_ms)).await? }),
        Call::SetText { key, text, times } => {
            json!({ "set": cache::set_text(&key, &text.repeat(times.unwrap_or(1)), None).await? })
        }
        Call::Delete { key } => json!({ "deleted": cache::delete(&key).await? }),
        Call::List { prefix, cursor } => json!(cache::list(&prefix, cursor.as_deref()).await?),
        Call::Increment { key, by, ttl_ms } => json!({ "sum": cache::increment(&key, by, ttl(ttl_ms)).await? }),
        Call::CompareAndSet { key, expected, value, ttl_ms } => {
            json!({ "swapped": cache::compare_and_set(&key, expected.as_ref(), &value, ttl(ttl_ms)).await? })
        }
    })
}
