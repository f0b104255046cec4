//! Names for revisions beside the live one, with their shares of the calls.

use std::collections::BTreeMap;

use airlock_model::{AliasName, AuditEvent, Digest, EnvironmentName, FunctionName};
use rusqlite::Connection;

use crate::{
    Reader, Revision, Store, StoreError,
    chain::Tx,
    releases::{current, record},
    revisions::{COLUMNS, LIVE, execute, get, prepare, revision},
};

/// The alias that calls mean when they name none. Its shares leave the rest to the release that is live.
pub const LIVE_ALIAS: &str = "live";

/// A revision that gets that many of a hundred calls.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Share<R = Digest> {
    /// Which.
    pub revision: R,
    /// 1 to 100.
    pub percent: u8,
}

/// A function as callers meet it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LiveFunction {
    /// What is live.
    pub revision: Revision,
    /// Why it takes no calls at the moment.
    pub disabled: Option<String>,
    /// Revisions beside it, by the alias that leads to them.
    pub aliases: BTreeMap<AliasName, Vec<(u8, Revision)>>,
}

impl Store {
    /// Says anew what an alias means, in one transaction with its audit event; without shares it is gone.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] when the function is not live or has no such revision here, [`StoreError::Full`] beyond 20
    /// aliases, [`StoreError::Unavailable`], [`StoreError::Busy`].
    pub async fn set_alias(
        &self,
        (function, environment): (FunctionName, EnvironmentName),
        alias: AliasName,
        shares: Vec<Share>,
        event: AuditEvent,
    ) -> Result<(), StoreError> {
        self.write(move |tx| {
            set_shares(tx, (&function, &environment), alias.as_str(), &shares)?;
            record(tx, (&function, &environment), event)
        })
        .await
    }
}

impl Reader {
    /// Every function that is live, for starting up.
    ///
    /// # Errors
    /// [`StoreError::Sqlite`], [`StoreError::Corrupt`], [`StoreError::Busy`].
    pub async fn all_live(&self) -> Result<Vec<LiveFunction>, StoreError> {
        self.run(|connection| live_functions(connection, None)).await
    }

    /// One function that is live, with its aliases.
    ///
    /// # Errors
    /// As [`Reader::all_live`].
    pub async fn live_function(
        &self,
        function: FunctionName,
        environment: EnvironmentName,
    ) -> Result<Option<LiveFunction>, StoreError> {
        let read = move |connection: &Connection| live_functions(connection, Some((&function, &environment)));
        self.run(read).await.map(|mut found| found.pop())
    }
}

/// What an alias means from now on.
pub(crate) fn set_shares(
    tx: &Tx<'_>,
    (function, environment): Name<'_>,
    alias: &str,
    shares: &[Share],
) -> Result<(), StoreError> {
    let names = (environment.as_str(), function.as_str());
    current(tx, function, environment)?;
    let sql = "DELETE FROM aliases WHERE environment = ?1 AND function = ?2 AND alias = ?3";
    execute(tx.connection, sql, (names.0, names.1, alias))?;
    shares.iter().try_for_each(|share| insert(tx, names, alias, share))?;
    let sql = "SELECT count(DISTINCT alias) FROM aliases WHERE environment = ?1 AND function = ?2";
    let count = prepare(tx.connection, sql)?.query_row(names, |row| row.get::<_, i64>(0));
    if count.map_err(StoreError::sqlite("count aliases"))? > i64::from(ALIASES_MAX) {
        let what = format!("aliases of `{function}` in `{environment}`");
        return Err(StoreError::Full { what, max: ALIASES_MAX });
    }
    Ok(())
}

/// Aliases of one function in one environment.
const ALIASES_MAX: u32 = 20;

fn insert(tx: &Tx<'_>, (environment, function): (&str, &str), alias: &str, share: &Share) -> Result<(), StoreError> {
    let sql = "INSERT INTO aliases (environment, function, alias, revision, percent) \
               SELECT environment, function, ?3, id, ?5 FROM revisions \
               WHERE environment = ?1 AND function = ?2 AND digest = ?4";
    let values = (environment, function, alias, share.revision.as_bytes(), share.percent);
    if execute(tx.connection, sql, values)? == 0 {
        let what = format!("revision `{}` of `{function}` in `{environment}`", share.revision);
        return Err(StoreError::NotFound { what });
    }
    Ok(())
}

type Name<'a> = (&'a FunctionName, &'a EnvironmentName);

fn live_functions(connection: &Connection, only: Option<Name<'_>>) -> Result<Vec<LiveFunction>, StoreError> {
    let sql = format!(
        "SELECT {COLUMNS}, c.disabled FROM {LIVE} WHERE coalesce(c.environment = ?1 AND c.function = ?2, true) \
         ORDER BY c.environment, c.function"
    );
    let name = only.map(|(function, environment)| (environment.as_str(), function.as_str())).unzip();
    let mut statement = prepare(connection, &sql)?;
    let rows = statement.query_map(name, |row| Ok((revision(row), get::<Option<String>>(row, DISABLED))));
    let mut found = Vec::new();
    for row in rows.map_err(StoreError::sqlite("read what is live"))? {
        let (revision, disabled) = row.map_err(StoreError::sqlite("read what is live"))?;
        let revision = revision?;
        let aliases = aliases(connection, (&revision.function, &revision.environment))?;
        found.push(LiveFunction { revision, disabled: disabled?, aliases });
    }
    Ok(found)
}

/// The columns behind those of a revision.
const DISABLED: usize = 14;
const ALIAS: usize = 14;
const PERCENT: usize = 15;

fn aliases(
    connection: &Connection,
    (function, environment): Name<'_>,
) -> Result<BTreeMap<AliasName, Vec<(u8, Revision)>>, StoreError> {
    let sql = format!(
        "SELECT {COLUMNS}, a.alias, a.percent FROM aliases a JOIN revisions r ON r.id = a.revision \
         WHERE a.environment = ?1 AND a.function = ?2 ORDER BY a.alias, r.number"
    );
    let mut statement = prepare(connection, &sql)?;
    let share = |row: &rusqlite::Row<'_>| Ok((revision(row), get::<String>(row, ALIAS), get::<u8>(row, PERCENT)));
    let rows = statement.query_map((environment.as_str(), function.as_str()), share);
    let mut found: BTreeMap<AliasName, Vec<(u8, Revision)>> = BTreeMap::new();
    for row in rows.map_err(StoreError::sqlite("read aliases"))? {
        let (revision, alias, percent) = row.map_err(StoreError::sqlite("read aliases"))?;
        let alias = alias?.parse().map_err(|_| StoreError::corrupt("the name of an alias"))?;
        found.entry(alias).or_default().push((percent?, revision?));
    }
    Ok(found)
}
