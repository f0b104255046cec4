//! One value from a row to JSON.

use std::io::{self, Write as _};

use serde::de::IgnoredAny;

use super::{packet::Reader, temporal, types::Kind, wire::garbage};
use crate::sheet::SAFE_INTEGER_MAX;

/// Takes the bytes of one value out of a row.
///
/// # Errors
/// When they are not all there.
pub(super) fn take<'a>(row: &mut Reader<'a>, kind: Kind) -> io::Result<&'a [u8]> {
    match kind {
        Kind::Int { bytes, .. } => row.take(bytes),
        Kind::Float => row.take(4),
        Kind::Double => row.take(8),
        Kind::Date | Kind::DateTime { .. } | Kind::Time { .. } => {
            let length = row.byte()?;
            row.take(length.into())
        }
        Kind::Bit | Kind::Json | Kind::Bytes | Kind::Text => row.bytes(),
        Kind::Null => Ok(&[]),
    }
}

/// Writes a value. A text that is not what its type promises becomes a string, so that the result is always JSON.
///
/// # Errors
/// When the bytes are no value of that kind.
pub(super) fn write(bytes: &[u8], kind: Kind, out: &mut Vec<u8>) -> io::Result<()> {
    match kind {
        Kind::Int { is_signed, .. } => write_integer(little_endian(bytes, is_signed)?, out),
        Kind::Bit => write_integer(bits(bytes)?, out),
        Kind::Float => write_float(f32::from_le_bytes(exactly(bytes)?), out),
        Kind::Double => write_float(f64::from_le_bytes(exactly(bytes)?), out),
        Kind::Date => write_string(&temporal::date(bytes)?, out),
        Kind::DateTime { decimals } => write_string(&temporal::date_time(bytes, decimals)?, out),
        Kind::Time { decimals } => write_string(&temporal::time(bytes, decimals)?, out),
        Kind::Json if is_json(bytes) => out.write_all(bytes),
        Kind::Json | Kind::Text => write_string(&String::from_utf8_lossy(bytes), out),
        Kind::Bytes => write!(out, "\"\\\\x{}\"", hex::encode(bytes)),
        Kind::Null => out.write_all(b"null"),
    }
}

fn is_json(bytes: &[u8]) -> bool {
    std::str::from_utf8(bytes).is_ok_and(|text| serde_json::from_str::<IgnoredAny>(text).is_ok())
}

fn write_string(text: &str, out: &mut Vec<u8>) -> io::Result<()> {
    serde_json::to_writer(out, text).map_err(Into::into)
}

/// Neither server keeps `NaN` or infinities.
fn write_float(number: impl serde::Serialize, out: &mut Vec<u8>) -> io::Result<()> {
    serde_json::to_writer(out, &number).map_err(Into::into)
}

fn write_integer(number: i128, out: &mut Vec<u8>) -> io::Result<()> {
    if number.unsigned_abs() <= u128::from(SAFE_INTEGER_MAX) {
        write!(out, "{number}")
    } else {
        write!(out, "\"{number}\"")
    }
}

fn little_endian(bytes: &[u8], is_signed: bool) -> io::Result<i128> {
    let is_negative = is_signed && bytes.last().is_some_and(|byte| *byte >= 0x80);
    let mut wide = [if is_negative { 0xff } else { 0 }; 16];
    wide.get_mut(..bytes.len()).ok_or_else(|| garbage("an integer that is too long"))?.copy_from_slice(bytes);
    Ok(i128::from_le_bytes(wide))
}

fn bits(bytes: &[u8]) -> io::Result<i128> {
    const BYTES_MAX: usize = 8;
    if bytes.len() > BYTES_MAX {
        return Err(garbage("more than 64 bits"));
    }
    Ok(bytes.iter().fold(0, |number, byte| number << 8 | i128::from(*byte)))
}

fn exactly<const N: usize>(bytes: &[u8]) -> io::Result<[u8; N]> {
    bytes.try_into().map_err(|_| garbage("a number of another length"))
}
