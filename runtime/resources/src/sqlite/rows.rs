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

/// Runs a bound query and reads at most `rows_max` rows and `bytes_max` bytes, column names included.
pub(super) fn read(statement: &mut Statement<'_>, rows_max: u64, bytes_max: u64) -> Result<Rows, Fault> {
    let columns: Vec<Column> = statement
        .columns()
        .map(|column| Column {
            name: column.name().to_owned(),
            database_type: column.decl_type().unwrap_or_default().to_owned(),
        })
        .collect();
    let mut sheet = Sheet::new(&columns, bytes_max)?;
    let mut rows = statement.raw_query();
    let (mut row_count, mut truncated) = (0, false);
    while let Some(row) = rows.next()? {
        let cells = (0..columns.len()).map(|index| row.get_ref(index).map_err(Fault::from));
        if row_count == rows_max || !sheet.add(cells)? {
            truncated = true;
            break;
        }
        row_count += 1;
    }
    Ok(Rows { columns, rows: sheet.finish()?, row_count, truncated })
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
