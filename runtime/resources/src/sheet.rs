//! Rows as JSON text, written one by one and cut cleanly at the cap on bytes.

use std::io;

use airlock_model::{HostError, Limit, host::Column};

/// The largest integer that every JSON reader keeps exactly.
pub(crate) const SAFE_INTEGER_MAX: u64 = (1 << 53) - 1;

/// One value of a row.
pub(crate) trait Cell {
    /// A lower bound of what [`Cell::write`] will write, in bytes.
    fn bytes_min(&self) -> usize;

    /// Appends the value as JSON.
    ///
    /// # Errors
    /// When the value cannot be written, which is the host's mistake.
    fn write(&self, text: &mut Vec<u8>) -> io::Result<()>;
}

/// The growing text. INVARIANT: with the closing bracket it never exceeds what the columns left of the cap.
pub(crate) struct Sheet {
    text: Vec<u8>,
    bytes_max: usize,
}

impl Sheet {
    /// Starts with nothing but the columns.
    ///
    /// # Errors
    /// `Limit` when the names of the columns alone are larger than `bytes_max`.
    pub(crate) fn new(columns: &[Column], bytes_max: u64) -> Result<Self, HostError> {
        let named = columns.iter().map(|column| column.name.len() + column.database_type.len()).sum::<usize>() as u64;
        let Some(left) = bytes_max.checked_sub(named).filter(|left| *left >= 2) else {
            return Err(HostError::Limit {
                limit: Limit::ResultBytes,
                configured: bytes_max,
                used: named + 2,
                hint: "the names of the columns alone are larger: select fewer columns".to_owned(),
            });
        };
        Ok(Self { text: b"[".to_vec(), bytes_max: usize::try_from(left).unwrap_or(usize::MAX) })
    }

    /// Bytes that are left for further rows.
    pub(crate) fn bytes_left(&self) -> usize {
        self.bytes_max.saturating_sub(self.text.len())
    }

    /// Bytes of the rows so far.
    pub(crate) fn bytes(&self) -> usize {
        self.text.len()
    }

    /// Adds a row, or leaves the text as it was and says `false` when it does not fit.
    ///
    /// # Errors
    /// What getting or writing a value failed with.
    pub(crate) fn add<C: Cell, E: From<HostError>>(
        &mut self,
        row: impl IntoIterator<Item = Result<C, E>>,
    ) -> Result<bool, E> {
        let start = self.text.len();
        let fits = self.try_add(row)?;
        if !fits {
            self.text.truncate(start);
        }
        Ok(fits)
    }

    fn try_add<C: Cell, E: From<HostError>>(&mut self, row: impl IntoIterator<Item = Result<C, E>>) -> Result<bool, E> {
        self.text.extend_from_slice(if self.text.len() > 1 { b",[" } else { b"[" });
        for (index, cell) in row.into_iter().enumerate() {
            if index > 0 {
                self.text.push(b',');
            }
            let cell = cell?;
            // One value can be far larger than the cap: look before writing.
            if self.text.len() + cell.bytes_min() > self.bytes_max {
                return Ok(false);
            }
            cell.write(&mut self.text).map_err(|why| unwritable(&why))?;
        }
        self.text.push(b']');
        Ok(self.text.len() < self.bytes_max)
    }

    /// The whole array.
    ///
    /// # Errors
    /// When the text is not UTF-8, which is the host's mistake.
    pub(crate) fn finish(mut self) -> Result<String, HostError> {
        self.text.push(b']');
        String::from_utf8(self.text).map_err(|why| unwritable(&why))
    }
}

/// Memory takes every byte and the text is made of UTF-8 pieces, so this is never seen; a panic would be worse.
fn unwritable(why: &dyn std::fmt::Display) -> HostError {
    HostError::Backend { code: "RESULT_UNWRITABLE".to_owned(), message: why.to_string() }
}
