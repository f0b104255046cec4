//! What the audit trail is searched by: for each record the words somebody may ask for, under its tenant and environment.
//!
//! A word is kept as a number, the first eight bytes of SHA-256 over its sort, its owner and itself (see [`facet`]). That
//! keeps the index small and makes no word dearer than another. Two words with one number cost a search some time and change no
//! answer, because every record that is found is looked at again. The index of a group is written in the group's own
//! transaction, in order: a record is never there without it.

use std::{
    collections::{BTreeMap, BTreeSet},
    mem,
};

use airlock_model::{AuditEvent, AuditKind, Decision, Digest};
use rusqlite::{Connection, OptionalExtension as _, Row, params_from_iter};

use crate::{StoreError, chain::kind_name};

const HOUR_MS: u64 = 3_600_000;
/// Tables of one statement that it is found by.
const TABLES_MAX: usize = 32;
/// Records of before the index was made that one transaction indexes.
const CATCH_UP: u32 = 10_000;
/// How far a trail of before the index is indexed; not there when all of it is.
const INDEXED_TO: &str = "trail_indexed_to";

/// Sorts of words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sort {
    /// Every record of an owner.
    Owner,
    /// Whoever acts, and on whose behalf.
    Principal,
    App,
    Function,
    Resource,
    Table,
    /// What happened, but for what happens all the time.
    Kind,
    /// What was denied.
    Denied,
    Approval,
}

impl Sort {
    const fn name(self) -> &'static str {
        match self {
            Self::Owner => "owner",
            Self::Principal => "principal",
            Self::App => "app",
            Self::Function => "function",
            Self::Resource => "resource",
            Self::Table => "table",
            Self::Kind => "kind",
            Self::Denied => "denied",
            Self::Approval => "approval",
        }
    }
}

/// Whose record it is: a tenant and an environment, empty where it is nobody's.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Owner {
    pub(crate) tenant: String,
    pub(crate) environment: String,
}

impl Owner {
    pub(crate) fn of(event: &AuditEvent) -> Self {
        Self { tenant: tenant_of(event).to_owned(), environment: environment_of(event).to_owned() }
    }

    /// Of what nobody can be named for.
    pub(crate) fn nobody() -> Self {
        Self { tenant: String::new(), environment: String::new() }
    }
}

fn tenant_of(event: &AuditEvent) -> &str {
    event.principal.as_ref().map_or("", |principal| principal.tenant.as_str())
}

/// What nobody can be named for is under no environment either: anybody could ask for any.
fn environment_of(event: &AuditEvent) -> &str {
    let named = event.environment.as_deref().filter(|_| event.principal.is_some());
    named.unwrap_or_default()
}

/// The number of a word.
pub(crate) fn facet(sort: Sort, tenant: &str, environment: &str, word: &str) -> i64 {
    let digest = Digest::of_parts(&[sort.name(), tenant, environment, word].map(str::as_bytes));
    let mut first = [0; 8];
    for (to, from) in first.iter_mut().zip(digest.as_bytes()) {
        *to = *from;
    }
    i64::from_le_bytes(first)
}

/// Whether searches for a kind use the index: the others are nearly all there is.
pub(crate) const fn is_rare(kind: AuditKind) -> bool {
    !matches!(kind, AuditKind::InvocationFinished | AuditKind::HostCallIntent | AuditKind::HostCallOutcome)
}

/// The numbers of all words of an event, each once.
pub(crate) fn facets(event: &AuditEvent) -> BTreeSet<i64> {
    let (tenant, environment) = (tenant_of(event), environment_of(event));
    let number = |sort, word: &str| facet(sort, tenant, environment, word);
    let mut all = BTreeSet::from([number(Sort::Owner, "")]);
    if let Some(principal) = &event.principal {
        all.insert(number(Sort::Principal, &principal.subject));
        all.extend(principal.actor.as_deref().map(|actor| number(Sort::Principal, actor)));
        all.insert(number(Sort::App, principal.app.as_str()));
    }
    all.extend(event.function.as_deref().map(|word| number(Sort::Function, word)));
    all.extend(event.resource.as_deref().map(|word| number(Sort::Resource, word)));
    // Nobody makes the writer work for long by naming many; those beyond are found by anything else.
    all.extend(event.tables.iter().take(TABLES_MAX).map(|word| number(Sort::Table, word)));
    all.extend(event.approval.as_deref().map(|word| number(Sort::Approval, word)));
    if is_rare(event.kind) {
        all.insert(number(Sort::Kind, kind_name(event.kind)));
    }
    if event.decision == Some(Decision::Deny) {
        all.insert(number(Sort::Denied, ""));
    }
    all
}

/// The hour of UTC that a time is in.
pub(crate) fn hour_of(time_unix_ms: u64) -> i64 {
    i64::try_from(time_unix_ms / HOUR_MS).unwrap_or(i64::MAX)
}

/// What the records of the open group add to the index.
#[derive(Default)]
pub(crate) struct IndexWriter {
    facets: Vec<(i64, i64)>,
    hours: BTreeMap<i64, (i64, i64)>,
    /// By their numbers, so that one that is known costs no copy.
    owners: BTreeMap<i64, Owner>,
}

impl IndexWriter {
    pub(crate) fn add(&mut self, seq: i64, event: &AuditEvent) {
        self.facets.extend(facets(event).into_iter().map(|facet| (facet, seq)));
        self.hours.entry(hour_of(event.time_unix_ms)).or_insert((seq, seq)).1 = seq;
        let (tenant, environment) = (tenant_of(event), environment_of(event));
        self.owners.entry(facet(Sort::Owner, tenant, environment, "")).or_insert_with(|| Owner::of(event));
    }

    /// Forgets the records after this one, which were undone. That an hour or an owner stays costs a search nothing but time.
    pub(crate) fn rewind(&mut self, seq: i64) {
        self.facets.retain(|(_, of)| *of <= seq);
    }

    /// Writes it all, in the order of the tree, and begins anew.
    pub(crate) fn write(&mut self, connection: &Connection) -> Result<(), StoreError> {
        let mut group = mem::take(self);
        group.facets.sort_unstable();
        group.write_all(connection).map_err(StoreError::sqlite("index the audit trail"))?;
        // What was allocated serves the next group.
        group.facets.clear();
        self.facets = group.facets;
        Ok(())
    }

    fn write_all(&self, connection: &Connection) -> rusqlite::Result<()> {
        let mut many = connection.prepare_cached(INSERT_FACETS)?;
        let mut one = connection.prepare_cached(INSERT_FACET)?;
        let (chunks, rest) = self.facets.as_chunks::<FACETS_AT_ONCE>();
        for chunk in chunks {
            many.execute(params_from_iter(chunk.iter().flat_map(|(facet, seq)| [facet, seq])))?;
        }
        for row in rest {
            one.execute(*row)?;
        }
        let mut hour = connection.prepare_cached(UPSERT_HOUR)?;
        for (number, (first, last)) in &self.hours {
            hour.execute((number, first, last))?;
        }
        let mut owner = connection.prepare_cached(INSERT_OWNER)?;
        for Owner { tenant, environment } in self.owners.values() {
            owner.execute((tenant, environment))?;
        }
        Ok(())
    }
}

const FACETS_AT_ONCE: usize = 16;
const INSERT_FACET: &str = "INSERT OR IGNORE INTO audit_facets (facet, seq) VALUES (?, ?)";
const INSERT_FACETS: &str = "INSERT OR IGNORE INTO audit_facets (facet, seq) VALUES (?, ?), (?, ?), (?, ?), (?, ?), (?, ?), (?, ?), \
                             (?, ?), (?, ?), (?, ?), (?, ?), (?, ?), (?, ?), (?, ?), (?, ?), (?, ?), (?, ?)";
const UPSERT_HOUR: &str = "INSERT INTO audit_hours (hour, first_seq, last_seq) VALUES (?1, ?2, ?3) ON CONFLICT (hour) DO UPDATE \
                           SET first_seq = min(first_seq, excluded.first_seq), last_seq = max(last_seq, excluded.last_seq)";
const INSERT_OWNER: &str = "INSERT OR IGNORE INTO audit_owners (tenant, environment) VALUES (?1, ?2)";

/// Whether searches find a record.
pub(crate) fn is_indexed(connection: &Connection, seq: i64, event: &AuditEvent) -> rusqlite::Result<bool> {
    let hour = "SELECT EXISTS (SELECT 1 FROM audit_hours WHERE hour = ?1 AND ?2 BETWEEN first_seq AND last_seq)";
    let owner = "SELECT EXISTS (SELECT 1 FROM audit_owners WHERE tenant = ?1 AND environment = ?2)";
    let word = "SELECT EXISTS (SELECT 1 FROM audit_facets WHERE facet = ?1 AND seq = ?2)";
    let yes = |row: &Row<'_>| row.get(0);
    let mut word = connection.prepare_cached(word)?;
    for facet in facets(event) {
        if !word.query_row((facet, seq), yes)? {
            return Ok(false);
        }
    }
    Ok(connection.prepare_cached(hour)?.query_row((hour_of(event.time_unix_ms), seq), yes)?
        && connection.prepare_cached(owner)?.query_row((tenant_of(event), environment_of(event)), yes)?)
}

/// Indexes a trail that is older than its index, some records at a time: a start that is cut short goes on where it was.
pub(crate) fn catch_up(connection: &mut Connection) -> Result<(), StoreError> {
    let mut position = indexed_to(connection)?;
    while let Some(from) = position {
        let transaction = connection.transaction().map_err(StoreError::sqlite("index the audit trail"))?;
        position = catch_up_some(&transaction, from)?;
        transaction.commit().map_err(StoreError::sqlite("index the audit trail"))?;
        tracing::info!(records = position.unwrap_or(from), "indexing the audit trail");
    }
    Ok(())
}

fn indexed_to(connection: &Connection) -> Result<Option<i64>, StoreError> {
    let sql = "SELECT value FROM counters WHERE name = ?1";
    let found = connection.query_row(sql, [INDEXED_TO], |row| row.get(0)).optional();
    found.map_err(StoreError::sqlite("read how far the trail is indexed"))
}

fn catch_up_some(connection: &Connection, from: i64) -> Result<Option<i64>, StoreError> {
    let (mut index, mut read, mut last) = (IndexWriter::default(), 0_u32, from);
    let sqlite = StoreError::sqlite("read the audit trail");
    let mut rows = |sql: &str| -> rusqlite::Result<()> {
        let mut statement = connection.prepare_cached(sql)?;
        let mut rows = statement.query((from, CATCH_UP))?;
        while let Some(row) = rows.next()? {
            last = row.get(0)?;
            read += 1;
            // What is no event cannot be searched for; verification names it.
            if let Ok(event) = serde_json::from_str(&row.get::<_, String>(1)?) {
                index.add(last, &event);
            }
        }
        Ok(())
    };
    rows("SELECT seq, body FROM audit WHERE seq > ?1 ORDER BY seq LIMIT ?2").map_err(sqlite)?;
    index.write(connection)?;
    let kept = match read < CATCH_UP {
        true => connection.execute("DELETE FROM counters WHERE name = ?1", [INDEXED_TO]),
        false => connection.execute("UPDATE counters SET value = ?2 WHERE name = ?1", (INDEXED_TO, last)),
    };
    kept.map_err(StoreError::sqlite("keep how far the trail is indexed"))?;
    Ok((read == CATCH_UP).then_some(last))
}
