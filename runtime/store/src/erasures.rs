//! Which values the trail says were erased, for its verification.

use airlock_model::{AuditEvent, Erasure, ValueField};
use rusqlite::Connection;

use crate::chain::stored_number;

/// The erasures of a trail, as far as they were read. None are until a value is missed.
#[derive(Debug, Default)]
pub(crate) struct Erasures {
    read_to: i64,
    said: Vec<Erasure>,
}

impl Erasures {
    /// Whether a record of an erasure covers a value that is gone.
    pub(crate) fn cover(
        &mut self,
        connection: &Connection,
        seq: u64,
        event: &AuditEvent,
        field: ValueField,
    ) -> rusqlite::Result<bool> {
        let covers = |said: &[Erasure]| said.iter().any(|erasure| erasure.covers(seq, event, field));
        if covers(&self.said) {
            return Ok(true);
        }
        // A server that runs may have erased more since.
        let known = self.said.len();
        self.read_more(connection)?;
        Ok(covers(self.said.get(known..).unwrap_or_default()))
    }

    fn read_more(&mut self, connection: &Connection) -> rusqlite::Result<()> {
        let sql = "SELECT seq, body FROM audit WHERE seq > ?1 AND kind = 'values_erased' ORDER BY seq";
        let last = "SELECT coalesce(max(seq), 0) FROM audit";
        let last: i64 = connection.prepare_cached(last)?.query_row([], |row| row.get(0))?;
        let mut statement = connection.prepare_cached(sql)?;
        let mut rows = statement.query([self.read_to])?;
        while let Some(row) = rows.next()? {
            let (seq, body): (i64, String) = (row.get(0)?, row.get(1)?);
            let event: Option<AuditEvent> = serde_json::from_str(&body).ok();
            // One that is about what comes after it would be about anything.
            let said = event.and_then(|event| event.erasure).filter(|said| stored_number(said.last_seq) < seq);
            self.said.extend(said.map(|said| *said));
        }
        self.read_to = self.read_to.max(last);
        Ok(())
    }
}
