//! Remembers what analysis said about a statement text: functions run the same few texts over and over.

use std::sync::Arc;

use airlock_analysis::{Dialect, SqlRefusal, classify};
use airlock_model::StatementReport;
use moka::sync::Cache;

/// Bytes of statement text that are remembered.
const CACHE_BYTES_MAX: u64 = 8 << 20;

/// Longest statement text that is looked at. Analysis itself takes more, but a parsed statement has several hundred times the
/// size of its text: this bounds the memory and the time that one host call can take.
const STATEMENT_BYTES_MAX: usize = 64 << 10;

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
        if statement.len() > STATEMENT_BYTES_MAX {
            return Err(SqlRefusal::TooLong { configured: STATEMENT_BYTES_MAX, found: statement.len() });
        }
        let key = (dialect, Box::from(statement));
        if let Some(report) = self.known.get(&key) {
            return Ok(report);
        }
        let report = Arc::new(classify(dialect, statement)?);
        self.known.insert(key, report.clone());
        Ok(report)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_text_is_refused_before_it_is_parsed() {
        let classes = Classes::new();
        let text = |bytes: usize| format!("select '{}'", "x".repeat(bytes - "select ''".len()));
        assert!(classes.classify(Dialect::Sqlite, &text(STATEMENT_BYTES_MAX)).is_ok());
        let refused = classes.classify(Dialect::Sqlite, &text(STATEMENT_BYTES_MAX + 1));
        assert!(matches!(refused, Err(SqlRefusal::TooLong { configured: STATEMENT_BYTES_MAX, .. })), "{refused:?}");
    }
}
