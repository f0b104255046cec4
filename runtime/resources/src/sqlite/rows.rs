//! Results as JSON text, written row by row and cut cleanly at the caps.
//!
//! Integers within ±(2^53 - 1) and finite reals are JSON numbers; other integers are strings; BLOBs are base64
//! strings; infinities are the strings `Infinity` and `-Infinity` (SQLite stores NaN as NULL); text that is not UTF-8
//! has its bad bytes replaced by U+FFFD.

use std::io::{self, Write as _};

use airlock_model::{Rows, host::Column};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use rusqlite::{Statement, types::ValueRef};

use super::statement::Fault;
use crate::sheet::{Cell, SAFE_INTEGER_MAX, Sheet};

/// How much to read at once.
#[derive(Debug, Clone, Copy)]
pub(super) struct Caps {
    /// Rows; one more is a cut.
    pub(super) rows_max: u64,
    /// Bytes, column names included; a row that goes beyond is a cut.
    pub(super) bytes_max: u64,
    /// Rows, and bytes of them, after which no further row is looked at.
    pub(super) rows_enough: u64,
    pub(super) bytes_enough: usize,
}

/// The columns of a prepared query.
pub(super) fn columns(statement: &Statement<'_>) -> Vec<Column> {
    let column = |column: rusqlite::Column<'_>| Column {
        name: column.name().to_owned(),
        database_type: column.decl_type().unwrap_or_default().to_owned(),
    };
    statement.columns().map(column).collect()
}

/// Steps through a running query, and says whether it may go on: it was neither cut nor at its end.
pub(super) fn read(rows: &mut rusqlite::Rows<'_>, columns: Vec<Column>, caps: Caps) -> Result<(Rows, bool), Fault> {
    let mut sheet = Sheet::new(&columns, caps.bytes_max)?;
    let (mut row_count, mut truncated) = (0, false);
    let goes_on = loop {
        if row_count >= caps.rows_enough || (row_count > 0 && sheet.bytes() >= caps.bytes_enough) {
            break true;
        }
        let Some(row) = rows.next()? else { break false };
        let cells = (0..columns.len()).map(|index| row.get_ref(index).map_err(Fault::from));
        if row_count == caps.rows_max || !sheet.add(cells)? {
            truncated = true;
            break false;
        }
        row_count += 1;
    };
    Ok((Rows { columns, rows: sheet.finish()?, row_count, truncated }, goes_on))
}

impl Cell for ValueRef<'_> {
    fn bytes_min(&self) -> usize {
        match self {
            Self::Null | Self::Integer(_) | Self::Real(_) => 1,
            Self::Text(text) => text.len() + 2,
            Self::Blob(blob) => blob.len().div_ceil(3) * 4 + 2,
        }
    }

    fn write(&self, text: &mut Vec<u8>) -> io::Result<()> {
        match *self {
            Self::Null => text.write_all(b"null"),
            Self::Integer(integer) if integer.unsigned_abs() <= SAFE_INTEGER_MAX => write!(text, "{integer}"),
            Self::Integer(integer) => write!(text, "\"{integer}\""),
            Self::Real(real) if real.is_finite() => serde_json::to_writer(text, &real).map_err(Into::into),
            Self::Real(real) if real.is_nan() => text.write_all(b"null"),
            Self::Real(real) if real > 0.0 => text.write_all(b"\"Infinity\""),
            Self::Real(_) => text.write_all(b"\"-Infinity\""),
            Self::Text(value) => serde_json::to_writer(text, &String::from_utf8_lossy(value)).map_err(Into::into),
            Self::Blob(blob) => write!(text, "\"{}\"", STANDARD.encode(blob)),
        }
    }
}
