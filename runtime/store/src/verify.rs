//! Verification: reads the whole trail once, a chunk at a time, in memory that does not grow with it.

use std::collections::{BTreeMap, BTreeSet};

use airlock_model::{AuditEvent, Digest, TrailCut};
use rusqlite::{Connection, Row, types::ValueRef};
use serde::Serialize;

use crate::{
    CallReport, Checkpoint, NumberRange, Reader, StoreError,
    chain::{kind_name, link, stored_number},
    completeness::{CallLedger, CallStanding, Listed},
    erasures::Erasures,
    retention::Start,
    trail_index::is_indexed,
    values,
};

/// Records read in one go. Short reads do not hold up the writer's log.
pub(crate) const CHUNK: u32 = 2_048;

/// How often a trail is read anew because its beginning was removed meanwhile.
const TRIES: u32 = 10;

/// What is wrong with a record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, thiserror::Error)]
#[serde(rename_all = "snake_case")]
pub enum Fault {
    /// Records before it are missing.
    #[error("record `{expected}` was expected here: records are missing or renumbered")]
    Gap {
        /// The number that should come here.
        expected: u64,
    },
    /// Not what was written, or not in its place.
    #[error("the hash does not follow from the record and the one before it: one of them was changed")]
    Hash,
    /// Not an audit event.
    #[error("the body is not an audit event")]
    Body,
    /// The searchable columns disagree with the body.
    #[error("the column `{0}` differs from the body: searches would not find the record")]
    Column(&'static str),
    /// The index lacks it.
    #[error("the search index lacks the record: searches would not find it")]
    Index,
    /// A value beside the chain is not the one that was written.
    #[error("the value kept for its `{0}`, or its salt, was changed: it does not open the commitment of the record")]
    Value(&'static str),
    /// A value beside the chain belongs to nothing.
    #[error("a value is kept for its `{0}`, and the record has no commitment to one")]
    Stray(&'static str),
    /// A value is gone and the trail does not say that it was erased.
    #[error("the value kept for its `{0}` is gone, and no record of an erasure covers it")]
    Missing(&'static str),
    /// The trail ends before a checkpoint.
    #[error("the trail ends before this record, which a checkpoint names: its end was cut off")]
    CutOff,
    /// The trail passes through another hash.
    #[error("the record has another hash than a checkpoint of it: the trail was rewritten")]
    Rewritten,
}

/// A record that does not hold.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct BadRecord {
    /// Its number as stored; for a trail cut short, the number of the checkpoint.
    pub seq: i64,
    /// What is wrong.
    pub why: Fault,
}

/// What verification found. Integrity and completeness are judged apart.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct VerifyReport {
    /// Records read.
    pub records: u64,
    /// Where the trail begins, when what came before was removed because its time was over. That the server did it says the
    /// signature of the cut, which is not checked here.
    pub cut: Option<TrailCut>,
    /// Every record is what was written, in its place.
    pub integrity: bool,
    /// The first that is not.
    pub first_bad: Option<BadRecord>,
    /// How many are not.
    pub bad_records: u64,
    /// The last record read: compare or keep it.
    pub head: Checkpoint,
    /// The last record up to which there is nothing wrong, checkpoints included.
    pub whole_to: u64,
    /// Numbers without a record, the first 1,000 ranges.
    pub seq_gaps: Vec<NumberRange>,
    /// Values beside the chain that open the commitments of their records.
    pub values_kept: u64,
    /// Values that are gone, as records of erasures say.
    pub values_erased: u64,
    /// Whether every call that was issued a number has a closing record.
    pub calls: CallReport,
}

impl Reader {
    /// Reads the whole trail and judges it. A running server may append meanwhile.
    ///
    /// A trail that was cut at its end, or replaced as a whole, is only found out with `checkpoints` kept elsewhere.
    ///
    /// # Errors
    /// [`StoreError::Sqlite`] when the file itself is damaged, [`StoreError::Busy`].
    pub async fn verify(&self, checkpoints: impl IntoIterator<Item = Checkpoint>) -> Result<VerifyReport, StoreError> {
        let checkpoints: Vec<_> = checkpoints.into_iter().collect();
        let mut tries = TRIES;
        loop {
            let start = self.run(Start::of).await?;
            let begins = start.at();
            let report = self.verify_from(start, &checkpoints).await?;
            tries -= 1;
            // A server may remove old records under whoever reads them; then what is left is read again.
            if report.integrity || tries == 0 || self.run(Start::of).await?.at() == begins {
                return Ok(report);
            }
        }
    }

    async fn verify_from(&self, start: Start, checkpoints: &[Checkpoint]) -> Result<VerifyReport, StoreError> {
        let mut verifier = Verifier::new(start, checkpoints.iter().copied());
        loop {
            let (next, more) = self.run(move |connection| verifier.read_chunk(connection)).await?;
            verifier = next;
            if !more {
                return Ok(verifier.report());
            }
        }
    }
}

pub(crate) struct Verifier {
    /// What checkpoints say about a record. Two that differ are both kept: one of them is wrong.
    kept: BTreeMap<u64, BTreeSet<Digest>>,
    whole_to: u64,
    /// The last record read: its number and its stored hash.
    head: Checkpoint,
    /// As stored, so that nothing below 1 is skipped.
    position: Option<i64>,
    records: u64,
    bad_records: u64,
    first_bad: Option<BadRecord>,
    gaps: Listed,
    calls: CallLedger,
    cut: Option<TrailCut>,
    erasures: Erasures,
    values_kept: u64,
    values_erased: u64,
}

impl Verifier {
    pub(crate) fn new(start: Start, checkpoints: impl IntoIterator<Item = Checkpoint>) -> Self {
        let begins = start.at();
        let mut kept: BTreeMap<u64, BTreeSet<Digest>> = BTreeMap::new();
        // Of what was cut off nothing can be said any more.
        for Checkpoint { seq, hash } in checkpoints.into_iter().filter(|checkpoint| checkpoint.seq >= begins.seq) {
            kept.entry(seq).or_default().insert(hash);
        }
        let mut new = Self {
            kept,
            whole_to: begins.seq,
            head: begins,
            position: None,
            records: 0,
            bad_records: 0,
            first_bad: None,
            gaps: Listed::default(),
            calls: start.calls(),
            cut: start.into_cut(),
            erasures: Erasures::default(),
            values_kept: 0,
            values_erased: 0,
        };
        if !new.meets(begins) {
            new.found(stored_number(begins.seq), Fault::Rewritten);
        }
        new
    }

    /// Where it stands: the last record it read, and what is known about calls.
    pub(crate) fn standing(self) -> (VerifyReport, Option<CallStanding>) {
        let calls = self.calls.standing();
        (self.report(), calls)
    }

    pub(crate) fn read_chunk(mut self, connection: &Connection) -> Result<(Self, bool), StoreError> {
        let read = self.records;
        self.read_rows(connection, i64::MAX, CHUNK).map_err(StoreError::sqlite("read the audit trail"))?;
        let more = self.records.saturating_sub(read) == u64::from(CHUNK);
        Ok((self, more))
    }

    /// Reads up to a record.
    pub(crate) fn read_to(mut self, connection: &Connection, to: u64) -> Result<Self, StoreError> {
        let read = self.read_rows(connection, stored_number(to), u32::MAX);
        read.map_err(StoreError::sqlite("read the audit trail"))?;
        Ok(self)
    }

    fn read_rows(&mut self, connection: &Connection, to: i64, rows_max: u32) -> rusqlite::Result<()> {
        let sql = "SELECT seq, hash, body, time_unix_ms, kind, invocation, function FROM audit \
                   WHERE seq > ?1 AND seq <= ?2 ORDER BY seq LIMIT ?3";
        // One below the lowest number there is, which no record can have.
        let from = self.position.unwrap_or(i64::MIN);
        let mut statement = connection.prepare_cached(sql)?;
        let mut rows = statement.query((from, to, rows_max))?;
        while let Some(row) = rows.next()? {
            self.read_row(connection, row)?;
        }
        Ok(())
    }

    fn read_row(&mut self, connection: &Connection, row: &Row<'_>) -> rusqlite::Result<()> {
        let stored: i64 = row.get(0)?;
        let fault = self.judge(connection, stored, row)?;
        self.position = Some(stored);
        self.records = self.records.saturating_add(1);
        match fault {
            Some(why) => self.found(stored, why),
            None if self.first_bad.is_none() => self.whole_to = self.head.seq,
            None => {}
        }
        Ok(())
    }

    /// The first thing wrong with a record, and in any case the step to the next.
    fn judge(&mut self, connection: &Connection, stored: i64, row: &Row<'_>) -> rusqlite::Result<Option<Fault>> {
        let expected = self.head.seq.saturating_add(1);
        let seq = u64::try_from(stored).unwrap_or(0);
        if seq > expected {
            self.gaps.add(NumberRange { first: expected, last: seq.saturating_sub(1) });
        }
        let body = bytes(row.get_ref(2)?);
        let hash = <[u8; 32]>::try_from(bytes(row.get_ref(1)?)).ok().map(Digest::from_bytes);
        let computed = link(seq, &self.head.hash, body);
        // Going on from the stored hash shows each change once instead of in every record behind it.
        self.head = Checkpoint { seq, hash: hash.unwrap_or(computed) };
        let event = serde_json::from_slice::<AuditEvent>(body);
        if let Ok(event) = &event {
            self.calls.see(event);
        }
        if seq != expected {
            return Ok(Some(Fault::Gap { expected }));
        }
        if hash != Some(computed) {
            return Ok(Some(Fault::Hash));
        }
        if !self.meets(Checkpoint { seq, hash: computed }) {
            return Ok(Some(Fault::Rewritten));
        }
        let Ok(event) = event else { return Ok(Some(Fault::Body)) };
        if let Some(column) = differing_column(row, &event)? {
            return Ok(Some(Fault::Column(column)));
        }
        if let Some(fault) = self.judge_values(connection, stored, &event)? {
            return Ok(Some(fault));
        }
        Ok((!is_indexed(connection, stored, &event)?).then_some(Fault::Index))
    }

    /// The first value that is not what the record is committed to; counts those that are, and those that were erased.
    fn judge_values(
        &mut self,
        connection: &Connection,
        stored: i64,
        event: &AuditEvent,
    ) -> rusqlite::Result<Option<Fault>> {
        let standing = values::judge(connection, stored, event)?;
        self.values_kept = self.values_kept.saturating_add(standing.kept);
        for field in standing.gone {
            if !self.erasures.cover(connection, self.head.seq, event, field)? {
                return Ok(Some(standing.fault.unwrap_or(Fault::Missing(field.as_str()))));
            }
            self.values_erased = self.values_erased.saturating_add(1);
        }
        Ok(standing.fault)
    }

    /// Whether no checkpoint says otherwise.
    fn meets(&self, at: Checkpoint) -> bool {
        self.kept.get(&at.seq).is_none_or(|hashes| hashes.iter().all(|hash| *hash == at.hash))
    }

    fn found(&mut self, seq: i64, why: Fault) {
        self.bad_records = self.bad_records.saturating_add(1);
        self.first_bad.get_or_insert(BadRecord { seq, why });
    }

    pub(crate) fn report(mut self) -> VerifyReport {
        if let Some(beyond) = self.kept.keys().next_back().copied().filter(|last| *last > self.head.seq) {
            self.found(stored_number(beyond), Fault::CutOff);
        }
        VerifyReport {
            records: self.records,
            cut: self.cut,
            integrity: self.first_bad.is_none(),
            first_bad: self.first_bad,
            bad_records: self.bad_records,
            head: self.head,
            whole_to: self.whole_to,
            seq_gaps: self.gaps.ranges,
            values_kept: self.values_kept,
            values_erased: self.values_erased,
            calls: self.calls.report(),
        }
    }
}

fn bytes(value: ValueRef<'_>) -> &[u8] {
    match value {
        ValueRef::Text(bytes) | ValueRef::Blob(bytes) => bytes,
        ValueRef::Null | ValueRef::Integer(_) | ValueRef::Real(_) => &[],
    }
}

fn differing_column(row: &Row<'_>, event: &AuditEvent) -> rusqlite::Result<Option<&'static str>> {
    let text = |index, wanted: Option<&str>| -> rusqlite::Result<bool> {
        let stored = match row.get_ref(index)? {
            ValueRef::Null => None,
            other => Some(bytes(other)),
        };
        Ok(stored == wanted.map(str::as_bytes))
    };
    if row.get_ref(3)? != ValueRef::Integer(stored_number(event.time_unix_ms)) {
        return Ok(Some("time_unix_ms"));
    }
    if !text(4, Some(kind_name(event.kind)))? {
        return Ok(Some("kind"));
    }
    if !text(5, event.invocation.as_deref())? {
        return Ok(Some("invocation"));
    }
    Ok(if text(6, event.function.as_deref())? { None } else { Some("function") })
}
