//! Erasing values: their salts with them, so that nobody can find out by guessing what a commitment was to.
//!
//! The trail says it first, and in the transaction of the first rows: a crash leaves values that the trail calls erased, which the next
//! attempt takes, and never values that are gone without a word. SQLite overwrites what is deleted with zeros (`secure_delete`), and the
//! write-ahead log, which has the pages of before, is cut to nothing after the last transaction. What copies, snapshots and the blocks
//! that a solid-state disk has replaced still hold is beyond a program.

use std::time::Duration;

use airlock_model::{AuditEvent, Erasure};
use rusqlite::{Connection, OptionalExtension as _};
use tokio::time::sleep;

use crate::{
    AuditFilter, Reader, Store, StoreError,
    chain::{Tx, stored_number},
    search,
    values::row_of,
};

/// Rows that one transaction erases: calls wait for it.
const ROWS_AT_ONCE: usize = 500;
/// Records that one look takes.
const PAGE_ROWS: u32 = 500;
/// Values that one erasure takes: their numbers are held in memory.
const VALUES_MAX: usize = 1 << 20;
/// How often a log that somebody reads is looked at again, and when.
const CUT_LOOKS: u32 = 3;
const CUT_LOOKS_EVERY: Duration = Duration::from_millis(1_100);

/// What was erased.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Erased {
    /// How many values.
    pub values: u64,
    /// The record that says so; `None` when there was nothing to erase.
    pub seq: Option<u64>,
    /// Whether there are more, after those that the record is about: erase again.
    pub more: bool,
    /// Whether the write-ahead log holds nothing of them any more. Otherwise a reader was in it, and it is cut after a next write.
    pub log_is_cut: bool,
}

impl Store {
    /// Erases what `erasure` is about and is on record now, and says so by `event`: at most 2^20 values, the oldest first. What comes
    /// while it runs is not erased.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`] when a record cannot be read: nothing is erased then. [`StoreError::Unavailable`],
    /// [`StoreError::Busy`]: what was erased until then is on record as erased; erase again.
    pub async fn erase(&self, event: AuditEvent, erasure: Erasure) -> Result<Erased, StoreError> {
        self.erase_some(event, erasure, VALUES_MAX).await
    }

    /// The same, of as many records as it takes to come to so many values.
    pub(crate) async fn erase_some(
        &self,
        mut event: AuditEvent,
        mut erasure: Erasure,
        values_max: usize,
    ) -> Result<Erased, StoreError> {
        // Whatever was queued before is on disk and indexed then.
        let head = self.write(|tx| Ok(tx.head().seq)).await?;
        erasure.last_seq = erasure.last_seq.min(head);
        let (rows, stopped_at) = self.rows_to_erase(&erasure, values_max).await?;
        // The record is about no more than was looked at.
        erasure.last_seq = stopped_at.unwrap_or(erasure.last_seq);
        erasure.values = rows.len() as u64;
        let values = erasure.values;
        event.erasure = Some(Box::new(erasure));
        let (mut seq, mut event) = (None, Some(event));
        for chunk in rows.chunks(ROWS_AT_ONCE).map(<[i64]>::to_vec) {
            let said = event.take();
            let work = move |tx: &mut Tx<'_>| erase_rows(tx, said.as_ref(), &chunk);
            seq = self.write(work).await?.or(seq);
        }
        Ok(Erased { values, seq, more: stopped_at.is_some(), log_is_cut: self.log_is_cut().await? })
    }

    /// Waits a little for readers.
    async fn log_is_cut(&self) -> Result<bool, StoreError> {
        for _ in 0..CUT_LOOKS {
            // The writer cuts its log after a group, so before this one.
            if self.write(|tx| Ok(tx.log_is_cut())).await? {
                return Ok(true);
            }
            sleep(CUT_LOOKS_EVERY).await;
        }
        Ok(false)
    }
}

fn erase_rows(tx: &mut Tx<'_>, event: Option<&AuditEvent>, rows: &[i64]) -> Result<Option<u64>, StoreError> {
    let said = event.map(|event| tx.record(event)).transpose()?;
    let sqlite = || StoreError::sqlite("erase values of the trail");
    let mut statement = tx.connection.prepare_cached("DELETE FROM audit_values WHERE id = ?1").map_err(sqlite())?;
    for row in rows {
        statement.execute([row]).map_err(sqlite())?;
    }
    drop(statement);
    tx.cut_log();
    Ok(said.map(|said| said.seq))
}

impl Reader {
    /// The rows of values that an erasure is about and that are there; and where it stopped, if before the end.
    async fn rows_to_erase(&self, erasure: &Erasure, values_max: usize) -> Result<(Vec<i64>, Option<u64>), StoreError> {
        let mut filter = AuditFilter {
            tenant: erasure.tenant.clone(),
            environment: erasure.environment.clone(),
            principal: erasure.principal.clone(),
            invocation: erasure.invocation.clone(),
            until_unix_ms: erasure.until_unix_ms,
            after_seq: erasure.first_seq.checked_sub(1),
            before_seq: Some(erasure.last_seq.saturating_add(1)),
            limit: Some(PAGE_ROWS.min(u32::try_from(values_max).unwrap_or(PAGE_ROWS))),
            ..AuditFilter::default()
        };
        let mut rows = Vec::new();
        loop {
            let (asked, about) = (filter.clone(), erasure.clone());
            let (page, found) = self.run(move |connection| look(connection, &asked, &about)).await?;
            filter.go_on(&page);
            rows.extend(found);
            if page.is_last || rows.len() >= values_max {
                return Ok((rows, (!page.is_last).then_some(page.position)));
            }
        }
    }
}

fn look(
    connection: &Connection,
    filter: &AuditFilter,
    erasure: &Erasure,
) -> Result<(search::AuditPage, Vec<i64>), StoreError> {
    let page = search::page(connection, filter)?;
    let mut found = Vec::new();
    for record in &page.records {
        let covered = erasure.fields.iter().filter(|field| erasure.covers(record.seq, &record.event, **field));
        for row in covered.map(|field| row_of(stored_number(record.seq), *field)) {
            found.extend(is_kept(connection, row).map_err(StoreError::sqlite("look for values of the trail"))?);
        }
    }
    Ok((page, found))
}

fn is_kept(connection: &Connection, row: i64) -> rusqlite::Result<Option<i64>> {
    connection
        .prepare_cached("SELECT id FROM audit_values WHERE id = ?1")?
        .query_row([row], |row| row.get(0))
        .optional()
}
