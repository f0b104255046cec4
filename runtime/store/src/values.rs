//! Values of records, kept beside the chain: written in the transaction of their record, and judged by its commitments.

use airlock_model::{AuditEvent, AuditValue, Digest, ValueField, ValuePolicy};
use aws_lc_rs::rand;
use rusqlite::{Connection, Row, params};

use crate::{StoreError, chain::stored_number, verify::Fault};

/// A salt for one value.
///
/// # Errors
/// [`StoreError::Unavailable`] when the system gives no random bits.
pub fn draw_salt() -> Result<[u8; 32], StoreError> {
    let mut salt = [0; 32];
    rand::fill(&mut salt).map_err(|_| StoreError::unavailable("no random bits for a salt"))?;
    Ok(salt)
}

/// Where a value is: see the migration.
pub(crate) fn row_of(seq: i64, field: ValueField) -> i64 {
    let offset = match field {
        ValueField::Arguments => 0,
        ValueField::Statement => 1,
    };
    seq.saturating_mul(2).saturating_add(offset)
}

/// Keeps the values of a record.
pub(crate) fn insert(connection: &Connection, seq: i64, values: &[AuditValue]) -> rusqlite::Result<()> {
    // Nothing can be there but what somebody put there by hand.
    let sql =
        "INSERT OR REPLACE INTO audit_values (id, policy, salt, bytes, opening, value) VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
    for value in values {
        let AuditValue { field, policy, salt, bytes, opening, kept } = value;
        let (row, bytes) = (row_of(seq, *field), stored_number(*bytes));
        let (salt, opening) = (salt.as_slice(), opening.as_bytes().as_slice());
        connection.prepare_cached(sql)?.execute(params![
            row,
            policy.as_str(),
            salt,
            bytes,
            opening,
            kept.as_deref()
        ])?;
    }
    Ok(())
}

/// What is kept of a record; a value that cannot be read has only its field.
pub(crate) fn of_record(connection: &Connection, seq: i64) -> rusqlite::Result<Vec<(ValueField, Option<AuditValue>)>> {
    let sql = "SELECT id, policy, salt, bytes, opening, value FROM audit_values WHERE id BETWEEN ?1 AND ?2 ORDER BY id";
    let bounds = (row_of(seq, ValueField::Arguments), row_of(seq, ValueField::Statement));
    let mut statement = connection.prepare_cached(sql)?;
    let rows = statement.query_map(bounds, |row| {
        let id: i64 = row.get(0)?;
        let field = if id == bounds.0 { ValueField::Arguments } else { ValueField::Statement };
        Ok((field, parse(field, row)?))
    })?;
    rows.collect()
}

fn parse(field: ValueField, row: &Row<'_>) -> rusqlite::Result<Option<AuditValue>> {
    let (policy, salt): (String, Vec<u8>) = (row.get(1)?, row.get(2)?);
    let (bytes, opening): (i64, Vec<u8>) = (row.get(3)?, row.get(4)?);
    let kept: Option<String> = row.get(5)?;
    let read = || {
        Some(AuditValue {
            field,
            policy: ValuePolicy::ALL.into_iter().find(|known| known.as_str() == policy)?,
            salt: salt.try_into().ok()?,
            bytes: u64::try_from(bytes).ok()?,
            opening: Digest::from_bytes(opening.try_into().ok()?),
            kept: kept.map(Into::into),
        })
    };
    Ok(read())
}

/// How the values of a record stand to what the record says.
#[derive(Debug, Default)]
pub(crate) struct Standing {
    /// Values that open their commitments.
    pub(crate) kept: u64,
    /// Commitments without a value.
    pub(crate) gone: Vec<ValueField>,
    /// The first value that is not what was written.
    pub(crate) fault: Option<Fault>,
}

/// Compares.
pub(crate) fn judge(connection: &Connection, seq: i64, event: &AuditEvent) -> rusqlite::Result<Standing> {
    let found = of_record(connection, seq)?;
    let mut standing = Standing::default();
    for field in ValueField::ALL {
        let value = found.iter().find(|(of, _)| *of == field).map(|(_, value)| value);
        match (event.commitment(field), value) {
            (None, None) => {}
            (Some(_), None) => standing.gone.push(field),
            (Some(said), Some(Some(value))) if value.commitment() == said => standing.kept += 1,
            (Some(_), Some(_)) => standing.fault = standing.fault.or(Some(Fault::Value(field.as_str()))),
            (None, Some(_)) => standing.fault = standing.fault.or(Some(Fault::Stray(field.as_str()))),
        }
    }
    Ok(standing)
}
