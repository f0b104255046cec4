//! Signed checkpoints, kept beside the trail that they are about.
//!
//! Whoever can change the trail can remove these too, and a server that starts signs what it finds then. So they show damage and
//! careless changes; what proves a trail is a checkpoint that was kept elsewhere.

use std::sync::Arc;

use airlock_model::Digest;
use rusqlite::{Connection, OptionalExtension as _};

use crate::{
    Checkpoint, Reader, Store, StoreError,
    chain::{Tx, stored_number},
    queue::Queue,
    revisions::execute,
    space::SpaceWatch,
};

/// How many are kept: a day of one a minute, while something happens.
const KEPT_MAX: u32 = 1_440;

/// One that was kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptCheckpoint {
    /// What it is about, as the store remembers it.
    pub at: Checkpoint,
    /// When it was made, in milliseconds since the Unix epoch.
    pub time_unix_ms: u64,
    /// What was signed, with the signature.
    pub signed: String,
}

/// Makes checkpoints of a store without keeping it open: once the store is dropped, it makes none.
#[derive(Clone)]
pub struct Checkpointer {
    queue: Arc<Queue>,
    space: Arc<SpaceWatch>,
}

impl Store {
    /// What makes checkpoints of it.
    #[must_use]
    pub fn checkpointer(&self) -> Checkpointer {
        Checkpointer { queue: Arc::clone(&self.queue), space: Arc::clone(&self.space) }
    }
}

impl Checkpointer {
    /// Lets `sign` say what the trail is at its last durable record, and keeps that. Another checkpoint of the same record takes
    /// its place, so that an idle server does not fill the disk. `None` when nothing was signed.
    ///
    /// # Errors
    /// [`StoreError::DiskLow`]: the room that is left is for the records of open calls. [`StoreError::Unavailable`],
    /// [`StoreError::Busy`].
    pub fn make<S>(
        &self,
        time_unix_ms: u64,
        sign: S,
    ) -> impl Future<Output = Result<Option<KeptCheckpoint>, StoreError>> + Send + use<S>
    where
        S: FnOnce(Checkpoint) -> Option<String> + Send + 'static,
    {
        let work = move |tx: &mut Tx<'_>| {
            let at = tx.head();
            let kept = sign(at).map(|signed| KeptCheckpoint { at, time_unix_ms, signed });
            kept.iter().try_for_each(|kept| keep(tx, kept))?;
            Ok(kept)
        };
        // Whatever is signed here is told once it is durable, with every record before it.
        let made = self.space.check().map(|()| self.queue.write(work));
        async move { made?.await }
    }
}

fn keep(tx: &mut Tx<'_>, KeptCheckpoint { at, time_unix_ms, signed }: &KeptCheckpoint) -> Result<(), StoreError> {
    let sql = "INSERT OR REPLACE INTO checkpoints (seq, hash, time_unix_ms, signed) VALUES (?1, ?2, ?3, ?4)";
    let hash = at.hash.as_bytes().as_slice();
    execute(tx.connection, sql, (stored_number(at.seq), hash, stored_number(*time_unix_ms), signed))?;
    let sql = "DELETE FROM checkpoints WHERE seq <= (SELECT seq FROM checkpoints ORDER BY seq DESC LIMIT 1 OFFSET ?1)";
    execute(tx.connection, sql, [KEPT_MAX]).map(|_| ())
}

impl Reader {
    /// Every checkpoint that is kept, the oldest first; of one that cannot be read, only the number.
    ///
    /// # Errors
    /// [`StoreError::Sqlite`], [`StoreError::Busy`].
    pub async fn checkpoints(&self) -> Result<Vec<Result<KeptCheckpoint, i64>>, StoreError> {
        self.run(all).await
    }

    /// Whether the trail still passes through the last checkpoint that is kept; true without one.
    ///
    /// # Errors
    /// [`StoreError::Sqlite`], [`StoreError::Busy`].
    pub async fn passes_last_checkpoint(&self) -> Result<bool, StoreError> {
        let sql = "SELECT EXISTS (SELECT 1 FROM audit a WHERE a.seq = c.seq AND a.hash = c.hash) OR c.seq = 0 \
                   FROM checkpoints c ORDER BY c.seq DESC LIMIT 1";
        let ask = |connection: &Connection| connection.query_row(sql, [], |row| row.get(0)).optional();
        let passes =
            self.run(move |connection| ask(connection).map_err(StoreError::sqlite("read the last checkpoint")));
        Ok(passes.await?.unwrap_or(true))
    }
}

type Row = (i64, Vec<u8>, i64, String);

fn all(connection: &Connection) -> Result<Vec<Result<KeptCheckpoint, i64>>, StoreError> {
    let sql = "SELECT seq, hash, time_unix_ms, signed FROM checkpoints ORDER BY seq";
    let read = |row: &rusqlite::Row<'_>| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?));
    let rows = || -> rusqlite::Result<Vec<Row>> { connection.prepare_cached(sql)?.query_map([], read)?.collect() };
    let rows = rows().map_err(StoreError::sqlite("read the checkpoints"))?;
    Ok(rows.into_iter().map(|row| parse(&row).ok_or(row.0)).collect())
}

fn parse((seq, hash, time_unix_ms, signed): &Row) -> Option<KeptCheckpoint> {
    let hash = Digest::from_bytes(hash.as_slice().try_into().ok()?);
    let at = Checkpoint { seq: u64::try_from(*seq).ok()?, hash };
    Some(KeptCheckpoint { at, time_unix_ms: u64::try_from(*time_unix_ms).ok()?, signed: signed.clone() })
}
