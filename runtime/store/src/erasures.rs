//! Which values the trail says were erased, for its verification.

use std::collections::HashMap;

use airlock_model::{AuditEvent, AuditKind, Erasure, ValueField};
use rusqlite::Connection;

use crate::{
    chain::{kind_name, stored_number},
    trail_index::{Owner, Sort, facet},
};

/// The erasures of a trail, as far as they were read. None are until a value is missed, and then those of its owner and those
/// that were made on the state directory, by the index.
#[derive(Debug, Default)]
pub(crate) struct Erasures {
    of: HashMap<Owner, Said>,
}

#[derive(Debug, Default)]
struct Said {
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
        for owner in [Owner::of(event), Owner::nobody()] {
            let word = facet(Sort::Kind, &owner.tenant, &owner.environment, kind_name(AuditKind::ValuesErased));
            if self.of.entry(owner).or_default().cover(connection, word, (seq, event, field))? {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

impl Said {
    fn cover(
        &mut self,
        connection: &Connection,
        word: i64,
        (seq, event, field): (u64, &AuditEvent, ValueField),
    ) -> rusqlite::Result<bool> {
        let covers = |said: &[Erasure]| said.iter().any(|erasure| erasure.covers(seq, event, field));
        if covers(&self.said) {
            return Ok(true);
        }
        // A server that runs may have erased more since.
        let known = self.said.len();
        self.read_more(connection, word)?;
        Ok(covers(self.said.get(known..).unwrap_or_default()))
    }

    fn read_more(&mut self, connection: &Connection, word: i64) -> rusqlite::Result<()> {
        let sql = "SELECT a.seq, a.body FROM audit_facets f JOIN audit a ON a.seq = f.seq \
                   WHERE f.facet = ?1 AND f.seq > ?2 ORDER BY f.seq";
        let mut statement = connection.prepare_cached(sql)?;
        let mut rows = statement.query([word, self.read_to])?;
        while let Some(row) = rows.next()? {
            let (seq, body) = (row.get(0)?, row.get_ref(1)?.as_bytes()?);
            let event: Option<AuditEvent> = serde_json::from_slice(body).ok();
            // One that is about what comes after it would be about anything.
            let said = event.and_then(|event| event.erasure).filter(|said| stored_number(said.last_seq) < seq);
            self.said.extend(said.map(|said| *said));
            self.read_to = seq;
        }
        Ok(())
    }
}
