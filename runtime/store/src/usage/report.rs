//! Answers from the rows, and from the records behind them.

use std::collections::{BTreeMap, HashMap, HashSet};

use rusqlite::Connection;
use serde::Serialize;

use super::{Dimension, Figures, Measures, UsageKey, UsageQuery, query::SortBy, table};
use crate::{Reader, StoreError};

/// Lines that are held at once: groups times steps.
const LINES_MAX: usize = 20_000;

/// What was used.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct UsageReport {
    /// The first groups, in order, each with its steps in order; what the others used comes last.
    pub lines: Vec<UsageLine>,
    /// All groups together, over all steps.
    pub total: Figures,
    /// How many groups there are, those in `other` too.
    pub groups: u64,
    /// The last record of the trail that is counted here.
    pub through_seq: u64,
}

/// What one group used in one step.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct UsageLine {
    /// When the step begins, in milliseconds since the Unix epoch; none without steps.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub begin_unix_ms: Option<u64>,
    /// The values of the dimensions that were asked for, in that order; empty texts where there is none.
    pub group: Vec<String>,
    /// Whether this is all other groups.
    pub other: bool,
    /// What it used.
    pub used: Figures,
}

type Group = Vec<String>;
type Lines = HashMap<(Group, Option<u64>), Measures>;

impl Reader {
    /// What was used, up to the last record of the trail.
    ///
    /// # Errors
    /// [`StoreError::TooMuch`] for more than 20,000 lines before the first are chosen, [`StoreError::Sqlite`],
    /// [`StoreError::Busy`].
    pub async fn usage(&self, query: UsageQuery) -> Result<UsageReport, StoreError> {
        self.run(move |connection| report(connection, &query)).await
    }
}

fn report(connection: &Connection, query: &UsageQuery) -> Result<UsageReport, StoreError> {
    let (lines, through_seq) = gather(connection, query)?;
    let mut total = Measures::default();
    let mut groups: HashMap<&Group, Measures> = HashMap::new();
    for ((group, _), measures) in &lines {
        total.merge(measures);
        groups.entry(group).or_default().merge(measures);
    }
    let order = order(&groups, query.sort);
    let (count, top) = (order.len(), query.top.map_or(usize::MAX, |top| usize::try_from(top).unwrap_or(usize::MAX)));
    let first: Vec<Group> = order.into_iter().take(top).cloned().collect();
    Ok(UsageReport {
        lines: arranged(lines, &first),
        total: Figures::of(&total),
        groups: u64::try_from(count).unwrap_or(u64::MAX),
        through_seq,
    })
}

/// Lines as they fill up.
struct Gathering<'a> {
    query: &'a UsageQuery,
    lines: Lines,
}

impl Gathering<'_> {
    /// The line that something counts in, if any.
    fn line(&mut self, hour: u64, key: &UsageKey) -> Option<&mut Measures> {
        let (from, to) = self.query.hours();
        // One more than fits says that they do not.
        if !(from..to).contains(&hour) || !self.query.matches(key) || self.lines.len() > LINES_MAX {
            return None;
        }
        let group = self.query.by.iter().map(|dimension| key.get(*dimension).to_owned()).collect();
        Some(self.lines.entry((group, self.query.step.begin_of(hour))).or_default())
    }
}

/// From one state of the database: the rows, and what came after them. Says which record was the last.
fn gather(connection: &Connection, query: &UsageQuery) -> Result<(Lines, u64), StoreError> {
    let snapshot = connection.unchecked_transaction().map_err(StoreError::sqlite("read usage"))?;
    let mut gathering = Gathering { query, lines: Lines::new() };
    let (from_hour, to_hour) = query.hours();
    let (tenant, environment) = (query.one(Dimension::Tenant), query.one(Dimension::Environment));
    let which = table::Rows { from_hour, to_hour, tenant, environment };
    table::each_row(&snapshot, &which, |(hour, key, measures)| {
        if let (Some(line), Some(measures)) = (gathering.line(hour, &key), measures) {
            line.merge(&measures);
        }
        true
    })?;
    let mut through = table::through(&snapshot)?;
    table::each_record(&snapshot, through, u32::MAX, |seq, contribution| {
        through = seq;
        if let Some(contribution) = contribution
            && let Some(line) = gathering.line(contribution.key.hour, &contribution.key.to_key())
        {
            contribution.add_to(line);
        }
    })?;
    if gathering.lines.len() > LINES_MAX {
        return Err(StoreError::TooMuch { max: LINES_MAX });
    }
    Ok((gathering.lines, through))
}

fn order<'a>(groups: &HashMap<&'a Group, Measures>, sort: SortBy) -> Vec<&'a Group> {
    let mut order: Vec<_> = groups.iter().map(|(group, measures)| (sort.weight(measures), *group)).collect();
    order.sort_by(|(one, a), (other, b)| other.cmp(one).then_with(|| a.cmp(b)));
    order.into_iter().map(|(_, group)| group).collect()
}

/// The first groups in their order, each by time, and what is left.
fn arranged(mut lines: Lines, first: &[Group]) -> Vec<UsageLine> {
    let named: HashSet<&Group> = first.iter().collect();
    let mut by_group: HashMap<Group, BTreeMap<Option<u64>, Measures>> = HashMap::new();
    let mut rest: BTreeMap<Option<u64>, Measures> = BTreeMap::new();
    for ((group, begin), measures) in lines.drain() {
        if named.contains(&group) {
            by_group.entry(group).or_default().insert(begin, measures);
        } else {
            rest.entry(begin).or_default().merge(&measures);
        }
    }
    let line = |begin_unix_ms, group: Group, other, measures: &Measures| UsageLine {
        begin_unix_ms,
        group,
        other,
        used: Figures::of(measures),
    };
    let mut arranged = Vec::new();
    for group in first {
        let steps = by_group.remove(group).unwrap_or_default();
        arranged.extend(steps.iter().map(|(begin, measures)| line(*begin, group.clone(), false, measures)));
    }
    arranged.extend(rest.iter().map(|(begin, measures)| line(*begin, Group::new(), true, measures)));
    arranged
}
