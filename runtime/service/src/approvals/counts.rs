//! How many rows of which table a statement changed.

use std::collections::BTreeMap;

use airlock_model::Rows;
use serde_json::Value;

/// How much of one table.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AffectedTable {
    /// With its schema, where there are schemas.
    pub name: String,
    /// Rows that are new.
    pub inserted: u64,
    /// Rows that are different.
    pub updated: u64,
    /// Rows that are gone.
    pub deleted: u64,
}

/// PostgreSQL counts by table what a session did, triggers and cascades among it. The numbers of transactions before may still be
/// in them, so it is asked before and after.
pub(super) const QUESTION: &str = "SELECT schemaname || '.' || relname, n_tup_ins, n_tup_upd, n_tup_del \
                                   FROM pg_catalog.pg_stat_xact_user_tables \
                                   WHERE n_tup_ins + n_tup_upd + n_tup_del > 0";

type Counts = BTreeMap<String, [u64; 3]>;

/// What was changed between two answers.
pub(super) fn between(before: &Option<Rows>, after: &Option<Rows>) -> Vec<AffectedTable> {
    let (before, after) = (read(before), read(after));
    let grown = |(name, now): (String, [u64; 3])| {
        let was = before.get(&name).copied().unwrap_or_default();
        let [inserted, updated, deleted] = [0, 1, 2].map(|kind| {
            now.get(kind).copied().unwrap_or_default().saturating_sub(was.get(kind).copied().unwrap_or_default())
        });
        AffectedTable { name, inserted, updated, deleted }
    };
    let tables = after.into_iter().map(grown);
    tables.filter(|table| table.inserted + table.updated + table.deleted > 0).collect()
}

fn read(rows: &Option<Rows>) -> Counts {
    let rows = rows.as_ref().map(|rows| serde_json::from_str::<Vec<Vec<Value>>>(&rows.rows).unwrap_or_default());
    let number = |value: &Value| value.as_u64().or_else(|| value.as_str()?.parse().ok());
    let count = |row: Vec<Value>| match row.as_slice() {
        [Value::String(name), inserted, updated, deleted] => {
            Some((name.clone(), [number(inserted)?, number(updated)?, number(deleted)?]))
        }
        _ => None,
    };
    rows.into_iter().flatten().filter_map(count).collect()
}

/// The statement's own count for its table, where it names one and the database says no more.
pub(super) fn of_one(tables: &[String], affected: u64, text: &str) -> Vec<AffectedTable> {
    let [name] = tables else { return Vec::new() };
    let word = text.trim_start().split(|c: char| !c.is_ascii_alphabetic()).next().unwrap_or_default();
    let mut table = AffectedTable { name: name.clone(), ..AffectedTable::default() };
    match word.to_ascii_lowercase().as_str() {
        "insert" | "replace" => table.inserted = affected,
        "update" => table.updated = affected,
        "delete" => table.deleted = affected,
        _ => return Vec::new(),
    }
    vec![table]
}
