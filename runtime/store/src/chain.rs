//! The hash chain of the audit trail.
//!
//! `hash(n) = SHA-256(len(seq) seq len(previous) previous len(body) body)` with the record's number as eight bytes and
//! all lengths as eight bytes, little-endian (see [`Digest::of_parts`]), the raw 32 bytes of the hash before it, and the
//! body exactly as stored. The hash before record 1 is [`Checkpoint::genesis`], SHA-256 of `airlock audit genesis 1`.

use airlock_model::{AuditEvent, AuditKind, Digest};
use rusqlite::{CachedStatement, Connection, OptionalExtension as _};
use serde::{Deserialize, Serialize};

use crate::{StoreError, trail_index::IndexWriter, usage::Ledger, values};

/// Where a durable record stands in the chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Appended {
    /// Its number: 1 for the first, without gaps.
    pub seq: u64,
    /// Its hash, which covers every record before it.
    pub hash: Digest,
}

/// A point of the chain. Kept outside the state directory, it shows when later the end is cut off or all is rewritten.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Checkpoint {
    /// Number of the record, 0 before the first.
    pub seq: u64,
    /// Its hash.
    pub hash: Digest,
}

impl Checkpoint {
    /// The point before the first record.
    #[must_use]
    pub fn genesis() -> Self {
        Self { seq: 0, hash: Digest::of(b"airlock audit genesis 1") }
    }

    /// The last record stored.
    pub(crate) fn last(connection: &Connection) -> Result<Self, StoreError> {
        let sql = "SELECT seq, hash FROM audit ORDER BY seq DESC LIMIT 1";
        let read = |row: &rusqlite::Row<'_>| Ok((row.get::<_, i64>(0)?, row.get::<_, Vec<u8>>(1)?));
        let last =
            connection.query_row(sql, [], read).optional().map_err(StoreError::sqlite("read the last record"))?;
        let Some((seq, hash)) = last else { return Ok(Self::genesis()) };
        let hash = <[u8; 32]>::try_from(hash).map(Digest::from_bytes);
        match (u64::try_from(seq), hash) {
            (Ok(seq), Ok(hash)) => Ok(Self { seq, hash }),
            (Err(_), _) | (_, Err(_)) => Err(StoreError::corrupt(format!("audit record `{seq}`"))),
        }
    }

    /// The point after one more record with that body.
    pub(crate) fn followed_by(&self, body: &[u8]) -> Self {
        let seq = self.seq.saturating_add(1);
        Self { seq, hash: link(seq, &self.hash, body) }
    }
}

/// The hash of one record.
pub(crate) fn link(seq: u64, previous: &Digest, body: &[u8]) -> Digest {
    Digest::of_parts(&[&seq.to_le_bytes(), previous.as_bytes(), body])
}

/// The kind as it stands in the `kind` column; the same word as in the body.
pub(crate) const fn kind_name(kind: AuditKind) -> &'static str {
    match kind {
        AuditKind::ServerStarted => "server_started",
        AuditKind::InvocationRefused => "invocation_refused",
        AuditKind::InvocationFinished => "invocation_finished",
        AuditKind::InvocationAbandoned => "invocation_abandoned",
        AuditKind::HostCallIntent => "host_call_intent",
        AuditKind::HostCallOutcome => "host_call_outcome",
        AuditKind::FunctionDeployed => "function_deployed",
        AuditKind::FunctionPromoted => "function_promoted",
        AuditKind::FunctionRolledBack => "function_rolled_back",
        AuditKind::FunctionDisabled => "function_disabled",
        AuditKind::FunctionEnabled => "function_enabled",
        AuditKind::FunctionDeleted => "function_deleted",
        AuditKind::AliasChanged => "alias_changed",
        AuditKind::DeployRefused => "deploy_refused",
        AuditKind::ControlRefused => "control_refused",
        AuditKind::ConfigReloaded => "config_reloaded",
        AuditKind::SchemaDescribed => "schema_described",
        AuditKind::StatementStopped => "statement_stopped",
        AuditKind::ApprovalRequested => "approval_requested",
        AuditKind::ApprovalGranted => "approval_granted",
        AuditKind::ApprovalRejected => "approval_rejected",
        AuditKind::ApprovalRevoked => "approval_revoked",
        AuditKind::ApprovalExpired => "approval_expired",
        AuditKind::ApprovalExecuting => "approval_executing",
        AuditKind::ApprovalUsed => "approval_used",
        AuditKind::ApprovalUnknown => "approval_unknown",
        AuditKind::ApprovalPreviewed => "approval_previewed",
        AuditKind::TokenExchanged => "token_exchanged",
        AuditKind::TokenAttenuated => "token_attenuated",
        AuditKind::Revoked => "revoked",
        AuditKind::RevocationLifted => "revocation_lifted",
        AuditKind::TrailCut => "trail_cut",
        AuditKind::ValuesErased => "values_erased",
    }
}

const INSERT: &str = "INSERT INTO audit (seq, time_unix_ms, kind, invocation, function, hash, body) \
                      VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)";

/// The end of the chain as the writer knows it, and a buffer that it reuses.
pub(crate) struct Chain {
    pub(crate) head: Checkpoint,
    pub(crate) usage: Ledger,
    body: Vec<u8>,
    index: IndexWriter,
    /// The write-ahead log has pages of values that were erased.
    pub(crate) log_has_erased: bool,
}

impl Chain {
    pub(crate) fn open(connection: &Connection) -> Result<Self, StoreError> {
        let (head, body) = (Checkpoint::last(connection)?, Vec::with_capacity(4096));
        let usage = Ledger::open(connection, head)?;
        // A process that was killed may have left some.
        Ok(Self { head, usage, body, index: IndexWriter::default(), log_has_erased: true })
    }

    /// Goes back to where it ended before, when the database does the same.
    pub(crate) fn rewind(&mut self, head: Checkpoint) {
        self.head = head;
        self.index.rewind(stored_number(head.seq));
        self.usage.forget_after(head.seq);
    }
}

/// What a job may do while the group's transaction is open.
pub(crate) struct Tx<'a> {
    pub(crate) connection: &'a Connection,
    chain: &'a mut Chain,
    insert: CachedStatement<'a>,
}

impl<'a> Tx<'a> {
    pub(crate) fn new(connection: &'a Connection, chain: &'a mut Chain) -> Result<Self, StoreError> {
        let insert = connection.prepare_cached(INSERT).map_err(StoreError::sqlite("prepare the audit statement"))?;
        Ok(Self { connection, chain, insert })
    }

    /// Where the chain ends now.
    pub(crate) fn head(&self) -> Checkpoint {
        self.chain.head
    }

    /// Takes the chain back to where it ended before, when the database does the same.
    pub(crate) fn rewind(&mut self, head: Checkpoint) {
        self.chain.rewind(head);
    }

    /// Has the log cut once this transaction is on disk.
    pub(crate) fn cut_log(&mut self) {
        self.chain.log_has_erased = true;
    }

    /// Whether it has been, since the last erasure.
    pub(crate) fn log_is_cut(&self) -> bool {
        !self.chain.log_has_erased
    }

    /// Indexes what was recorded: the last thing before the group's transaction is committed.
    pub(crate) fn index(self) -> Result<(), StoreError> {
        self.chain.index.write(self.connection)
    }

    /// Writes down all usage that was counted so far.
    pub(crate) fn fold_usage(&mut self) -> Result<(), StoreError> {
        let Chain { head, usage, .. } = &mut *self.chain;
        usage.fold_all(self.connection, *head).map_err(|why| match why {
            // The whole group is undone then, and what was in memory is read again.
            StoreError::DiskFull => why,
            why => StoreError::unavailable(why.with_causes()),
        })
    }

    /// Counts usage from that hour on anew.
    pub(crate) fn count_usage_anew(&mut self, first_hour: u64) -> Result<(), StoreError> {
        let Chain { head, usage, .. } = &mut *self.chain;
        // What was in memory is gone: nothing may be written after half of this.
        let counted = usage.count_anew(self.connection, *head, first_hour);
        counted.map_err(|why| StoreError::unavailable(why.with_causes()))
    }

    /// Gives the event its place in the chain. Durable when the group's transaction is.
    pub(crate) fn record(&mut self, event: &AuditEvent) -> Result<Appended, StoreError> {
        let Chain { head, body, index, usage, .. } = &mut *self.chain;
        body.clear();
        serde_json::to_writer(&mut *body, event).map_err(|_| StoreError::corrupt("an audit event"))?;
        let next = head.followed_by(body);
        let text = str::from_utf8(body).map_err(|_| StoreError::corrupt("an audit event"))?;
        let stored = self.insert.execute((
            stored_number(next.seq),
            stored_number(event.time_unix_ms),
            kind_name(event.kind),
            event.invocation.as_deref(),
            event.function.as_deref(),
            next.hash.as_bytes().as_slice(),
            text,
        ));
        let kept = stored.and_then(|_| values::insert(self.connection, stored_number(next.seq), &event.values));
        kept.map_err(StoreError::sqlite("append an audit record"))?;
        index.add(stored_number(next.seq), event);
        *head = next;
        usage.note(next.seq, event);
        Ok(Appended { seq: next.seq, hash: next.hash })
    }
}

/// SQLite keeps 63 bits. Numbers beyond them stand for "never" and stay so.
pub(crate) fn stored_number(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
