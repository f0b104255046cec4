//! Results as JSON text, as rows arrive.
//!
//! `bool` is `true` or `false`; integers within ±(2^53 - 1) and finite floats are numbers, others strings; `json` and
//! `jsonb` are the value itself; arrays are arrays. Everything else is a string as PostgreSQL writes it: `numeric` with
//! every digit, `bytea` as `\x` and hexadecimal digits, times in ISO 8601 and UTC, intervals as `P1DT2H`. Bytes that are
//! not UTF-8 (a database with encoding SQL_ASCII) become U+FFFD.

use std::{io, ops::Range};

use airlock_model::{HostError, Rows, host::Column};
use fallible_iterator::FallibleIterator as _;
use postgres_protocol::message::backend::DataRowBody;

use super::{
    array,
    fault::Fault,
    scalar,
    session::{self, Wish},
    types::Type,
    wire,
};
use crate::sheet::{Cell, Sheet};

/// What a row costs on the wire besides its values, per column and per row.
const LENGTH_BYTES: usize = 4;
const HEAD_BYTES: usize = 64;

/// A result that grows to its caps.
pub(super) struct Page {
    sheet: Sheet,
    types: Vec<Type>,
    columns: Vec<Column>,
    row_count: u64,
    rows_max: u64,
    bytes_enough: usize,
}

impl Page {
    /// Starts with no rows.
    ///
    /// # Errors
    /// `Limit` when the names of the columns alone are larger than `bytes_max`.
    pub(super) fn new(
        columns: Vec<(String, u32)>,
        types: Vec<Type>,
        rows_max: u64,
        bytes_max: u64,
    ) -> Result<Self, HostError> {
        let column = |((name, _), of): ((String, u32), &Type)| Column { name, database_type: of.name.to_string() };
        let columns: Vec<Column> = columns.into_iter().zip(&types).map(column).collect();
        let sheet = Sheet::new(&columns, bytes_max)?;
        Ok(Self { sheet, types, columns, row_count: 0, rows_max, bytes_enough: usize::MAX })
    }

    /// The same page, but it pauses after the row with which it has so many bytes, and stops after so many rows.
    pub(super) fn pausing(self, bytes_enough: usize, rows_max: u64) -> Self {
        Self { bytes_enough, rows_max, ..self }
    }

    pub(super) fn row_count(&self) -> u64 {
        self.row_count
    }

    /// The result so far.
    ///
    /// # Errors
    /// When it cannot be written, which is the host's mistake.
    pub(super) fn finish(self, ended: &session::Ended) -> Result<Rows, HostError> {
        let truncated = matches!(ended, session::Ended::Cut);
        Ok(Rows { columns: self.columns, rows: self.sheet.finish()?, row_count: self.row_count, truncated })
    }
}

impl session::Rows for Page {
    /// No value shrinks to less than half when it is written as JSON.
    fn row_bytes_max(&self) -> usize {
        HEAD_BYTES + LENGTH_BYTES * self.types.len() + self.sheet.bytes_left().saturating_mul(2)
    }

    fn take(&mut self, row: &DataRowBody) -> Result<Wish, Fault> {
        let ranges: Vec<Option<Range<usize>>> = row.ranges().collect()?;
        if ranges.len() != self.types.len() {
            return Err(Fault::Wire(wire::garbage("a row with another number of values than columns")));
        }
        if self.row_count == self.rows_max {
            return Ok(Wish::Stop);
        }
        let value = |(range, of): (Option<Range<usize>>, _)| {
            Ok::<_, Fault>(Value { text: range.and_then(|range| row.buffer().get(range)), of })
        };
        if !self.sheet.add(ranges.into_iter().zip(&self.types).map(value))? {
            return Ok(Wish::Stop);
        }
        self.row_count += 1;
        Ok(if self.sheet.bytes() >= self.bytes_enough { Wish::Pause } else { Wish::Next })
    }
}

struct Value<'a> {
    /// `None` is NULL.
    text: Option<&'a [u8]>,
    of: &'a Type,
}

impl Cell for Value<'_> {
    fn bytes_min(&self) -> usize {
        match self.text {
            None => 4,
            Some(text) if self.of.is_array => text.len() / 2,
            Some(text) => text.len(),
        }
    }

    fn write(&self, out: &mut Vec<u8>) -> io::Result<()> {
        let Some(bytes) = self.text else {
            out.extend_from_slice(b"null");
            return Ok(());
        };
        let text = String::from_utf8_lossy(bytes);
        if self.of.is_array { array::write(&text, self.of.kind, out) } else { scalar::write(&text, self.of.kind, out) }
    }
}

/// Takes rows that nobody reads: those of `execute`.
pub(super) struct Unread;

impl session::Rows for Unread {
    fn row_bytes_max(&self) -> usize {
        wire::MESSAGE_BYTES_MAX
    }

    fn take(&mut self, _: &DataRowBody) -> Result<Wish, Fault> {
        Ok(Wish::Next)
    }
}
