//! Statements that functions sent where the environment is not strict, and that no manifest lists.

use airlock_model::{EnvironmentName, FunctionName, ManifestStatement};
use rusqlite::Connection;

use crate::{
    Reader, Store, StoreError,
    chain::{Tx, stored_number},
    revisions::{execute, json, prepare, text},
};

/// Candidates of one function in one environment. A function that makes its texts up has as many as it has calls.
const CANDIDATES_MAX: i64 = 500;

impl Store {
    /// Keeps a statement, once. Says whether there is room for more of the function.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`], [`StoreError::Busy`].
    pub async fn keep_candidate(
        &self,
        function: FunctionName,
        environment: EnvironmentName,
        statement: ManifestStatement,
        now_unix_ms: u64,
    ) -> Result<bool, StoreError> {
        self.write(move |tx: &mut Tx<'_>| {
            let names = (environment.as_str(), function.as_str());
            let sql = "SELECT count(*) FROM candidates WHERE environment = ?1 AND function = ?2";
            let count = prepare(tx.connection, sql)?.query_row(names, |row| row.get::<_, i64>(0));
            if count.map_err(StoreError::sqlite("count candidates"))? >= CANDIDATES_MAX {
                return Ok(false);
            }
            let sql = "INSERT INTO candidates (environment, function, fingerprint, statement, first_unix_ms) \
                       VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT DO NOTHING";
            let fingerprint = statement.fingerprint();
            let kept = (names.0, names.1, fingerprint.as_bytes(), text(&statement)?, stored_number(now_unix_ms));
            execute(tx.connection, sql, kept).map(|_| true)
        })
        .await
    }
}

impl Reader {
    /// What a function sent, in the order in which it was first sent.
    ///
    /// # Errors
    /// [`StoreError::Sqlite`], [`StoreError::Corrupt`], [`StoreError::Busy`].
    pub async fn candidates(
        &self,
        function: FunctionName,
        environment: EnvironmentName,
    ) -> Result<Vec<ManifestStatement>, StoreError> {
        self.run(move |connection: &Connection| {
            let sql = "SELECT statement FROM candidates WHERE environment = ?1 AND function = ?2 \
                       ORDER BY first_unix_ms, fingerprint";
            let mut statement = prepare(connection, sql)?;
            let rows = statement.query_map((environment.as_str(), function.as_str()), |row| row.get::<_, String>(0));
            let rows = rows.map_err(StoreError::sqlite("read candidates"))?;
            rows.map(|row| json(&row.map_err(StoreError::sqlite("read a candidate"))?, "a candidate")).collect()
        })
        .await
    }
}
