//! Revocations: kept until they are lifted, or until nothing is left that they could end.

use airlock_model::{AuditEvent, Revocation, RevocationId};
use rusqlite::{Connection, OptionalExtension as _};

use crate::{
    Reader, Store, StoreError,
    chain::{Tx, stored_number},
    revisions::{execute, json, prepare, text},
};

impl Store {
    /// Keeps a revocation together with its audit event, and forgets those whose time is over.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`], [`StoreError::Busy`].
    pub async fn keep_revocation(&self, revocation: Revocation, event: AuditEvent) -> Result<(), StoreError> {
        self.write(move |tx: &mut Tx<'_>| {
            let now = stored_number(revocation.revoked_unix_ms / 1000);
            execute(tx.connection, "DELETE FROM revocations WHERE expires_unix_s < ?1", [now])?;
            let sql = "INSERT INTO revocations (id, expires_unix_s, body) VALUES (?1, ?2, ?3)";
            let expires = revocation.expires_unix_s.map(stored_number);
            execute(tx.connection, sql, (&revocation.id.0, expires, text(&revocation)?))?;
            tx.record(&event).map(drop)
        })
        .await
    }

    /// Forgets a revocation, and keeps the audit event.
    ///
    /// # Errors
    /// [`StoreError::NotFound`], [`StoreError::Unavailable`], [`StoreError::Busy`].
    pub async fn lift_revocation(&self, id: RevocationId, event: AuditEvent) -> Result<Revocation, StoreError> {
        self.write(move |tx: &mut Tx<'_>| {
            let sql = "DELETE FROM revocations WHERE id = ?1 RETURNING body";
            let body = prepare(tx.connection, sql)?.query_row([&id.0], |row| row.get::<_, String>(0)).optional();
            let body = body.map_err(StoreError::sqlite("lift a revocation"))?;
            let body = body.ok_or_else(|| StoreError::NotFound { what: format!("revocation `{id}`") })?;
            tx.record(&event)?;
            json(&body, "a revocation")
        })
        .await
    }
}

impl Reader {
    /// Every revocation that may still end something at that second, the oldest first.
    ///
    /// # Errors
    /// [`StoreError::Sqlite`], [`StoreError::Corrupt`], [`StoreError::Busy`].
    pub async fn revocations(&self, now_unix_s: u64) -> Result<Vec<Revocation>, StoreError> {
        self.run(move |connection: &Connection| {
            let sql = "SELECT body FROM revocations WHERE expires_unix_s IS NULL OR expires_unix_s >= ?1";
            let mut statement = prepare(connection, sql)?;
            let rows = statement.query_map([stored_number(now_unix_s)], |row| row.get::<_, String>(0));
            let rows = rows.map_err(StoreError::sqlite("read revocations"))?;
            let read = |row: rusqlite::Result<String>| {
                json::<Revocation>(&row.map_err(StoreError::sqlite("read a revocation"))?, "a revocation")
            };
            let mut found = rows.map(read).collect::<Result<Vec<_>, _>>()?;
            found.sort_by_key(|revocation| revocation.revoked_unix_ms);
            Ok(found)
        })
        .await
    }
}
