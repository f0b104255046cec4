//! How often tokens were used: durable, so that a restart gives nobody a second try.

use rusqlite::{Connection, OptionalExtension as _};

use crate::{
    Reader, Store, StoreError,
    chain::{Tx, stored_number},
    revisions::{execute, prepare},
};

/// A token whose uses are counted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CountedToken {
    /// Its `iss`: the same `jti` of two issuers is two tokens.
    pub issuer: String,
    /// Its `jti`.
    pub token_id: String,
    /// Until when it has to be remembered, in seconds since the Unix epoch. Afterwards nothing can be done with it: what is
    /// forgotten must not look unused.
    pub expires_unix_s: u64,
}

impl Store {
    /// Counts one call with each of the tokens, unless one of them has had as many as it is good for; then none is counted.
    /// Says whether they were.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`], [`StoreError::Busy`].
    pub async fn count_calls(&self, tokens: Vec<(CountedToken, u32)>, now_unix_s: u64) -> Result<bool, StoreError> {
        self.write(move |tx: &mut Tx<'_>| {
            forget(tx, now_unix_s)?;
            if !have_calls_left(tx.connection, &tokens, now_unix_s)? {
                return Ok(false);
            }
            for (token, _) in &tokens {
                let sql = "INSERT INTO token_uses (issuer, token_id, used, expires_unix_s) VALUES (?1, ?2, 1, ?3) \
                           ON CONFLICT DO UPDATE SET used = used + 1, \
                           expires_unix_s = max(expires_unix_s, excluded.expires_unix_s)";
                execute(tx.connection, sql, (&token.issuer, &token.token_id, stored_number(token.expires_unix_s)))?;
            }
            Ok(true)
        })
        .await
    }

    /// Claims a token for the effects of one call. Says whether they are that call's, which they stay.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`], [`StoreError::Busy`].
    pub async fn claim_effects(
        &self,
        token: CountedToken,
        invocation: String,
        now_unix_s: u64,
    ) -> Result<bool, StoreError> {
        self.write(move |tx: &mut Tx<'_>| {
            forget(tx, now_unix_s)?;
            if token.expires_unix_s < now_unix_s {
                return Ok(false);
            }
            let sql = "INSERT INTO token_uses (issuer, token_id, used, effect_of, expires_unix_s) VALUES (?1, ?2, 0, ?3, ?4) \
                       ON CONFLICT DO UPDATE SET effect_of = coalesce(effect_of, excluded.effect_of), \
                       expires_unix_s = max(expires_unix_s, excluded.expires_unix_s) RETURNING effect_of = ?3";
            let expires = stored_number(token.expires_unix_s);
            let claim = (&token.issuer, &token.token_id, &invocation, expires);
            let is_ours = prepare(tx.connection, sql)?.query_row(claim, |row| row.get::<_, bool>(0));
            is_ours.map_err(StoreError::sqlite("claim a token"))
        })
        .await
    }
}

impl Reader {
    /// Whether [`Store::count_calls`] would count one now. Counts nothing.
    ///
    /// # Errors
    /// [`StoreError::Sqlite`], [`StoreError::Busy`].
    pub async fn have_calls_left(&self, tokens: Vec<(CountedToken, u32)>, now_unix_s: u64) -> Result<bool, StoreError> {
        self.run(move |connection: &Connection| have_calls_left(connection, &tokens, now_unix_s)).await
    }

    /// Whether [`Store::claim_effects`] would give them to a call that has none yet. Claims nothing.
    ///
    /// # Errors
    /// [`StoreError::Sqlite`], [`StoreError::Busy`].
    pub async fn are_effects_left(&self, token: CountedToken, now_unix_s: u64) -> Result<bool, StoreError> {
        self.run(move |connection: &Connection| {
            let sql = "SELECT effect_of IS NULL FROM token_uses WHERE issuer = ?1 AND token_id = ?2";
            let is_free = prepare(connection, sql)?
                .query_row((&token.issuer, &token.token_id), |row| row.get::<_, bool>(0))
                .optional()
                .map_err(StoreError::sqlite("read the claim of a token"))?;
            Ok(token.expires_unix_s >= now_unix_s && is_free.unwrap_or(true))
        })
        .await
    }
}

fn have_calls_left(
    connection: &Connection,
    tokens: &[(CountedToken, u32)],
    now_unix_s: u64,
) -> Result<bool, StoreError> {
    for (token, max) in tokens {
        let sql = "SELECT used FROM token_uses WHERE issuer = ?1 AND token_id = ?2";
        let used = prepare(connection, sql)?
            .query_row((&token.issuer, &token.token_id), |row| row.get::<_, i64>(0))
            .optional()
            .map_err(StoreError::sqlite("read the uses of a token"))?;
        if token.expires_unix_s < now_unix_s || used.unwrap_or(0) >= i64::from(*max) {
            return Ok(false);
        }
    }
    Ok(true)
}

/// A token that nobody accepts any more needs no memory.
fn forget(tx: &Tx<'_>, now_unix_s: u64) -> Result<(), StoreError> {
    execute(tx.connection, "DELETE FROM token_uses WHERE expires_unix_s < ?1", [stored_number(now_unix_s)]).map(drop)
}
