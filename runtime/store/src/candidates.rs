//! Statements that functions sent where the environment is not strict, and that no manifest lists.

use airlock_model::{EnvironmentName, FunctionName, ManifestStatement, TenantName};
use rusqlite::Connection;

use crate::{
    Reader, Store, StoreError,
    chain::{Tx, stored_number},
    revisions::{execute, json, prepare, text},
};

/// Candidates of one function for one tenant. A function that makes its texts up has as many as it has calls.
const CANDIDATES_MAX: i64 = 500;

/// Whose calls of which function.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Caller {
    /// The function.
    pub function: FunctionName,
    /// Where.
    pub environment: EnvironmentName,
    /// Texts can have values in them, which are the tenant's own.
    pub tenant: TenantName,
}

impl Store {
    /// Keeps a statement, once. Says whether there is room for more.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`], [`StoreError::Busy`].
    pub async fn keep_candidate(
        &self,
        of: Caller,
        statement: ManifestStatement,
        now_unix_ms: u64,
    ) -> Result<bool, StoreError> {
        self.write(move |tx: &mut Tx<'_>| {
            let names = (of.environment.as_str(), of.function.as_str(), of.tenant.as_str());
            let sql = "SELECT count(*) FROM candidates WHERE environment = ?1 AND function = ?2 AND tenant = ?3";
            let count = prepare(tx.connection, sql)?.query_row(names, |row| row.get::<_, i64>(0));
            if count.map_err(StoreError::sqlite("count candidates"))? >= CANDIDATES_MAX {
                return Ok(false);
            }
            let sql = "INSERT INTO candidates (environment, function, tenant, fingerprint, statement, first_unix_ms) \
                       VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT DO NOTHING";
            let fingerprint = statement.fingerprint();
            let time = stored_number(now_unix_ms);
            let kept = (names.0, names.1, names.2, fingerprint.as_bytes(), text(&statement)?, time);
            execute(tx.connection, sql, kept).map(|_| true)
        })
        .await
    }
}

impl Reader {
    /// What a function sent for a tenant, in the order in which it was first sent.
    ///
    /// # Errors
    /// [`StoreError::Sqlite`], [`StoreError::Corrupt`], [`StoreError::Busy`].
    pub async fn candidates(
        &self,
        function: FunctionName,
        environment: EnvironmentName,
        tenant: TenantName,
    ) -> Result<Vec<ManifestStatement>, StoreError> {
        self.run(move |connection: &Connection| {
            let sql = "SELECT statement FROM candidates WHERE environment = ?1 AND function = ?2 AND tenant = ?3 \
                       ORDER BY first_unix_ms, fingerprint";
            let names = (environment.as_str(), function.as_str(), tenant.as_str());
            let mut statement = prepare(connection, sql)?;
            let rows = statement.query_map(names, |row| row.get::<_, String>(0));
            let rows = rows.map_err(StoreError::sqlite("read candidates"))?;
            rows.map(|row| json(&row.map_err(StoreError::sqlite("read a candidate"))?, "a candidate")).collect()
        })
        .await
    }
}
