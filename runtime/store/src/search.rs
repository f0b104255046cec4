//! Walks the audit trail for records that match a filter, by the index where it serves.
//!
//! Each word of the filter is an ascending list of record numbers. The walk leaps from list to list: whichever is ahead says
//! where the next looks on, so a search costs about as much as its rarest word. What is found is read and compared with the
//! filter itself, so the index decides how fast a search is and never what it answers.

use airlock_model::{AuditEvent, Decision, Digest};
use rusqlite::{Connection, OptionalExtension as _, Row};

use crate::{
    AuditFilter, AuditOrder, AuditRecord, StoreError,
    chain::{kind_name, stored_number},
    trail_index::{Owner, Sort, facet, hour_of, is_rare},
    values,
};

/// Looks into the index that one page may cost: some tenths of a second.
const SEEKS_MAX: u32 = 100_000;
/// What one record that is read counts for.
const READ_COSTS: u32 = 20;
/// Beyond this many owners the trail is read as it is, rather than owner by owner.
const OWNERS_MAX: u32 = 1_000;

/// One page of a search.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditPage {
    /// Those that match, in the order asked for.
    pub records: Vec<AuditRecord>,
    /// The last record looked at: what comes next is after it, or before it when the newest come first.
    pub position: u64,
    /// Whether nothing is left. A page that is not the last may hold fewer records than were asked for, even none, because the
    /// work for one page is bounded.
    pub is_last: bool,
}

/// One page, of the trail as it is at one moment.
pub(crate) fn page(connection: &Connection, filter: &AuditFilter) -> Result<AuditPage, StoreError> {
    let snapshot = connection.unchecked_transaction().map_err(sqlite())?;
    let Some(mut walk) = Walk::begin(&snapshot, filter)? else {
        let position = filter.after_seq.or(filter.before_seq).unwrap_or_default();
        return Ok(AuditPage { records: Vec::new(), position, is_last: true });
    };
    let mut records = Vec::new();
    while records.len() < filter.page_rows() {
        let Some(seq) = walk.next()? else { break };
        records.extend(read(&snapshot, seq)?.filter(|record| filter.matches(&record.event)));
        walk.pass(seq);
        // To read a record costs about as much as some looks.
        walk.seeks_left = walk.seeks_left.saturating_sub(READ_COSTS);
    }
    if filter.with_values {
        records.iter_mut().try_for_each(|record| add_values(&snapshot, record)).map_err(sqlite())?;
    }
    let (position, is_last) = walk.end();
    Ok(AuditPage { records, position, is_last })
}

fn sqlite() -> impl FnOnce(rusqlite::Error) -> StoreError {
    StoreError::sqlite("search the audit trail")
}

impl AuditFilter {
    fn matches(&self, event: &AuditEvent) -> bool {
        let is = |wanted: &Option<String>, found: Option<&str>| wanted.is_none() || wanted.as_deref() == found;
        let who = event.principal.as_deref();
        let acts =
            |name: &String| who.is_some_and(|who| who.subject == *name || who.actor.as_deref() == Some(name.as_str()));
        is(&self.tenant, who.map(|who| who.tenant.as_str()))
            && is(&self.environment, event.environment.as_deref())
            && self.principal.as_ref().is_none_or(acts)
            && is(&self.app, who.map(|who| who.app.as_str()))
            && is(&self.function, event.function.as_deref())
            && is(&self.resource, event.resource.as_deref())
            && self.table.as_ref().is_none_or(|table| event.tables.contains(table))
            && is(&self.invocation, event.invocation.as_deref())
            && is(&self.token_id, event.token_id.as_deref())
            && is(&self.approval, event.approval.as_deref())
            && self.kind.is_none_or(|kind| kind == event.kind)
            && self.decision.is_none_or(|decision| event.decision == Some(decision))
            && self.since_unix_ms.is_none_or(|since| event.time_unix_ms >= since)
            && self.until_unix_ms.is_none_or(|until| event.time_unix_ms < until)
    }

    /// The words that records of this owner are indexed by, at least one.
    fn words(&self, Owner { tenant, environment }: &Owner) -> Vec<i64> {
        let kind = self.kind.filter(|kind| is_rare(*kind)).map(kind_name);
        let denied = self.decision.filter(|decision| *decision == Decision::Deny).map(|_| "");
        let words = [
            (Sort::Approval, self.approval.as_deref()),
            (Sort::Kind, kind),
            (Sort::Table, self.table.as_deref()),
            (Sort::Principal, self.principal.as_deref()),
            (Sort::Denied, denied),
            (Sort::Resource, self.resource.as_deref()),
            (Sort::Function, self.function.as_deref()),
            (Sort::App, self.app.as_deref()),
        ];
        let number = |(sort, word): (Sort, Option<&str>)| word.map(|word| facet(sort, tenant, environment, word));
        let words: Vec<_> = words.into_iter().filter_map(number).collect();
        if words.is_empty() { vec![facet(Sort::Owner, tenant, environment, "")] } else { words }
    }

    /// Whether everything there is has to be looked at.
    fn is_wordless(&self) -> bool {
        let texts = [
            &self.tenant,
            &self.environment,
            &self.principal,
            &self.app,
            &self.function,
            &self.resource,
            &self.table,
            &self.approval,
        ];
        let by_decision = self.decision == Some(Decision::Deny);
        texts.into_iter().all(Option::is_none) && !self.kind.is_some_and(is_rare) && !by_decision
    }
}

/// A list of record numbers.
enum List {
    /// Every record.
    All,
    /// Those of one invocation.
    Invocation(String),
    /// Those that have all of these words.
    Words(Vec<i64>),
}

/// A list, and how far the walk is along it.
struct Cursor {
    list: List,
    /// Nothing before it is in the list, in the order of the walk.
    at: i64,
    /// Whether it is in the list itself.
    is_hit: bool,
    is_done: bool,
}

/// A walk along several lists at once, in one order.
struct Walk<'a> {
    connection: &'a Connection,
    order: AuditOrder,
    cursors: Vec<Cursor>,
    /// The last number that may be found.
    to: i64,
    seeks_left: u32,
}

impl<'a> Walk<'a> {
    /// `None` where nothing can match.
    fn begin(connection: &'a Connection, filter: &AuditFilter) -> Result<Option<Self>, StoreError> {
        let Some((first, last)) = bounds(connection, filter).map_err(sqlite())? else { return Ok(None) };
        let (from, to) = match filter.order {
            AuditOrder::OldestFirst => (first, last),
            AuditOrder::NewestFirst => (last, first),
        };
        let cursor = |list| Cursor { list, at: from, is_hit: false, is_done: false };
        let cursors = lists(connection, filter).map_err(sqlite())?.into_iter().map(cursor).collect();
        Ok(Some(Self { connection, order: filter.order, cursors, to, seeks_left: SEEKS_MAX }))
    }

    /// The next number of any list; `None` at the end, or when the page has cost enough.
    fn next(&mut self) -> Result<Option<i64>, StoreError> {
        let order = self.order;
        // Whichever is behind goes on, so that what one page has no time for is further on in the next.
        while self.seeks_left > 0 {
            let open = self.cursors.iter().enumerate().filter(|(_, cursor)| !cursor.is_done);
            // One that may still find a number is asked before that number is given: nothing may be left behind it.
            let first = open.min_by_key(|(_, cursor)| (order.key(cursor.at), cursor.is_hit));
            match first.map(|(at, cursor)| (at, cursor.is_hit, cursor.at)) {
                None => return Ok(None),
                Some((_, true, seq)) => return Ok(Some(seq)),
                Some((at, false, _)) => self.advance(at).map_err(sqlite())?,
            }
        }
        Ok(None)
    }

    /// Takes one cursor to the next number of its list.
    fn advance(&mut self, index: usize) -> rusqlite::Result<()> {
        let Self { connection, order, cursors, to, seeks_left } = self;
        let Some(cursor) = cursors.get_mut(index) else { return Ok(()) };
        let mut seeker = Seeker { connection, order: *order, to: *to, seeks_left };
        seeker.advance(cursor)
    }

    /// Leaves a number behind.
    fn pass(&mut self, seq: i64) {
        for cursor in self.cursors.iter_mut().filter(|cursor| cursor.is_hit && cursor.at == seq) {
            cursor.at = self.order.after(seq);
            cursor.is_hit = false;
        }
    }

    /// The last number that no list can have something before, and whether the walk is at its end.
    fn end(&mut self) -> (u64, bool) {
        for cursor in &mut self.cursors {
            cursor.is_done |= self.order.key(cursor.at) > self.order.key(self.to);
        }
        let order = self.order;
        let open = self.cursors.iter().filter(|cursor| !cursor.is_done).map(|cursor| cursor.at);
        let reached = open.min_by_key(|at| order.key(*at));
        let position = reached.map_or(self.to, |at| self.order.before(at));
        (u64::try_from(position).unwrap_or_default(), reached.is_none())
    }
}

impl AuditOrder {
    /// What is lower comes first.
    const fn key(self, seq: i64) -> i64 {
        match self {
            Self::OldestFirst => seq,
            Self::NewestFirst => seq.saturating_neg(),
        }
    }

    const fn after(self, seq: i64) -> i64 {
        match self {
            Self::OldestFirst => seq.saturating_add(1),
            Self::NewestFirst => seq.saturating_sub(1),
        }
    }

    const fn before(self, seq: i64) -> i64 {
        match self {
            Self::OldestFirst => seq.saturating_sub(1),
            Self::NewestFirst => seq.saturating_add(1),
        }
    }
}

/// Looks into lists for the next number.
struct Seeker<'a> {
    connection: &'a Connection,
    order: AuditOrder,
    to: i64,
    seeks_left: &'a mut u32,
}

impl Seeker<'_> {
    fn advance(&mut self, cursor: &mut Cursor) -> rusqlite::Result<()> {
        let words = match &cursor.list {
            List::Words(words) => words.as_slice(),
            List::All | List::Invocation(_) => &[],
        };
        let lists = words.len().max(1);
        let (mut agreeing, mut turn) = (0, 0);
        while agreeing < lists {
            let Some(left) = self.seeks_left.checked_sub(1) else { return Ok(()) };
            *self.seeks_left = left;
            let found = match (&cursor.list, words.get(turn)) {
                (List::Invocation(invocation), _) => self.of_invocation(invocation, cursor.at)?,
                (_, Some(word)) => self.of_word(*word, cursor.at)?,
                (_, None) => self.of_all(cursor.at)?,
            };
            let Some(found) = found.filter(|found| self.order.key(*found) <= self.order.key(self.to)) else {
                cursor.is_done = true;
                return Ok(());
            };
            agreeing = if found == cursor.at { agreeing + 1 } else { 1 };
            cursor.at = found;
            turn = (turn + 1) % lists;
        }
        cursor.is_hit = true;
        Ok(())
    }

    fn of_all(&self, from: i64) -> rusqlite::Result<Option<i64>> {
        let sql = match self.order {
            AuditOrder::OldestFirst => "SELECT seq FROM audit WHERE seq >= ?1 ORDER BY seq LIMIT 1",
            AuditOrder::NewestFirst => "SELECT seq FROM audit WHERE seq <= ?1 ORDER BY seq DESC LIMIT 1",
        };
        self.connection.prepare_cached(sql)?.query_row([from], number).optional()
    }

    fn of_word(&self, word: i64, from: i64) -> rusqlite::Result<Option<i64>> {
        let sql = match self.order {
            AuditOrder::OldestFirst => {
                "SELECT seq FROM audit_facets WHERE facet = ?1 AND seq >= ?2 ORDER BY seq LIMIT 1"
            }
            AuditOrder::NewestFirst => {
                "SELECT seq FROM audit_facets WHERE facet = ?1 AND seq <= ?2 ORDER BY seq DESC LIMIT 1"
            }
        };
        self.connection.prepare_cached(sql)?.query_row([word, from], number).optional()
    }

    fn of_invocation(&self, invocation: &str, from: i64) -> rusqlite::Result<Option<i64>> {
        let sql = match self.order {
            AuditOrder::OldestFirst => "SELECT seq FROM audit WHERE invocation = ?1 AND seq >= ?2 ORDER BY seq LIMIT 1",
            AuditOrder::NewestFirst => {
                "SELECT seq FROM audit WHERE invocation = ?1 AND seq <= ?2 ORDER BY seq DESC LIMIT 1"
            }
        };
        self.connection.prepare_cached(sql)?.query_row((invocation, from), number).optional()
    }
}

fn number(row: &Row<'_>) -> rusqlite::Result<i64> {
    row.get(0)
}

/// The lowest and the highest number that can match; `None` where none can.
fn bounds(connection: &Connection, filter: &AuditFilter) -> rusqlite::Result<Option<(i64, i64)>> {
    let sql = "SELECT coalesce(min(seq), 1), coalesce(max(seq), 0) FROM audit";
    let (mut first, mut last): (i64, i64) =
        connection.prepare_cached(sql)?.query_row([], |row| Ok((row.get(0)?, row.get(1)?)))?;
    if let Some(after) = filter.after_seq {
        first = first.max(stored_number(after).saturating_add(1));
    }
    if let Some(before) = filter.before_seq {
        last = last.min(stored_number(before).saturating_sub(1));
    }
    if filter.since_unix_ms.is_some() || filter.until_unix_ms.is_some() {
        let from = filter.since_unix_ms.map_or(i64::MIN, hour_of);
        let to = filter.until_unix_ms.map_or(i64::MAX, hour_of);
        let sql = "SELECT min(first_seq), max(last_seq) FROM audit_hours WHERE hour BETWEEN ?1 AND ?2";
        let hours: (Option<i64>, Option<i64>) =
            connection.prepare_cached(sql)?.query_row([from, to], |row| Ok((row.get(0)?, row.get(1)?)))?;
        let (Some(low), Some(high)) = hours else { return Ok(None) };
        (first, last) = (first.max(low), last.min(high));
    }
    Ok((first <= last).then_some((first, last)))
}

fn lists(connection: &Connection, filter: &AuditFilter) -> rusqlite::Result<Vec<List>> {
    if let Some(invocation) = &filter.invocation {
        return Ok(vec![List::Invocation(invocation.clone())]);
    }
    if filter.is_wordless() {
        return Ok(vec![List::All]);
    }
    let owners = owners(connection, filter)?;
    if owners.len() > OWNERS_MAX as usize {
        return Ok(vec![List::All]);
    }
    Ok(owners.iter().map(|owner| List::Words(filter.words(owner))).collect())
}

fn owners(connection: &Connection, filter: &AuditFilter) -> rusqlite::Result<Vec<Owner>> {
    if let (Some(tenant), Some(environment)) = (&filter.tenant, &filter.environment) {
        return Ok(vec![Owner { tenant: tenant.clone(), environment: environment.clone() }]);
    }
    let sql = "SELECT tenant, environment FROM audit_owners \
               WHERE (?1 IS NULL OR tenant = ?1) AND (?2 IS NULL OR environment = ?2 OR tenant = '') LIMIT ?3";
    let read = |row: &Row<'_>| Ok(Owner { tenant: row.get(0)?, environment: row.get(1)? });
    let mut statement = connection.prepare_cached(sql)?;
    statement.query_map((&filter.tenant, &filter.environment, OWNERS_MAX + 1), read)?.collect()
}

pub(crate) fn read(connection: &Connection, seq: i64) -> Result<impl Iterator<Item = AuditRecord> + use<>, StoreError> {
    let sql = "SELECT hash, body FROM audit WHERE seq = ?1";
    let stored = |row: &Row<'_>| Ok((row.get::<_, Vec<u8>>(0)?, row.get::<_, String>(1)?));
    let query = || connection.prepare_cached(sql)?.query_row([seq], stored).optional();
    let record = query().map_err(sqlite())?.map(|(hash, body)| parse(seq, hash, &body)).transpose()?;
    Ok(record.into_iter())
}

fn parse(seq: i64, hash: Vec<u8>, body: &str) -> Result<AuditRecord, StoreError> {
    let corrupt = || StoreError::corrupt(format!("audit record `{seq}`"));
    let event = serde_json::from_str(body).map_err(|_| corrupt())?;
    let hash = <[u8; 32]>::try_from(hash).map(Digest::from_bytes).map_err(|_| corrupt())?;
    Ok(AuditRecord { seq: u64::try_from(seq).map_err(|_| corrupt())?, hash, event, values: Vec::new() })
}

/// Adds what is kept beside a record. What cannot be read is named by verification.
fn add_values(connection: &Connection, record: &mut AuditRecord) -> rusqlite::Result<()> {
    let found = values::of_record(connection, stored_number(record.seq))?;
    record.values = found.into_iter().filter_map(|(_, value)| value.map(Into::into)).collect();
    Ok(())
}
