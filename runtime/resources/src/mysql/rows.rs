//! Results as JSON text, as rows arrive.
//!
//! Integers within ±(2^53 - 1), BIT, FLOAT and DOUBLE are numbers, integers beyond it strings; JSON is the value itself; BINARY,
//! VARBINARY, BLOB and GEOMETRY are `\x` and hexadecimal digits. Everything else is a string as MySQL writes it: DECIMAL
//! with every digit, dates and times with the digits that the column keeps (TIMESTAMP in UTC, zero dates as
//! `0000-00-00`). Bytes that are not UTF-8 in a text become U+FFFD.

use std::io;

use airlock_model::{HostError, Rows, host::Column};
use bytes::Bytes;

use super::{
    fault::Fault,
    packet::Reader,
    session::{self, Wish},
    types::{Kind, Type},
    value,
    wire::garbage,
};
use crate::sheet::{Cell, Sheet};

/// What a row costs on the wire besides its values, per column and per row.
const LENGTH_BYTES: usize = 9;
const HEAD_BYTES: usize = 64;

/// A result that grows to its caps.
pub(super) struct Page {
    sheet: Sheet,
    types: Vec<Type>,
    columns: Vec<Column>,
    row_count: u64,
    rows_max: u64,
    /// Bytes with which a batch is complete; none where there are no batches.
    bytes_enough: Option<usize>,
}

impl Page {
    /// Starts with no rows.
    ///
    /// # Errors
    /// `Limit` when the names of the columns alone are larger than `bytes_max`.
    pub(super) fn new(columns: Vec<(String, Type)>, rows_max: u64, bytes_max: u64) -> Result<Self, HostError> {
        let (names, types): (Vec<String>, Vec<Type>) = columns.into_iter().unzip();
        let column = |(name, of): (String, &Type)| Column { name, database_type: of.name.clone() };
        let columns: Vec<Column> = names.into_iter().zip(&types).map(column).collect();
        Ok(Self { sheet: Sheet::new(&columns, bytes_max)?, types, columns, row_count: 0, rows_max, bytes_enough: None })
    }

    /// The same page, but it pauses after its last row, and after the row with which it has so many bytes.
    pub(super) fn pausing(self, bytes_enough: usize) -> Self {
        Self { bytes_enough: Some(bytes_enough), ..self }
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
    /// No value shrinks when it is written as JSON, but for numbers, which have eight bytes.
    fn row_bytes_max(&self) -> usize {
        HEAD_BYTES + LENGTH_BYTES * self.types.len() + self.sheet.bytes_left()
    }

    fn take(&mut self, row: &Bytes) -> Result<Wish, Fault> {
        let values = split(row, &self.types)?;
        if self.row_count == self.rows_max {
            return Ok(Wish::Stop);
        }
        if !self.sheet.add(values.into_iter().map(Ok::<_, Fault>))? {
            return Ok(Wish::Stop);
        }
        self.row_count += 1;
        let is_complete = |enough| self.row_count == self.rows_max || self.sheet.bytes() >= enough;
        Ok(if self.bytes_enough.is_some_and(is_complete) { Wish::Pause } else { Wish::Next })
    }
}

/// A row: a zero, one bit for each value that is NULL, and the others.
fn split<'a>(row: &'a [u8], types: &[Type]) -> io::Result<Vec<Value<'a>>> {
    /// Bits that say nothing come first.
    const UNUSED_BITS: usize = 2;
    let mut reader = Reader::new(row);
    if reader.byte()? != 0 {
        return Err(garbage("a row that is none"));
    }
    let nulls = reader.take((types.len() + UNUSED_BITS).div_ceil(8))?;
    let is_null = |index: usize| {
        let bit = index + UNUSED_BITS;
        nulls.get(bit / 8).is_some_and(|byte| byte >> (bit % 8) & 1 == 1)
    };
    let mut values = Vec::with_capacity(types.len());
    for (index, of) in types.iter().enumerate() {
        let bytes = if is_null(index) { None } else { Some(value::take(&mut reader, of.kind)?) };
        values.push(Value { bytes, kind: of.kind });
    }
    if reader.rest().is_empty() { Ok(values) } else { Err(garbage("a row with more values than columns")) }
}

struct Value<'a> {
    /// `None` is NULL.
    bytes: Option<&'a [u8]>,
    kind: Kind,
}

impl Cell for Value<'_> {
    fn bytes_min(&self) -> usize {
        match (self.bytes, self.kind) {
            (Some(bytes), Kind::Text | Kind::Json) => bytes.len(),
            (Some(bytes), Kind::Bytes) => bytes.len().saturating_mul(2),
            _ => 1,
        }
    }

    fn write(&self, out: &mut Vec<u8>) -> io::Result<()> {
        match self.bytes {
            Some(bytes) => value::write(bytes, self.kind, out),
            None => {
                out.extend_from_slice(b"null");
                Ok(())
            }
        }
    }
}

/// Takes rows that nobody reads: those of `execute`.
pub(super) struct Unread;

impl session::Rows for Unread {
    fn row_bytes_max(&self) -> usize {
        super::wire::PACKET_BYTES_MAX
    }

    fn take(&mut self, _: &Bytes) -> Result<Wish, Fault> {
        Ok(Wish::Next)
    }
}
