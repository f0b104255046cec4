//! Results as JSON text, written row by row and cut cleanly at the caps.
//!
//! Integers within ±(2^53 - 1) and finite reals are JSON numbers; other integers are strings; BLOBs are base64
//! strings; infinities are the strings `Infinity` and `-Infinity` (SQLite stores NaN as NULL); text that is not UTF-8
//! has its bad bytes replaced by U+FFFD.

use std::io::Write as _;

use airlock_model::{HostError, Limit, Rows, host::Column};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use rusqlite::{Row, Statement, types::ValueRef};

use super::statement::Fault;

const SAFE_INTEGER_MAX: u64 = (1 << 53) - 1;

/// Runs a bound query and reads at most `rows_max` rows and `bytes_max` bytes, column names included.
pub(super) fn read(statement: &mut Statement<'_>, rows_max: u64, bytes_max: u64) -> Result<Rows, Fault> {
    let columns: Vec<Column> = statement
        .columns()
        .map(|column| Column {
            name: column.name().to_owned(),
            database_type: column.decl_type().unwrap_or_default().to_owned(),
        })
        .collect();
    let named = columns.iter().map(|column| column.name.len() + column.database_type.len()).sum::<usize>();
    let mut sheet = Sheet::new(named, columns.len(), bytes_max)?;
    let mut rows = statement.raw_query();
    let (mut row_count, mut truncated) = (0, false);
    while let Some(row) = rows.next()? {
        if row_count == rows_max || !sheet.add(row)? {
            truncated = true;
            break;
        }
        row_count += 1;
    }
    Ok(Rows { columns, rows: sheet.finish()?, row_count, truncated })
}

/// The growing text. INVARIANT: with the closing bracket it never exceeds what the columns left of the cap.
struct Sheet {
    text: Vec<u8>,
    bytes_max: usize,
    width: usize,
}

impl Sheet {
    fn new(named: usize, width: usize, bytes_max: u64) -> Result<Self, HostError> {
        let needed = named as u64 + 2;
        let Some(left) = bytes_max.checked_sub(named as u64).filter(|left| *left >= 2) else {
            return Err(HostError::Limit {
                limit: Limit::ResultBytes,
                configured: bytes_max,
                used: needed,
                hint: "the names of the columns alone are larger: select fewer columns".to_owned(),
            });
        };
        Ok(Self { text: b"[".to_vec(), bytes_max: usize::try_from(left).unwrap_or(usize::MAX), width })
    }

    /// Adds a row, or leaves the text as it was and says `false` when it does not fit.
    fn add(&mut self, row: &Row<'_>) -> Result<bool, Fault> {
        let start = self.text.len();
        if start > 1 {
            self.text.push(b',');
        }
        self.text.push(b'[');
        for index in 0..self.width {
            if index > 0 {
                self.text.push(b',');
            }
            let value = row.get_ref(index)?;
            // One value can be far larger than the cap: look before writing.
            if self.text.len() + written_at_least(value) > self.bytes_max {
                self.text.truncate(start);
                return Ok(false);
            }
            self.write(value)?;
        }
        self.text.push(b']');
        let fits = self.text.len() < self.bytes_max;
        if !fits {
            self.text.truncate(start);
        }
        Ok(fits)
    }

    fn write(&mut self, value: ValueRef<'_>) -> Result<(), Fault> {
        let written = match value {
            ValueRef::Null => self.text.write_all(b"null"),
            ValueRef::Integer(integer) if integer.unsigned_abs() <= SAFE_INTEGER_MAX => write!(self.text, "{integer}"),
            ValueRef::Integer(integer) => write!(self.text, "\"{integer}\""),
            ValueRef::Real(real) if real.is_finite() => {
                serde_json::to_writer(&mut self.text, &real).map_err(Into::into)
            }
            ValueRef::Real(real) if real.is_nan() => self.text.write_all(b"null"),
            ValueRef::Real(real) if real > 0.0 => self.text.write_all(b"\"Infinity\""),
            ValueRef::Real(_) => self.text.write_all(b"\"-Infinity\""),
            ValueRef::Text(text) => {
                serde_json::to_writer(&mut self.text, &String::from_utf8_lossy(text)).map_err(Into::into)
            }
            ValueRef::Blob(blob) => write!(self.text, "\"{}\"", STANDARD.encode(blob)),
        };
        written.map_err(|why| unwritable(&why))
    }

    fn finish(mut self) -> Result<String, Fault> {
        self.text.push(b']');
        String::from_utf8(self.text).map_err(|why| unwritable(&why))
    }
}

/// Memory takes every byte and the text is made of UTF-8 pieces, so this is never seen; a panic would be worse.
fn unwritable(why: &dyn std::fmt::Display) -> Fault {
    Fault::Host(HostError::Backend { code: "RESULT_UNWRITABLE".to_owned(), message: why.to_string() })
}

fn written_at_least(value: ValueRef<'_>) -> usize {
    match value {
        ValueRef::Null | ValueRef::Integer(_) | ValueRef::Real(_) => 1,
        ValueRef::Text(text) => text.len() + 2,
        ValueRef::Blob(blob) => blob.len().div_ceil(3) * 4 + 2,
    }
}
