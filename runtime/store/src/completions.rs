//! What completions of language models took since a moment, counted from the trail.

use std::collections::HashMap;

use airlock_model::{AppName, AuditKind, EnvironmentName, ResourceName, Spending, Spent, TenantName};
use rusqlite::Connection;
use serde::Deserialize;

use crate::{
    Reader, StoreError,
    chain::{kind_name, stored_number},
    spent::{DISORDER_MS_MAX, first_since},
};

/// Whose account a completion is on.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Deserialize)]
pub struct CompletionPayer {
    /// The model's resource.
    pub resource: ResourceName,
    /// Where.
    pub environment: EnvironmentName,
    /// Whose app.
    pub tenant: TenantName,
    /// Which.
    pub app: AppName,
}

/// The little of a record that is counted.
#[derive(Deserialize)]
struct Record {
    resource: ResourceName,
    environment: EnvironmentName,
    principal: Principal,
    spending: Spending,
    time_unix_ms: u64,
    /// Of an outcome: how long ago its intent was.
    #[serde(default)]
    duration_us: Option<u64>,
}

#[derive(Deserialize)]
struct Principal {
    tenant: TenantName,
    app: AppName,
}

/// Sums that go below zero on the way: an outcome may be counted before its intent.
#[derive(Default)]
struct Sum {
    tokens: i128,
    cost_micros: i128,
}

impl Reader {
    /// What was taken at that time or later. What was reserved and never settled counts as it was reserved.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`] when a record cannot be read, [`StoreError::Sqlite`], [`StoreError::Busy`].
    pub async fn completions_since(&self, unix_ms: u64) -> Result<HashMap<CompletionPayer, Spent>, StoreError> {
        self.run(move |connection| count(connection, unix_ms)).await
    }
}

fn count(connection: &Connection, unix_ms: u64) -> Result<HashMap<CompletionPayer, Spent>, StoreError> {
    let sqlite = || StoreError::sqlite("count what completions took");
    let first = first_since(connection, unix_ms.saturating_sub(DISORDER_MS_MAX)).map_err(sqlite())?;
    // Texts in a record have their quotes escaped, so that none of them holds this one.
    let sql = "SELECT seq, kind, body FROM audit WHERE seq >= ?1 AND time_unix_ms >= ?2 AND kind IN (?3, ?4) \
               AND instr(body, '\"spending\":{') > 0";
    let mut statement = connection.prepare_cached(sql).map_err(sqlite())?;
    let intent = kind_name(AuditKind::HostCallIntent);
    let kinds = (&intent, kind_name(AuditKind::HostCallOutcome));
    let mut rows = statement.query((first, stored_number(unix_ms), kinds.0, kinds.1)).map_err(sqlite())?;
    let mut sums: HashMap<CompletionPayer, Sum> = HashMap::new();
    while let Some(row) = rows.next().map_err(sqlite())? {
        let (kind, body): (String, String) = row.get(1).and_then(|kind| Ok((kind, row.get(2)?))).map_err(sqlite())?;
        let Ok(record) = serde_json::from_str::<Record>(&body) else {
            let seq: i64 = row.get(0).map_err(sqlite())?;
            return Err(StoreError::corrupt(format!("audit record `{seq}`")));
        };
        let is_intent = kind == *intent;
        if record.began_unix_ms() < unix_ms {
            // What it was reserved with stands before the window, and so does what it took.
            continue;
        }
        let Record { resource, environment, principal: Principal { tenant, app }, spending, .. } = record;
        let sum = sums.entry(CompletionPayer { resource, environment, tenant, app }).or_default();
        sum.add(&spending, is_intent);
    }
    Ok(sums.into_iter().map(|(payer, sum)| (payer, sum.spent())).collect())
}

impl Record {
    fn began_unix_ms(&self) -> u64 {
        self.time_unix_ms.saturating_sub(self.duration_us.unwrap_or_default() / 1_000)
    }
}

impl Sum {
    fn add(&mut self, spending: &Spending, is_intent: bool) {
        let Spending { reserved, settled } = spending;
        let taken = settled.unwrap_or(*reserved);
        let of = |reserved: u64, taken: u64| {
            if is_intent { i128::from(reserved) } else { i128::from(taken) - i128::from(reserved) }
        };
        self.tokens += of(reserved.tokens, taken.tokens);
        self.cost_micros += of(reserved.cost_micros, taken.cost_micros);
    }

    fn spent(&self) -> Spent {
        let amount = |sum: i128| u64::try_from(sum.max(0)).unwrap_or(u64::MAX);
        Spent { tokens: amount(self.tokens), cost_micros: amount(self.cost_micros) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(time_unix_ms: u64, duration_us: u64) -> Record {
        let text = format!(
            r#"{{"resource": "gpt", "environment": "dev", "principal": {{"tenant": "acme", "app": "desk"}},
                "spending": {{"reserved": {{"tokens": 9, "cost_micros": 9}}, "settled": {{"tokens": 1, "cost_micros": 1}}}},
                "time_unix_ms": {time_unix_ms}, "duration_us": {duration_us}}}"#
        );
        serde_json::from_str(&text).expect("a record")
    }

    #[test]
    fn an_outcome_belongs_to_the_day_of_its_intent() {
        assert_eq!(record(10_000, 2_000_000).began_unix_ms(), 8_000);
        assert_eq!(record(10_000, u64::MAX).began_unix_ms(), 0);
    }
}
