//! Remembers what analysis said about a statement text: functions run the same few texts over and over.

use std::sync::Arc;

use airlock_analysis::{Dialect, ReadFunctionError, ReadFunctions, SqlRefusal, classify_with};
use airlock_model::{Digest, StatementReport};
use moka::sync::Cache;

/// Bytes of statement text that are remembered.
const CACHE_BYTES_MAX: u64 = 8 << 20;

/// Longest statement text that is looked at. Analysis itself takes more, but a parsed statement has several hundred times the
/// size of its text: this bounds the memory and the time that one host call can take.
const STATEMENT_BYTES_MAX: usize = 64 << 10;

/// A bounded cache of classified statements. A verdict depends on the text and on the functions that are listed as reads,
/// and is kept under both, so it cannot go stale.
pub(crate) struct Classes {
    known: Cache<Key, Arc<StatementReport>>,
}

type Key = (Dialect, Digest, Box<str>);

/// The functions of one database that its operator lists as reads.
pub(crate) struct Listed {
    functions: ReadFunctions,
    /// Tells two lists apart.
    mark: Digest,
}

impl Listed {
    /// No function beyond the built-in ones.
    pub(crate) fn none() -> Self {
        Self { functions: ReadFunctions::NONE, mark: Digest::of_parts(&[]) }
    }

    /// Checks a list.
    ///
    /// # Errors
    /// When a name is none, or is that of a built-in function with an effect.
    pub(crate) fn new(dialect: Dialect, names: &[String]) -> Result<Self, ReadFunctionError> {
        let functions = ReadFunctions::new(dialect, names.iter().map(String::as_str))?;
        let parts: Vec<&[u8]> = names.iter().map(String::as_bytes).collect();
        Ok(Self { functions, mark: Digest::of_parts(&parts) })
    }
}

impl Classes {
    pub(crate) fn new() -> Self {
        let weigh = |(_, _, text): &Key, _: &Arc<StatementReport>| u32::try_from(text.len()).unwrap_or(u32::MAX);
        Self { known: Cache::builder().max_capacity(CACHE_BYTES_MAX).weigher(weigh).build() }
    }

    /// The verdict on one statement.
    pub(crate) fn classify(
        &self,
        dialect: Dialect,
        listed: &Listed,
        statement: &str,
    ) -> Result<Arc<StatementReport>, SqlRefusal> {
        if statement.len() > STATEMENT_BYTES_MAX {
            return Err(SqlRefusal::TooLong { configured: STATEMENT_BYTES_MAX, found: statement.len() });
        }
        let key = (dialect, listed.mark, Box::from(statement));
        if let Some(report) = self.known.get(&key) {
            return Ok(report);
        }
        let report = Arc::new(classify_with(dialect, statement, &listed.functions)?);
        self.known.insert(key, report.clone());
        Ok(report)
    }
}

#[cfg(test)]
mod tests {
    use airlock_model::StatementClass;

    use super::*;

    #[test]
    fn a_long_text_is_refused_before_it_is_parsed() {
        let classes = Classes::new();
        let text = |bytes: usize| format!("select '{}'", "x".repeat(bytes - "select ''".len()));
        let none = Listed::none();
        assert!(classes.classify(Dialect::Sqlite, &none, &text(STATEMENT_BYTES_MAX)).is_ok());
        let refused = classes.classify(Dialect::Sqlite, &none, &text(STATEMENT_BYTES_MAX + 1));
        assert!(matches!(refused, Err(SqlRefusal::TooLong { configured: STATEMENT_BYTES_MAX, .. })), "{refused:?}");
    }

    #[test]
    fn a_verdict_belongs_to_the_list_it_was_made_with() {
        let classes = Classes::new();
        let listed = Listed::new(Dialect::Postgres, &["app.balance".to_owned()]).expect("a name");
        let class = |listed: &Listed| {
            classes.classify(Dialect::Postgres, listed, "select app.balance(1)").expect("a statement").class
        };
        for _ in 0..2 {
            assert_eq!(class(&listed), StatementClass::Read);
            assert_eq!(class(&Listed::none()), StatementClass::Write);
        }
    }
}
