//! What tenants took since a moment, counted from the trail.

use std::{borrow::Cow, collections::HashMap};

use airlock_model::{AuditKind, TenantName};
use rusqlite::{Connection, OptionalExtension as _};
use serde::Deserialize;

use crate::{
    Reader, StoreError,
    chain::{kind_name, stored_number},
};

/// Times are taken before records are queued, so neighbours may stand in the other order; a record that comes this much
/// later than its time is not looked for.
pub(crate) const DISORDER_MS_MAX: u64 = 600_000;

/// What one tenant took.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Spent {
    /// Calls that began, however they ended.
    pub calls: u64,
    /// Fuel they spent. A call that was dropped left no usage and counts like the mean of the others.
    pub fuel: u64,
}

/// The little of a closing record that is counted; the rest is skipped without being kept.
#[derive(Deserialize)]
struct Closing<'a> {
    #[serde(borrow)]
    principal: Option<Payer<'a>>,
    usage: Option<Fuel>,
}

#[derive(Deserialize)]
struct Payer<'a> {
    #[serde(borrow)]
    tenant: Cow<'a, str>,
}

#[derive(Deserialize)]
struct Fuel {
    fuel: u64,
}

#[derive(Default)]
struct Counted {
    spent: Spent,
    without_usage: u64,
}

impl Reader {
    /// What each tenant's calls took that ended at that time or later. Reads one record for each; `examples/spent_since.rs` measures it.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`] when a record cannot be read, [`StoreError::Sqlite`], [`StoreError::Busy`].
    pub async fn spent_since(&self, unix_ms: u64) -> Result<HashMap<TenantName, Spent>, StoreError> {
        self.run(move |connection| count(connection, unix_ms)).await
    }
}

fn count(connection: &Connection, unix_ms: u64) -> Result<HashMap<TenantName, Spent>, StoreError> {
    let sqlite = || StoreError::sqlite("count what tenants spent");
    let first = first_since(connection, unix_ms.saturating_sub(DISORDER_MS_MAX)).map_err(sqlite())?;
    let mut counted: HashMap<String, Counted> = HashMap::new();
    let sql = "SELECT seq, body FROM audit WHERE seq >= ?1 AND time_unix_ms >= ?2 AND kind IN (?3, ?4)";
    let mut statement = connection.prepare_cached(sql).map_err(sqlite())?;
    let kinds = (kind_name(AuditKind::InvocationFinished), kind_name(AuditKind::InvocationAbandoned));
    let mut rows = statement.query((first, stored_number(unix_ms), kinds.0, kinds.1)).map_err(sqlite())?;
    while let Some(row) = rows.next().map_err(sqlite())? {
        let body = row.get_ref(1).map_err(sqlite())?.as_str().unwrap_or_default();
        let Ok(closing) = serde_json::from_str::<Closing<'_>>(body) else {
            let seq: i64 = row.get(0).map_err(sqlite())?;
            return Err(StoreError::corrupt(format!("audit record `{seq}`")));
        };
        add(&mut counted, &closing);
    }
    Ok(counted.into_iter().filter_map(|(tenant, counted)| Some((tenant.parse().ok()?, counted.with_mean()))).collect())
}

fn add(counted: &mut HashMap<String, Counted>, closing: &Closing<'_>) {
    let Some(Payer { tenant }) = &closing.principal else { return };
    if !counted.contains_key(tenant.as_ref()) {
        counted.insert(tenant.as_ref().to_owned(), Counted::default());
    }
    let Some(Counted { spent, without_usage }) = counted.get_mut(tenant.as_ref()) else { return };
    spent.calls = spent.calls.saturating_add(1);
    match &closing.usage {
        Some(Fuel { fuel }) => spent.fuel = spent.fuel.saturating_add(*fuel),
        None => *without_usage = without_usage.saturating_add(1),
    }
}

impl Counted {
    fn with_mean(self) -> Spent {
        let Spent { calls, fuel } = self.spent;
        let mean = fuel / calls.saturating_sub(self.without_usage).max(1);
        Spent { calls, fuel: fuel.saturating_add(mean.saturating_mul(self.without_usage)) }
    }
}

/// Records stand in the order of their times but for a little disorder, so the first of a day is found by halving: there is
/// no index on time, which every append would pay for.
pub(crate) fn first_since(connection: &Connection, unix_ms: u64) -> rusqlite::Result<i64> {
    let end: Option<i64> = connection.query_row("SELECT max(seq) FROM audit", [], |row| row.get(0))?;
    let mut at_or_after =
        connection.prepare_cached("SELECT time_unix_ms FROM audit WHERE seq >= ?1 ORDER BY seq LIMIT 1")?;
    let (mut low, mut high) = (1_i64, end.unwrap_or(0).saturating_add(1));
    while low < high {
        let middle = low + (high - low) / 2;
        let time: Option<i64> = at_or_after.query_row([middle], |row| row.get(0)).optional()?;
        if time.is_some_and(|time| time < stored_number(unix_ms)) {
            low = middle.saturating_add(1);
        } else {
            high = middle;
        }
    }
    Ok(low)
}
