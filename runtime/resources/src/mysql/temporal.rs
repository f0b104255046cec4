//! Dates and times as MySQL writes them.

use std::{fmt::Write as _, io};

use super::{packet::Reader, wire::garbage};

/// What a column says that does not keep a fixed number of digits.
const DECIMALS_MAX: u8 = 6;

/// `2026-11-22`; a zero date is `0000-00-00`.
///
/// # Errors
/// When it is none.
pub(super) fn date(bytes: &[u8]) -> io::Result<String> {
    Parts::read(bytes).map(|parts| parts.date())
}

/// `2026-11-22 10:20:30.123456`, with as many digits of a second as the column keeps.
///
/// # Errors
/// When it is none.
pub(super) fn date_time(bytes: &[u8], decimals: u8) -> io::Result<String> {
    let parts = Parts::read(bytes)?;
    let clock = clock(parts.hour.into(), parts.minute, parts.second);
    Ok(format!("{} {clock}", parts.date()) + &fraction(parts.micros, decimals))
}

/// `-838:59:59.000000`.
///
/// # Errors
/// When it is none.
pub(super) fn time(bytes: &[u8], decimals: u8) -> io::Result<String> {
    if bytes.is_empty() {
        return Ok(clock(0, 0, 0) + &fraction(0, decimals));
    }
    let mut reader = Reader::new(bytes);
    let sign = if reader.byte()? == 0 { "" } else { "-" };
    let days = u64::from(reader.u32()?);
    let hours = days * 24 + u64::from(reader.byte()?);
    let (minute, second) = (reader.byte()?, reader.byte()?);
    let micros = if bytes.len() > 8 { reader.u32()? } else { 0 };
    Ok(format!("{sign}{}{}", clock(hours, minute, second), fraction(micros, decimals)))
}

#[derive(Default)]
struct Parts {
    year: u16,
    month: u8,
    day: u8,
    hour: u8,
    minute: u8,
    second: u8,
    micros: u32,
}

impl Parts {
    /// What is zero at the end is left out.
    fn read(bytes: &[u8]) -> io::Result<Self> {
        if !matches!(bytes.len(), 0 | 4 | 7 | 11) {
            return Err(garbage("a date of a length that none has"));
        }
        let (mut parts, mut reader) = (Self::default(), Reader::new(bytes));
        if bytes.len() >= 4 {
            (parts.year, parts.month, parts.day) = (reader.u16()?, reader.byte()?, reader.byte()?);
        }
        if bytes.len() >= 7 {
            (parts.hour, parts.minute, parts.second) = (reader.byte()?, reader.byte()?, reader.byte()?);
        }
        if bytes.len() >= 11 {
            parts.micros = reader.u32()?;
        }
        Ok(parts)
    }

    fn date(&self) -> String {
        format!("{:04}-{:02}-{:02}", self.year, self.month, self.day)
    }
}

fn clock(hours: u64, minute: u8, second: u8) -> String {
    format!("{hours:02}:{minute:02}:{second:02}")
}

fn fraction(micros: u32, decimals: u8) -> String {
    let mut digits = String::new();
    // Writing to a String cannot fail.
    let _ = write!(digits, ".{micros:06}");
    let kept = match decimals {
        0 => 0,
        1..=DECIMALS_MAX => usize::from(decimals) + 1,
        _ if micros == 0 => 0,
        _ => digits.len(),
    };
    // A digit is never dropped, whatever the column says of itself.
    let needed = digits.trim_end_matches('0').trim_end_matches('.').len();
    digits.truncate(kept.max(needed));
    digits
}
