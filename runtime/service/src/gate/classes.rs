//! Remembers what analysis said about a statement text: functions run the same few texts over and over.

use std::sync::Arc;

use airlock_analysis::{Dialect, SqlRefusal, classify};
use airlock_model::StatementReport;
use moka::sync::Cache;

/// Bytes of statement text that are remembered.
const CACHE_BYTES_MAX: u64 = 8 << 20;

/// A bounded cache of classified statements. A verdict depends on the text alone, so it cannot go stale.
pub(crate) struct Classes {
    known: Cache<(Dialect, Box<str>), Arc<StatementReport>>,
}

impl Classes {
    pub(crate) fn new() -> Self {
        let weigh =
            |key: &(Dialect, Box<str>), _: &Arc<StatementReport>| u32::try_from(key.1.len()).unwrap_or(u32::MAX);
        Self { known: Cache::builder().max_capacity(CACHE_BYTES_MAX).weigher(weigh).build() }
    }

    /// The verdict on one statement.
    pub(super) fn classify(&self, dialect: Dialect, statement: &str) -> Result<Arc<StatementReport>, SqlRefusal> {
        let key = (dialect, Box::from(statement));
        if let Some(report) = self.known.get(&key) {
            return Ok(report);
        }
        let report = Arc::new(classify(dialect, statement)?);
        self.known.insert(key, report.clone());
        Ok(report)
    }
}
