//! Counts usage anew from the trail and compares: what the rows say must be what the records say.

use std::collections::BTreeMap;

use rusqlite::{Connection, OptionalExtension as _};
use serde::Serialize;

use super::{HOUR_MS, Measures, UsageKey, table};
use crate::{
    Reader, Store, StoreError,
    chain::{Tx, stored_number},
    spent::DISORDER_MS_MAX,
    verify::CHUNK,
};

/// Rows that are held at once; more are compared in several passes over the trail. Tests come
/// to that at once.
const ROWS_MAX: usize = if cfg!(test) { 100 } else { 50_000 };
/// Differences that are told one by one.
const TOLD_MAX: usize = 20;

/// What a recount found.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct UsageRecount {
    /// The first hour that was compared, in milliseconds since the Unix epoch: hours before it are not whole in the trail.
    pub from_unix_ms: u64,
    /// The last record that the rows hold. What comes after it is counted from the trail by every report.
    pub through_seq: u64,
    /// Records that were counted.
    pub records: u64,
    /// Rows that were compared.
    pub rows: u64,
    /// How many of them differ, are missing or are too many.
    pub differences: u64,
    /// The first of those.
    pub first: Vec<UsageDifference>,
}

/// A row that is not what the trail says.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct UsageDifference {
    /// When its hour begins, in milliseconds since the Unix epoch.
    pub hour_unix_ms: u64,
    /// Whose usage.
    pub key: UsageKey,
    /// What is wrong.
    pub why: &'static str,
}

type Held = BTreeMap<(u64, UsageKey), Option<Measures>>;

/// The rows of some hours as they were at one moment.
struct Pass {
    rows: Held,
    from_hour: u64,
    /// The first hour that is left for the next pass.
    to_hour: u64,
    through: u64,
}

impl Store {
    /// Counts all usage from that hour on anew and puts it in the place of what the rows say, in one transaction. Nothing else is
    /// written meanwhile.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`], [`StoreError::Busy`].
    pub async fn repair_usage(&self, first_hour: u64) -> Result<(), StoreError> {
        self.write(move |tx: &mut Tx<'_>| tx.count_usage_anew(first_hour)).await
    }
}

impl Reader {
    /// The first hour, in hours since the Unix epoch, of which all records are still there. Usage of hours before it cannot be
    /// counted again once old records are removed.
    ///
    /// # Errors
    /// [`StoreError::Sqlite`], [`StoreError::Busy`].
    pub async fn first_whole_hour(&self) -> Result<u64, StoreError> {
        self.run(first_whole_hour).await
    }

    /// Counts all usage from that hour on anew and compares. Reads the trail once, or more often when there are more than 50,000
    /// rows. A running server may append meanwhile.
    ///
    /// # Errors
    /// [`StoreError::Sqlite`], [`StoreError::Busy`].
    pub async fn recount_usage(&self, first_hour: u64) -> Result<UsageRecount, StoreError> {
        let mut report = UsageRecount { from_unix_ms: first_hour.saturating_mul(HOUR_MS), ..UsageRecount::default() };
        let mut from_hour = first_hour;
        loop {
            let pass = self.run(move |connection| hold(connection, from_hour, ROWS_MAX)).await?;
            (from_hour, report.through_seq) = (pass.to_hour, pass.through);
            let (counted, records) = self.count(&pass).await?;
            report.records = report.records.saturating_add(records);
            compare(&pass.rows, &counted, &mut report);
            if from_hour == u64::MAX {
                return Ok(report);
            }
        }
    }

    /// What the records say about the hours of a pass. Short reads do not hold up the writer's log.
    async fn count(&self, pass: &Pass) -> Result<(Held, u64), StoreError> {
        let (mut counted, mut records, mut after) = (Held::new(), 0, 0);
        let (hours, through) = (pass.from_hour..pass.to_hour, pass.through);
        loop {
            let batch = self.run(move |connection| batch(connection, after)).await?;
            let Some((last, _)) = batch.last() else { return Ok((counted, records)) };
            after = *last;
            for contribution in batch.into_iter().filter(|(seq, _)| *seq <= through).filter_map(|(_, one)| one) {
                if hours.contains(&contribution.key.hour) {
                    records += 1;
                    let row = counted.entry((contribution.key.hour, contribution.key.to_key())).or_default();
                    contribution.add_to(row.get_or_insert_default());
                }
            }
            if after >= through {
                return Ok((counted, records));
            }
        }
    }
}

type Batch = Vec<(u64, Option<super::contribution::Contribution>)>;

fn batch(connection: &Connection, after: u64) -> Result<Batch, StoreError> {
    let mut batch = Batch::new();
    table::each_record(connection, after, CHUNK, |seq, contribution| batch.push((seq, contribution)))?;
    Ok(batch)
}

/// Reads whole hours, and at least one, until there are that many rows.
fn hold(connection: &Connection, from_hour: u64, rows_max: usize) -> Result<Pass, StoreError> {
    let snapshot = connection.unchecked_transaction().map_err(StoreError::sqlite("read usage"))?;
    let (mut rows, mut to_hour) = (Held::new(), u64::MAX);
    let which = table::Rows { from_hour, to_hour: u64::MAX, tenant: None, environment: None };
    table::each_row(&snapshot, &which, |(hour, key, measures)| {
        let is_new_hour = rows.last_key_value().is_some_and(|((last, _), _)| *last != hour);
        if is_new_hour && rows.len() >= rows_max {
            to_hour = hour;
            return false;
        }
        rows.insert((hour, key), measures);
        true
    })?;
    Ok(Pass { rows, from_hour, to_hour, through: table::through(&snapshot)? })
}

fn compare(stored: &Held, counted: &Held, report: &mut UsageRecount) {
    let mut differ = |(hour, key): &(u64, UsageKey), why| {
        report.differences = report.differences.saturating_add(1);
        if report.first.len() < TOLD_MAX {
            report.first.push(UsageDifference { hour_unix_ms: hour.saturating_mul(HOUR_MS), key: key.clone(), why });
        }
    };
    for (place, measures) in stored {
        match (measures, counted.get(place)) {
            (None, _) => differ(place, "the row cannot be read"),
            (Some(_), None) => differ(place, "no record of the trail is behind this row"),
            (Some(measures), Some(Some(counted))) if measures == counted => {}
            (Some(_), Some(_)) => differ(place, "the records of the trail come to something else"),
        }
    }
    for place in counted.keys().filter(|place| !stored.contains_key(place)) {
        differ(place, "the records of the trail are in no row");
    }
    report.rows = report.rows.saturating_add(u64::try_from(stored.len()).unwrap_or(u64::MAX));
}

/// The hour after that of the first record, unless that is the very first: records are removed from the beginning on, and
/// stand in the order of their times but for a little disorder.
fn first_whole_hour(connection: &Connection) -> Result<u64, StoreError> {
    let sql = "SELECT seq, time_unix_ms FROM audit ORDER BY seq LIMIT 1";
    let first = connection.query_row(sql, [], |row| Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?))).optional();
    Ok(match first.map_err(StoreError::sqlite("read the first record"))? {
        Some((seq, time)) if seq > stored_number(1) => {
            u64::try_from(time).unwrap_or_default().saturating_add(DISORDER_MS_MAX) / HOUR_MS + 1
        }
        Some(_) | None => 0,
    })
}
