//! The oldest records of the trail are removed when their time is over, and what was removed stays provable.
//!
//! A cut is one transaction: the records go, and a record comes that says up to which number and with which hash. Verification
//! begins there. It takes some thousand records at a time, so that nobody waits long for the writer, and removes nothing that does not
//! verify: what was tampered with stays as evidence. The cut is signed by whoever makes checkpoints, because anybody who can write
//! to the file could add a record to its end that says the same.

use airlock_model::{AuditEvent, AuditKind, TrailCut, ValueField};
use rusqlite::{Connection, OptionalExtension as _};

use crate::{
    Checkpoint, Store, StoreError,
    chain::{Tx, kind_name, stored_number},
    completeness::CallLedger,
    revisions::execute,
    trail_index::{Sort, facet, facets, hour_of},
    usage::counted_through,
    values::row_of,
    verify::Verifier,
};

/// Records that one cut removes, and the fewest that are tried when so many calls are open at the end of those that it would not be
/// written down.
const STEP: u64 = 2_000;
const STEP_MIN: u64 = 10;

/// Where the trail begins.
pub(crate) enum Start {
    /// With its first record.
    Genesis,
    /// Behind records that were removed.
    Cut(Box<TrailCut>),
}

impl Start {
    /// Where the trail of a database begins, as its last cut says.
    pub(crate) fn of(connection: &Connection) -> Result<Self, StoreError> {
        let sql = "SELECT a.body FROM audit_facets f JOIN audit a ON a.seq = f.seq WHERE f.facet = ?1 \
                   ORDER BY f.seq DESC LIMIT 1";
        let word = facet(Sort::Kind, "", "", kind_name(AuditKind::TrailCut));
        let body = connection.query_row(sql, [word], |row| row.get::<_, String>(0)).optional();
        let body = body.map_err(StoreError::sqlite("look for where the trail begins"))?;
        // What is no event is found by reading on from the first record.
        let event = body.and_then(|body| serde_json::from_str::<AuditEvent>(&body).ok());
        Ok(event.and_then(|event| event.cut).map_or(Self::Genesis, Self::Cut))
    }

    pub(crate) fn at(&self) -> Checkpoint {
        match self {
            Self::Genesis => Checkpoint::genesis(),
            Self::Cut(cut) => Checkpoint { seq: cut.seq, hash: cut.hash },
        }
    }

    pub(crate) fn calls(&self) -> CallLedger {
        match self {
            Self::Genesis => CallLedger::default(),
            Self::Cut(cut) => CallLedger::after(cut),
        }
    }

    pub(crate) fn into_cut(self) -> Option<TrailCut> {
        match self {
            Self::Genesis => None,
            Self::Cut(cut) => Some(*cut),
        }
    }
}

/// What a cut would remove.
struct Plan {
    cut: TrailCut,
    /// The words of the index that go with it.
    facets: Vec<(i64, i64)>,
}

impl Store {
    /// Removes the oldest records, some thousand at most, all of hours that ended before `before_unix_ms`; the last record of the
    /// trail always stays. `None` when there are none, or when `sign` signs nothing. The records that go are verified first.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`] when they do not verify, and nothing is removed; [`StoreError::Unavailable`], [`StoreError::Busy`].
    pub async fn cut_trail<S>(
        &self,
        before_unix_ms: u64,
        now_unix_ms: u64,
        sign: S,
    ) -> Result<Option<TrailCut>, StoreError>
    where
        S: FnOnce(Checkpoint) -> Option<String>,
    {
        #[expect(clippy::redundant_closure_for_method_calls, reason = "the method alone is of one lifetime")]
        self.write(|tx| tx.fold_usage()).await?;
        let Some(mut plan) = self.run(move |connection| plan(connection, before_unix_ms)).await? else {
            return Ok(None);
        };
        let Some(signed) = sign(Checkpoint { seq: plan.cut.seq, hash: plan.cut.hash }) else { return Ok(None) };
        plan.cut.signed = signed;
        self.write(move |tx| carry_out(tx, plan, now_unix_ms)).await.map(Some)
    }
}

fn plan(connection: &Connection, before_unix_ms: u64) -> Result<Option<Plan>, StoreError> {
    let snapshot = connection.unchecked_transaction().map_err(sqlite())?;
    let start = Start::of(&snapshot)?;
    let from = start.at().seq;
    let Some(to) = last_to_go(&snapshot, before_unix_ms).map_err(sqlite())? else { return Ok(None) };
    let to = to.min(from.saturating_add(STEP)).min(no_longer_needed(&snapshot)?);
    if to <= from {
        return Ok(None);
    }
    let (mut start, mut to, mut read) = (Some(start), to, None);
    while let Some(begin) = start.take() {
        let (report, standing) = Verifier::new(begin, None).read_to(&snapshot, to)?.standing();
        let fewer = (to - from) / 2;
        if standing.is_none() && report.integrity && fewer >= STEP_MIN {
            // Too many calls are open at this very record; there may be one before it with fewer.
            to = from + fewer;
            start = Some(Start::of(&snapshot)?);
        }
        read = Some((report, standing));
    }
    let Some((report, standing)) = read else { return Ok(None) };
    if let Some(bad) = report.first_bad {
        return Err(StoreError::corrupt(format!("audit record `{}`, which was to be removed: {}", bad.seq, bad.why)));
    }
    let Some((highest_call, open_calls)) = standing else {
        tracing::warn!(from, "old audit records stay: more calls are open among them than a cut writes down");
        return Ok(None);
    };
    let (facets, first_unix_ms, last_unix_ms) = words(&snapshot, from, to)?;
    let cut = TrailCut {
        seq: report.head.seq,
        hash: report.head.hash,
        records: report.records,
        first_unix_ms,
        last_unix_ms,
        calls: report.calls.finished,
        unfinished_calls: report.calls.unfinished_count.saturating_sub(count(&open_calls)),
        highest_call,
        open_calls,
        signed: String::new(),
    };
    Ok(Some(Plan { cut, facets }))
}

fn sqlite() -> impl FnOnce(rusqlite::Error) -> StoreError {
    StoreError::sqlite("look for old audit records")
}

fn count(ranges: &[(u64, u64)]) -> u64 {
    ranges.iter().map(|(first, last)| last.saturating_sub(*first).saturating_add(1)).sum()
}

/// The last record that nobody reads any more: usage is counted from it, and every export has it and knows its place by the next.
fn no_longer_needed(connection: &Connection) -> Result<u64, StoreError> {
    let sql = "SELECT min(seq) - 1 FROM exports WHERE configured";
    let exported: Option<i64> = connection.query_row(sql, [], |row| row.get(0)).map_err(sqlite())?;
    let exported = exported.map_or(u64::MAX, |seq| u64::try_from(seq).unwrap_or_default());
    Ok(exported.min(counted_through(connection)?))
}

/// The last record before every record of a later hour: clocks jump, and what is young stays with all that follows it.
fn last_to_go(connection: &Connection, before_unix_ms: u64) -> rusqlite::Result<Option<u64>> {
    let sql = "SELECT min(coalesce((SELECT min(first_seq) FROM audit_hours WHERE hour >= ?1), max(seq)), max(seq)) - 1 \
               FROM audit";
    let last: Option<i64> = connection.query_row(sql, [hour_of(before_unix_ms)], |row| row.get(0))?;
    Ok(last.and_then(|last| u64::try_from(last).ok()))
}

/// Words of the index with their records, and two times.
type Words = (Vec<(i64, i64)>, u64, u64);

/// The words of some records, and when the first and the last were written.
fn words(connection: &Connection, from: u64, to: u64) -> Result<Words, StoreError> {
    let (mut all, mut first, mut last) = (Vec::new(), None, 0);
    let mut read = || -> rusqlite::Result<()> {
        let sql = "SELECT seq, body FROM audit WHERE seq > ?1 AND seq <= ?2 ORDER BY seq";
        let mut statement = connection.prepare_cached(sql)?;
        let mut rows = statement.query((stored_number(from), stored_number(to)))?;
        while let Some(row) = rows.next()? {
            let seq: i64 = row.get(0)?;
            if let Ok(event) = serde_json::from_str::<AuditEvent>(&row.get::<_, String>(1)?) {
                first.get_or_insert(event.time_unix_ms);
                last = event.time_unix_ms;
                all.extend(facets(&event).into_iter().map(|facet| (facet, seq)));
            }
        }
        Ok(())
    };
    read().map_err(sqlite())?;
    Ok((all, first.unwrap_or_default(), last))
}

fn carry_out(tx: &mut Tx<'_>, plan: Plan, now_unix_ms: u64) -> Result<TrailCut, StoreError> {
    let Plan { cut, facets } = plan;
    let mut event = AuditEvent::new(AuditKind::TrailCut, now_unix_ms);
    event.message = Some(format!("records up to {} were removed: the time that they are kept for is over", cut.seq));
    event.cut = Some(Box::new(cut.clone()));
    tx.record(&event)?;
    let seq = stored_number(cut.seq);
    execute(tx.connection, "DELETE FROM audit WHERE seq <= ?1", [seq])?;
    for facet in facets {
        execute(tx.connection, "DELETE FROM audit_facets WHERE facet = ?1 AND seq = ?2", facet)?;
    }
    let last_value = row_of(seq, ValueField::Statement);
    execute(tx.connection, "DELETE FROM audit_values WHERE id <= ?1", [last_value])?;
    execute(tx.connection, "DELETE FROM audit_hours WHERE last_seq <= ?1", [seq])?;
    execute(tx.connection, "DELETE FROM checkpoints WHERE seq <= ?1", [seq])?;
    Ok(cut)
}
