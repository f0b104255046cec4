//! Parameters: a JSON array as text, each value bound with the type that the same value has when it is written as SQL.
//!
//! The server does not say what a parameter's type is, so it is the value's own: `null`, `true` and `false` (1 and 0), integers,
//! numbers with a fraction as DECIMAL (no digit is lost), numbers with an exponent as DOUBLE, strings, arrays and objects
//! as their JSON text, and `{"$bytes": "<base64>"}` for bytes.

use airlock_model::HostError;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::packet::put_bytes;

/// What the protocol can count.
const COUNT_MAX: usize = 65_535;
/// Digits that DECIMAL keeps, and those of them behind the point (MySQL; MariaDB keeps 38).
const DIGITS_MAX: usize = 65;
const FRACTION_DIGITS_MAX: usize = 30;

/// A value as it is bound.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Bound {
    Null,
    Signed(i64),
    Unsigned(u64),
    Double(f64),
    Decimal(String),
    Text(String),
    Bytes(Vec<u8>),
}

impl Bound {
    /// What it takes in memory besides itself.
    pub(super) fn size_bytes(&self) -> usize {
        match self {
            Self::Null | Self::Signed(_) | Self::Unsigned(_) | Self::Double(_) => 0,
            Self::Decimal(text) | Self::Text(text) => text.len(),
            Self::Bytes(bytes) => bytes.len(),
        }
    }
}

/// Reads the array.
///
/// # Errors
/// `BadRequest` when it is none, has more values than the protocol can count, or a value that cannot be bound.
pub(super) fn parse(text: &str) -> Result<Vec<Bound>, HostError> {
    // No parameters may be said with no text.
    if text.trim().is_empty() {
        return Ok(Vec::new());
    }
    let values: Vec<&RawValue> = serde_json::from_str(text)
        .map_err(|why| HostError::BadRequest(format!("the parameters are not a JSON array: {why}")))?;
    if values.len() > COUNT_MAX {
        return Err(HostError::BadRequest(format!(
            "more than {COUNT_MAX} parameters: pass a JSON array as one and use JSON_TABLE"
        )));
    }
    let refuse = |place: usize, rule: &str| HostError::BadRequest(format!("parameter {place} {rule}"));
    let one = |(index, value): (usize, &&RawValue)| bound(value.get()).map_err(|rule| refuse(index + 1, rule));
    values.iter().enumerate().map(one).collect()
}

fn bound(json: &str) -> Result<Bound, &'static str> {
    match json.as_bytes().first() {
        Some(b'n') => Ok(Bound::Null),
        Some(b't') => Ok(Bound::Signed(1)),
        Some(b'f') => Ok(Bound::Signed(0)),
        Some(b'"') => string(json).map(Bound::Text),
        Some(b'{') if json.contains("\"$bytes\"") => bytes(json),
        Some(b'{' | b'[') => Ok(Bound::Text(json.to_owned())),
        _ => number(json),
    }
}

fn number(json: &str) -> Result<Bound, &'static str> {
    if json.contains(['e', 'E']) {
        let double = json.parse().ok().filter(|double: &f64| double.is_finite());
        return double.map(Bound::Double).ok_or("is a number beyond the range of DOUBLE");
    }
    if let Ok(integer) = json.parse() {
        return Ok(Bound::Signed(integer));
    }
    if let Ok(integer) = json.parse() {
        return Ok(Bound::Unsigned(integer));
    }
    let digits = json.bytes().filter(u8::is_ascii_digit).count();
    let fraction = json.split_once('.').map_or(0, |(_, fraction)| fraction.len());
    if digits > DIGITS_MAX || fraction > FRACTION_DIGITS_MAX {
        return Err(
            "has more digits than DECIMAL keeps (65, 30 of them behind the point): pass it as a string, or with an \
                    exponent as a DOUBLE",
        );
    }
    Ok(Bound::Decimal(json.to_owned()))
}

fn string(json: &str) -> Result<String, &'static str> {
    serde_json::from_str(json).map_err(|_| "is text with a broken escape, for instance half of a surrogate pair")
}

fn bytes(json: &str) -> Result<Bound, &'static str> {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Bytes {
        #[serde(rename = "$bytes")]
        base64: String,
    }
    // An object that only has such a key among others is JSON.
    let Ok(bytes) = serde_json::from_str::<Bytes>(json) else { return Ok(Bound::Text(json.to_owned())) };
    STANDARD.decode(bytes.base64).map(Bound::Bytes).map_err(|_| "has a `$bytes` that is not base64")
}

/// Writes the values as a statement is run with them: which are NULL, their types, and the others.
pub(super) fn write(values: &[Bound], out: &mut Vec<u8>) {
    if values.is_empty() {
        return;
    }
    for chunk in values.chunks(8) {
        let bit = |(index, value): (usize, &Bound)| u8::from(*value == Bound::Null) << index;
        out.push(chunk.iter().enumerate().map(bit).sum());
    }
    // The types follow.
    out.push(1);
    values.iter().for_each(|value| out.extend_from_slice(&value.code()));
    values.iter().for_each(|value| value.write(out));
}

impl Bound {
    /// The type, and whether it has no sign.
    const fn code(&self) -> [u8; 2] {
        match self {
            Self::Null => [0x06, 0],
            Self::Signed(_) => [0x08, 0],
            Self::Unsigned(_) => [0x08, 0x80],
            Self::Double(_) => [0x05, 0],
            Self::Decimal(_) => [0xf6, 0],
            Self::Text(_) => [0xfd, 0],
            Self::Bytes(_) => [0xfc, 0],
        }
    }

    fn write(&self, out: &mut Vec<u8>) {
        match self {
            Self::Null => {}
            Self::Signed(integer) => out.extend_from_slice(&integer.to_le_bytes()),
            Self::Unsigned(integer) => out.extend_from_slice(&integer.to_le_bytes()),
            Self::Double(double) => out.extend_from_slice(&double.to_le_bytes()),
            Self::Decimal(text) | Self::Text(text) => put_bytes(text.as_bytes(), out),
            Self::Bytes(bytes) => put_bytes(bytes, out),
        }
    }
}
