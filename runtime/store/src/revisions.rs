//! Storing and finding revisions.

use std::{collections::BTreeMap, ops::RangeInclusive};

use airlock_model::{Digest, EnvironmentName, FunctionName};
use rusqlite::{CachedStatement, Connection, OptionalExtension as _, Params, Row};

use crate::{
    NewRevision, Page, PageRequest, PageToken, Reader, Revision, Store, StoreError,
    chain::{Tx, stored_number},
};

pub(crate) const COLUMNS: &str = "r.digest, r.function, r.environment, r.number, r.component_digest, r.artifact_digest, \
                                  r.manifest, r.findings, r.author, r.token_id, r.created_unix_ms, r.statements, \
                                  r.promoted_from, r.signed_by";
/// The same without what can be large: for lists.
const LISTED: &str = "r.digest, r.function, r.environment, r.number, r.component_digest, r.artifact_digest, \
                      r.manifest, '[]', r.author, r.token_id, r.created_unix_ms, NULL, r.promoted_from, r.signed_by";
/// The live release `c` of a function with its revision `r`.
pub(crate) const LIVE: &str = "current c JOIN releases l ON l.id = c.release JOIN revisions r ON r.id = l.revision";

impl Store {
    /// Records another compiled form of a component, for instance after an engine upgrade.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] when no revision has that component, [`StoreError::Unavailable`], [`StoreError::Busy`].
    pub async fn set_artifact(&self, component: Digest, artifact: Digest) -> Result<(), StoreError> {
        let update = move |tx: &mut Tx<'_>| {
            let sql = "UPDATE revisions SET artifact_digest = ?2 WHERE component_digest = ?1";
            match execute(tx.connection, sql, (component.as_bytes(), artifact.as_bytes()))? {
                0 => Err(StoreError::NotFound { what: format!("a revision of the component `{component}`") }),
                _ => Ok(()),
            }
        };
        self.write(update).await
    }
}

impl Reader {
    /// The revision that callers reach now.
    ///
    /// # Errors
    /// [`StoreError::Sqlite`], [`StoreError::Corrupt`], [`StoreError::Busy`].
    pub async fn live(
        &self,
        function: FunctionName,
        environment: EnvironmentName,
    ) -> Result<Option<Revision>, StoreError> {
        let sql = format!("SELECT {COLUMNS} FROM {LIVE} WHERE c.environment = ?1 AND c.function = ?2");
        let read = move |connection: &Connection| one(connection, &sql, (environment.as_str(), function.as_str()));
        self.run(read).await
    }

    /// One revision of a function in an environment.
    ///
    /// # Errors
    /// [`StoreError::Sqlite`], [`StoreError::Corrupt`], [`StoreError::Busy`].
    pub async fn get(
        &self,
        function: FunctionName,
        environment: EnvironmentName,
        digest: Digest,
    ) -> Result<Option<Revision>, StoreError> {
        self.run(move |connection| find(connection, (&function, &environment, &digest))).await
    }

    /// The source files of a revision by path, when they were given.
    ///
    /// # Errors
    /// [`StoreError::Sqlite`], [`StoreError::Corrupt`], [`StoreError::Busy`].
    pub async fn sources(
        &self,
        function: FunctionName,
        environment: EnvironmentName,
        digest: Digest,
    ) -> Result<Option<BTreeMap<String, String>>, StoreError> {
        let read = move |connection: &Connection| {
            let sql = "SELECT sources FROM revisions WHERE function = ?1 AND environment = ?2 AND digest = ?3";
            let key = (function.as_str(), environment.as_str(), digest.as_bytes());
            let text = prepare(connection, sql)?.query_row(key, |row| row.get::<_, String>(0)).optional();
            text.map_err(StoreError::sqlite("read sources"))?
                .map(|text| json(&text, "the sources of a revision"))
                .transpose()
        };
        self.run(read).await
    }

    /// The signature that a revision came with; `None` when there is no such revision, or it is unsigned.
    ///
    /// # Errors
    /// [`StoreError::Sqlite`], [`StoreError::Busy`].
    pub async fn signature(
        &self,
        function: FunctionName,
        environment: EnvironmentName,
        digest: Digest,
    ) -> Result<Option<Vec<u8>>, StoreError> {
        let read = move |connection: &Connection| {
            let sql = "SELECT signature FROM revisions WHERE function = ?1 AND environment = ?2 AND digest = ?3";
            let key = (function.as_str(), environment.as_str(), digest.as_bytes());
            let found = prepare(connection, sql)?.query_row(key, |row| row.get::<_, Option<Vec<u8>>>(0)).optional();
            found.map(Option::flatten).map_err(StoreError::sqlite("read a signature"))
        };
        self.run(read).await
    }

    /// The digests of revisions that begin so, newest first, at most `limit`.
    ///
    /// # Errors
    /// [`StoreError::Sqlite`], [`StoreError::Busy`].
    pub async fn digests_of(
        &self,
        (function, environment): (FunctionName, EnvironmentName),
        range: RangeInclusive<Digest>,
        limit: u32,
    ) -> Result<Vec<Digest>, StoreError> {
        let read = move |connection: &Connection| {
            let sql = "SELECT digest FROM revisions WHERE function = ?1 AND environment = ?2 AND digest BETWEEN ?3 AND ?4 \
                       ORDER BY number DESC LIMIT ?5";
            let (first, last) = (range.start().as_bytes(), range.end().as_bytes());
            let key = (function.as_str(), environment.as_str(), first, last, limit);
            let mut statement = prepare(connection, sql)?;
            let rows = statement.query_map(key, |row| row.get::<_, [u8; 32]>(0).map(Digest::from_bytes));
            let rows = rows.map_err(StoreError::sqlite("look for digests"))?;
            rows.map(|row| row.map_err(StoreError::sqlite("read a digest"))).collect()
        };
        self.run(read).await
    }

    /// The live revisions of an environment, by function name, without their findings and statements.
    ///
    /// # Errors
    /// [`StoreError::PageToken`], [`StoreError::Sqlite`], [`StoreError::Corrupt`], [`StoreError::Busy`].
    pub async fn list(&self, environment: EnvironmentName, page: PageRequest) -> Result<Page<Revision>, StoreError> {
        let sql = format!(
            "SELECT {LISTED} FROM {LIVE} \
             WHERE c.environment = ?1 AND c.function > ?2 ORDER BY c.function LIMIT ?3"
        );
        let read = move |connection: &Connection| {
            let list = ["live", environment.as_str()];
            let after = page.token.as_ref().map_or(Ok(""), |token| token.key(&list))?;
            let rows = page.rows();
            let items = all(connection, &sql, (environment.as_str(), after, rows.saturating_add(1)))?;
            Ok(Page::cut(items, rows, |last: &Revision| PageToken::new(&list, last.function.as_str())))
        };
        self.run(read).await
    }

    /// The revisions of a function in an environment, newest first, without their findings and statements.
    ///
    /// # Errors
    /// [`StoreError::PageToken`], [`StoreError::Sqlite`], [`StoreError::Corrupt`], [`StoreError::Busy`].
    pub async fn revisions(
        &self,
        function: FunctionName,
        environment: EnvironmentName,
        page: PageRequest,
    ) -> Result<Page<Revision>, StoreError> {
        let sql = format!(
            "SELECT {LISTED} FROM revisions r WHERE r.function = ?1 AND r.environment = ?2 AND r.number < ?3 \
             ORDER BY r.number DESC LIMIT ?4"
        );
        let read = move |connection: &Connection| {
            let list = ["revisions", function.as_str(), environment.as_str()];
            let before = match &page.token {
                Some(token) => token.key(&list)?.parse::<i64>().map_err(|_| StoreError::PageToken)?,
                None => i64::MAX,
            };
            let rows = page.rows();
            let key = (function.as_str(), environment.as_str(), before, rows.saturating_add(1));
            let items = all(connection, &sql, key)?;
            Ok(Page::cut(items, rows, |last: &Revision| PageToken::new(&list, &last.number.to_string())))
        };
        self.run(read).await
    }
}

/// What identifies a revision.
pub(crate) type Key<'a> = (&'a FunctionName, &'a EnvironmentName, &'a Digest);

pub(crate) fn insert(connection: &Connection, new: &NewRevision, digest: &Digest) -> Result<(), StoreError> {
    let created = stored_number(new.created_unix_ms);
    let function = "INSERT INTO functions (name, created_unix_ms) VALUES (?1, ?2) ON CONFLICT DO NOTHING";
    execute(connection, function, (new.function.as_str(), created))?;
    let sql = "INSERT INTO revisions (function, environment, number, digest, component_digest, artifact_digest, manifest, \
               sources, findings, author, token_id, created_unix_ms, statements, promoted_from, signed_by, signature) \
               SELECT ?1, ?2, 1 + coalesce(max(number), 0), ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15 \
               FROM revisions WHERE function = ?1 AND environment = ?2 \
               ON CONFLICT (function, environment, digest) DO UPDATE SET artifact_digest = excluded.artifact_digest, \
               signed_by = coalesce(excluded.signed_by, signed_by), \
               signature = iif(excluded.signed_by IS NULL, signature, excluded.signature), statements = excluded.statements, \
               findings = excluded.findings, promoted_from = coalesce(excluded.promoted_from, promoted_from)";
    let values = (
        new.function.as_str(),
        new.environment.as_str(),
        digest.as_bytes(),
        new.component_digest.as_bytes(),
        new.artifact_digest.as_bytes(),
        &new.manifest,
        text(&new.sources)?,
        text(&new.findings)?,
        &new.author,
        &new.token_id,
        created,
        new.statements.as_ref().map(text).transpose()?,
        new.promoted_from.as_ref().map(EnvironmentName::as_str),
        &new.signed_by,
        &new.signature,
    );
    execute(connection, sql, values).map(|_| ())
}

pub(crate) fn find(
    connection: &Connection,
    (function, environment, digest): Key<'_>,
) -> Result<Option<Revision>, StoreError> {
    let sql =
        format!("SELECT {COLUMNS} FROM revisions r WHERE r.function = ?1 AND r.environment = ?2 AND r.digest = ?3");
    one(connection, &sql, (function.as_str(), environment.as_str(), digest.as_bytes()))
}

fn one<P: Params>(connection: &Connection, sql: &str, values: P) -> Result<Option<Revision>, StoreError> {
    all(connection, sql, values).map(|mut found| found.pop())
}

pub(crate) fn all<P: Params>(connection: &Connection, sql: &str, values: P) -> Result<Vec<Revision>, StoreError> {
    let mut statement = prepare(connection, sql)?;
    let rows = statement.query_map(values, |row| Ok(revision(row)));
    let rows = rows.map_err(StoreError::sqlite("read revisions"))?;
    rows.map(|row| row.map_err(StoreError::sqlite("read a revision"))?).collect()
}

pub(crate) fn revision(row: &Row<'_>) -> Result<Revision, StoreError> {
    let number = |index| u64::try_from(get::<i64>(row, index)?).map_err(|_| StoreError::corrupt("a revision"));
    let digest = |index| get::<[u8; 32]>(row, index).map(Digest::from_bytes);
    let promoted_from = get::<Option<String>>(row, 12)?.map(|name| name.parse()).transpose();
    Ok(Revision {
        digest: digest(0)?,
        function: get::<String>(row, 1)?.parse().map_err(|_| StoreError::corrupt("the name of a function"))?,
        environment: get::<String>(row, 2)?.parse().map_err(|_| StoreError::corrupt("the name of an environment"))?,
        number: number(3)?,
        component_digest: digest(4)?,
        artifact_digest: digest(5)?,
        manifest: get(row, 6)?,
        findings: json(&get::<String>(row, 7)?, "the findings of a revision")?,
        author: get(row, 8)?,
        token_id: get(row, 9)?,
        created_unix_ms: number(10)?,
        statements: optional(get(row, 11)?, "the statements of a revision")?,
        promoted_from: promoted_from.map_err(|_| StoreError::corrupt("the name of an environment"))?,
        signed_by: get(row, 13)?,
    })
}

pub(crate) fn get<T: rusqlite::types::FromSql>(row: &Row<'_>, index: usize) -> Result<T, StoreError> {
    row.get(index).map_err(StoreError::sqlite("read a revision"))
}

pub(crate) fn text<T: serde::Serialize>(value: &T) -> Result<String, StoreError> {
    serde_json::to_string(value).map_err(|_| StoreError::corrupt("a revision to be stored"))
}

pub(crate) fn json<T: serde::de::DeserializeOwned>(text: &str, what: &str) -> Result<T, StoreError> {
    serde_json::from_str(text).map_err(|_| StoreError::corrupt(what))
}

fn optional<T: serde::de::DeserializeOwned>(text: Option<String>, what: &str) -> Result<Option<T>, StoreError> {
    text.map(|text| json(&text, what)).transpose()
}

pub(crate) fn prepare<'a>(connection: &'a Connection, sql: &str) -> Result<CachedStatement<'a>, StoreError> {
    connection.prepare_cached(sql).map_err(StoreError::sqlite("prepare a statement"))
}

pub(crate) fn execute<P: Params>(connection: &Connection, sql: &str, values: P) -> Result<usize, StoreError> {
    prepare(connection, sql)?.execute(values).map_err(StoreError::sqlite("store a revision"))
}
