//! What can be asked of the audit trail.

use airlock_model::{AuditEvent, AuditKind, AuditValue, Decision, Digest, ValueField, ValuePolicy};
use serde::Serialize;

use crate::{AuditPage, Checkpoint, Reader, StoreError, chain::stored_number, search, values};

const LIMIT_DEFAULT: u32 = 100;
const LIMIT_MAX: u32 = 1_000;

/// Which end of the trail comes first.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum AuditOrder {
    /// As it happened.
    #[default]
    OldestFirst,
    /// The latest on top.
    NewestFirst,
}

/// What to look for. Everything that is set must match; the default is the start of the trail.
///
/// Indexed, so that a search costs as much as the rarest of its words: all but the token's id and what was permitted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AuditFilter {
    /// Only this tenant.
    pub tenant: Option<String>,
    /// Only this environment.
    pub environment: Option<String>,
    /// Only what this subject did, or an actor of this name for a subject.
    pub principal: Option<String>,
    /// Only through this app.
    pub app: Option<String>,
    /// Only this function.
    pub function: Option<String>,
    /// Only this resource.
    pub resource: Option<String>,
    /// Only statements that name this table, as the records write it.
    pub table: Option<String>,
    /// Only what was decided so.
    pub decision: Option<Decision>,
    /// Only this kind.
    pub kind: Option<AuditKind>,
    /// Only this invocation.
    pub invocation: Option<String>,
    /// Only by this token.
    pub token_id: Option<String>,
    /// Only about this approval.
    pub approval: Option<String>,
    /// Not before, in milliseconds since the Unix epoch.
    pub since_unix_ms: Option<u64>,
    /// Before.
    pub until_unix_ms: Option<u64>,
    /// Only numbers above this one: the last seen, to go on.
    pub after_seq: Option<u64>,
    /// Only numbers below this one: the last seen, to go back.
    pub before_seq: Option<u64>,
    /// Which end first.
    pub order: AuditOrder,
    /// How many at most: 100 when not set, 1,000 the most.
    pub limit: Option<u32>,
    /// Whether the values that are kept beside the records come with them.
    pub with_values: bool,
}

impl AuditFilter {
    pub(crate) fn page_rows(&self) -> usize {
        usize::try_from(self.limit.unwrap_or(LIMIT_DEFAULT).min(LIMIT_MAX)).unwrap_or(usize::MAX)
    }

    /// Goes on behind a page of this filter.
    pub fn go_on(&mut self, page: &AuditPage) {
        match self.order {
            AuditOrder::OldestFirst => self.after_seq = Some(page.position),
            AuditOrder::NewestFirst => self.before_seq = Some(page.position),
        }
    }
}

/// One record of the trail.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AuditRecord {
    /// Its number.
    pub seq: u64,
    /// Its hash, which covers every record before it.
    pub hash: Digest,
    /// What it says.
    pub event: AuditEvent,
    /// What is kept beside it, when asked for.
    #[serde(skip)]
    pub values: Vec<KeptValue>,
}

/// What is kept of a value that a record has a commitment to; not its salt, with which a guess could be tried.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct KeptValue {
    /// What it is of the record.
    #[serde(skip)]
    pub field: ValueField,
    /// What is kept of it.
    pub policy: ValuePolicy,
    /// Bytes of the whole value.
    pub bytes: u64,
    /// Its structure, or its first 16 KiB; nothing by the policy `hash`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
}

impl From<AuditValue> for KeptValue {
    fn from(value: AuditValue) -> Self {
        let AuditValue { field, policy, bytes, kept, .. } = value;
        Self { field, policy, bytes, value: kept.map(|kept| kept.to_string()) }
    }
}

impl Reader {
    /// The records that match, as many as asked for if there are. Does not check the chain; [`Reader::verify`] does.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`] when a record cannot be read, [`StoreError::Sqlite`], [`StoreError::Busy`].
    pub async fn query(&self, mut filter: AuditFilter) -> Result<Vec<AuditRecord>, StoreError> {
        let wanted = filter.page_rows();
        let mut records = Vec::new();
        loop {
            let page = self.search(filter.clone()).await?;
            filter.go_on(&page);
            records.extend(page.records);
            if page.is_last || records.len() >= wanted {
                records.truncate(wanted);
                return Ok(records);
            }
        }
    }

    /// One page of the records that match; the work for it is bounded.
    ///
    /// # Errors
    /// As [`Reader::query`].
    pub async fn search(&self, filter: AuditFilter) -> Result<AuditPage, StoreError> {
        self.run(move |connection| search::page(connection, &filter)).await
    }

    /// A record with its values and their salts, to prove what a value was.
    ///
    /// # Errors
    /// As [`Reader::query`].
    pub async fn record_with_salts(&self, seq: u64) -> Result<Option<(AuditRecord, Vec<AuditValue>)>, StoreError> {
        let sqlite = || StoreError::sqlite("read a record and its values");
        let read = move |connection: &rusqlite::Connection| {
            let snapshot = connection.unchecked_transaction().map_err(sqlite())?;
            let Some(record) = search::read(&snapshot, stored_number(seq))?.next() else { return Ok(None) };
            let found = values::of_record(&snapshot, stored_number(seq)).map_err(sqlite())?;
            Ok(Some((record, found.into_iter().filter_map(|(_, value)| value).collect())))
        };
        self.run(read).await
    }

    /// The last record, for a checkpoint to keep somewhere else.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`] when it cannot be read, [`StoreError::Sqlite`], [`StoreError::Busy`].
    pub async fn head(&self) -> Result<Checkpoint, StoreError> {
        self.run(Checkpoint::last).await
    }
}
