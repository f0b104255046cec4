//! A query whose rows are taken in batches: a connection of its own until the last of them.

use airlock_model::{HostError, Rows};

use crate::{mysql, postgres, sqlite};

/// Text of rows after which a batch is complete, in bytes.
const BATCH_BYTES: u64 = 256 << 10;

/// Bytes of rows after which a batch is complete; the row that reaches them belongs to it. Half of the cap is left for that row.
pub(crate) fn bytes_enough(bytes_max: u64) -> usize {
    usize::try_from(BATCH_BYTES.min(bytes_max / 2)).unwrap_or(usize::MAX)
}

/// A running query of one call. The database goes no further than rows are asked for. Dropped, it is ended.
pub struct Stream {
    pub(crate) open: Open,
    pub(crate) rows_left: u64,
    pub(crate) batch_rows_max: u64,
}

/// The query of one engine.
pub(crate) enum Open {
    Sqlite(sqlite::Stream),
    Postgres(Box<postgres::Stream>),
    Mysql(Box<mysql::Stream>),
}

/// Some rows, and the query if it goes on after them.
pub(crate) struct Batch<S> {
    pub(crate) rows: Rows,
    pub(crate) more: Option<S>,
}

impl<S> Batch<S> {
    fn map<T>(self, wrap: impl FnOnce(S) -> T) -> Batch<T> {
        Batch { rows: self.rows, more: self.more.map(wrap) }
    }
}

impl Stream {
    /// The next rows, and the stream if there may be more. No rows mean that there were no more. A batch that is marked as
    /// truncated is the last one, and may be empty.
    ///
    /// # Errors
    /// Why there are none; the query has ended then.
    pub async fn next(self) -> Result<(Rows, Option<Self>), HostError> {
        let Self { open, rows_left, batch_rows_max } = self;
        let rows_max = batch_rows_max.min(rows_left);
        let batch = match open {
            Open::Sqlite(open) => open.next(rows_max).await?.map(Open::Sqlite),
            Open::Postgres(open) => open.next(rows_max).await?.map(|open| Open::Postgres(Box::new(open))),
            Open::Mysql(open) => open.next(rows_max).await?.map(|open| Open::Mysql(Box::new(open))),
        };
        let rows_left = rows_left.saturating_sub(batch.rows.row_count);
        Ok((batch.rows, batch.more.map(|open| Self { open, rows_left, batch_rows_max })))
    }
}
