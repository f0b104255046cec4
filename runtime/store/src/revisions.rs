//! Storing and finding revisions.

use std::collections::BTreeMap;

use airlock_model::{AuditEvent, Digest, EnvironmentName, FunctionName};
use rusqlite::{CachedStatement, Connection, OptionalExtension as _, Params, Row};

use crate::{
    NewRevision, Page, PageRequest, PageToken, Reader, Revision, Store, StoreError,
    chain::{Tx, stored_number},
};

const COLUMNS: &str = "r.digest, r.function, r.environment, r.number, r.component_digest, r.artifact_digest, \
                       r.manifest, r.findings, r.author, r.token_id, r.created_unix_ms";

impl Store {
    /// Stores a revision and makes it live, in one transaction with its audit event.
    ///
    /// The event's function, environment and revision are filled in here. The same component and manifest again is the
    /// revision that exists, made live with the compiled form given now.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] after any failed write, [`StoreError::Busy`].
    pub async fn deploy(&self, new: NewRevision, event: AuditEvent) -> Result<Revision, StoreError> {
        let store = move |tx: &mut Tx<'_>| {
            let digest = new.digest();
            insert(tx.connection, &new, &digest)?;
            go_live(tx, (&new.function, &new.environment, &digest), event)
        };
        self.write(store).await
    }

    /// Makes a stored revision live, in one transaction with its audit event: the way back.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] when this environment has no such revision, [`StoreError::Unavailable`],
    /// [`StoreError::Busy`].
    pub async fn make_live(
        &self,
        function: FunctionName,
        environment: EnvironmentName,
        digest: Digest,
        event: AuditEvent,
    ) -> Result<Revision, StoreError> {
        self.write(move |tx| go_live(tx, (&function, &environment, &digest), event)).await
    }

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
        let sql = format!(
            "SELECT {COLUMNS} FROM live l JOIN revisions r ON r.id = l.revision WHERE l.environment = ?1 AND l.function = ?2"
        );
        let read = move |connection: &Connection| one(connection, &sql, (environment.as_str(), function.as_str()));
        self.run(read).await
    }

    /// Every live revision, for starting up.
    ///
    /// # Errors
    /// [`StoreError::Sqlite`], [`StoreError::Corrupt`], [`StoreError::Busy`].
    pub async fn all_live(&self) -> Result<Vec<Revision>, StoreError> {
        let sql = format!(
            "SELECT {COLUMNS} FROM live l JOIN revisions r ON r.id = l.revision ORDER BY l.environment, l.function"
        );
        self.run(move |connection| all(connection, &sql, [])).await
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

    /// The live revisions of an environment, by function name.
    ///
    /// # Errors
    /// [`StoreError::PageToken`], [`StoreError::Sqlite`], [`StoreError::Corrupt`], [`StoreError::Busy`].
    pub async fn list(&self, environment: EnvironmentName, page: PageRequest) -> Result<Page<Revision>, StoreError> {
        let sql = format!(
            "SELECT {COLUMNS} FROM live l JOIN revisions r ON r.id = l.revision \
             WHERE l.environment = ?1 AND l.function > ?2 ORDER BY l.function LIMIT ?3"
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

    /// The revisions of a function in an environment, newest first.
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
            "SELECT {COLUMNS} FROM revisions r WHERE r.function = ?1 AND r.environment = ?2 AND r.number < ?3 \
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
type Key<'a> = (&'a FunctionName, &'a EnvironmentName, &'a Digest);

fn insert(connection: &Connection, new: &NewRevision, digest: &Digest) -> Result<(), StoreError> {
    let created = stored_number(new.created_unix_ms);
    let function = "INSERT INTO functions (name, created_unix_ms) VALUES (?1, ?2) ON CONFLICT DO NOTHING";
    execute(connection, function, (new.function.as_str(), created))?;
    let sql = "INSERT INTO revisions (function, environment, number, digest, component_digest, artifact_digest, manifest, \
               sources, findings, author, token_id, created_unix_ms) \
               SELECT ?1, ?2, 1 + coalesce(max(number), 0), ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11 \
               FROM revisions WHERE function = ?1 AND environment = ?2 \
               ON CONFLICT (function, environment, digest) DO UPDATE SET artifact_digest = excluded.artifact_digest";
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
    );
    execute(connection, sql, values).map(|_| ())
}

fn go_live(tx: &mut Tx<'_>, key: Key<'_>, mut event: AuditEvent) -> Result<Revision, StoreError> {
    let (function, environment, digest) = key;
    let sql = "INSERT INTO live (environment, function, revision) \
               SELECT environment, function, id FROM revisions WHERE function = ?1 AND environment = ?2 AND digest = ?3 \
               ON CONFLICT (environment, function) DO UPDATE SET revision = excluded.revision";
    execute(tx.connection, sql, (function.as_str(), environment.as_str(), digest.as_bytes()))?;
    let missing = || StoreError::NotFound { what: format!("revision `{digest}` of `{function}` in `{environment}`") };
    let revision = find(tx.connection, key)?.ok_or_else(missing)?;
    event.function = Some(function.into());
    event.environment = Some(environment.into());
    event.revision = Some(digest.to_string().into());
    tx.record(&event)?;
    Ok(revision)
}

fn find(connection: &Connection, (function, environment, digest): Key<'_>) -> Result<Option<Revision>, StoreError> {
    let sql =
        format!("SELECT {COLUMNS} FROM revisions r WHERE r.function = ?1 AND r.environment = ?2 AND r.digest = ?3");
    one(connection, &sql, (function.as_str(), environment.as_str(), digest.as_bytes()))
}

fn one<P: Params>(connection: &Connection, sql: &str, values: P) -> Result<Option<Revision>, StoreError> {
    all(connection, sql, values).map(|mut found| found.pop())
}

fn all<P: Params>(connection: &Connection, sql: &str, values: P) -> Result<Vec<Revision>, StoreError> {
    let mut statement = prepare(connection, sql)?;
    let rows = statement.query_map(values, |row| Ok(revision(row)));
    let rows = rows.map_err(StoreError::sqlite("read revisions"))?;
    rows.map(|row| row.map_err(StoreError::sqlite("read a revision"))?).collect()
}

fn revision(row: &Row<'_>) -> Result<Revision, StoreError> {
    let number = |index| u64::try_from(get::<i64>(row, index)?).map_err(|_| StoreError::corrupt("a revision"));
    let digest = |index| get::<[u8; 32]>(row, index).map(Digest::from_bytes);
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
    })
}

fn get<T: rusqlite::types::FromSql>(row: &Row<'_>, index: usize) -> Result<T, StoreError> {
    row.get(index).map_err(StoreError::sqlite("read a revision"))
}

fn text<T: serde::Serialize>(value: &T) -> Result<String, StoreError> {
    serde_json::to_string(value).map_err(|_| StoreError::corrupt("a revision to be stored"))
}

fn json<T: serde::de::DeserializeOwned>(text: &str, what: &str) -> Result<T, StoreError> {
    serde_json::from_str(text).map_err(|_| StoreError::corrupt(what))
}

fn prepare<'a>(connection: &'a Connection, sql: &str) -> Result<CachedStatement<'a>, StoreError> {
    connection.prepare_cached(sql).map_err(StoreError::sqlite("prepare a statement"))
}

fn execute<P: Params>(connection: &Connection, sql: &str, values: P) -> Result<usize, StoreError> {
    prepare(connection, sql)?.execute(values).map_err(StoreError::sqlite("store a revision"))
}
