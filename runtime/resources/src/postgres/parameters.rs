//! Parameters: a JSON array as text, each value read by the type that its parameter has in the statement, and bound.
//!
//! Values travel in the server's text format, so every type that the server knows can be sent and no digit is lost.

use airlock_model::HostError;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::{
    array::{DIMENSIONS_MAX, push_element},
    types::{Kind, Type, Width},
};

/// What the protocol can count.
const COUNT_MAX: usize = 65_535;
/// Brackets inside each other in one JSON value.
const DEPTH_MAX: usize = 128;

/// Reads the array.
///
/// # Errors
/// `BadRequest` when it is none, or has more values than the protocol can count.
pub(super) fn parse(text: &str) -> Result<Vec<&RawValue>, HostError> {
    // No parameters may be said with no text.
    if text.trim().is_empty() {
        return Ok(Vec::new());
    }
    let values: Vec<&RawValue> = serde_json::from_str(text)
        .map_err(|why| HostError::BadRequest(format!("the parameters are not a JSON array: {why}")))?;
    if values.len() > COUNT_MAX {
        return Err(HostError::BadRequest(format!(
            "more than {COUNT_MAX} parameters: pass an array and use ANY or unnest"
        )));
    }
    Ok(values)
}

/// Writes each value as text of its parameter's type; `None` is NULL.
///
/// # Errors
/// `BadRequest` that names the parameter, its type and what it takes.
pub(super) fn encode(values: &[&RawValue], types: &[Type]) -> Result<Vec<Option<String>>, HostError> {
    if values.len() != types.len() {
        let (wanted, given) = (types.len(), values.len());
        return Err(HostError::BadRequest(format!(
            "the statement has {wanted} parameters and {given} values were given"
        )));
    }
    let one = |(index, (value, of)): (usize, (&&RawValue, &Type))| {
        let refuse = |rule: &str| HostError::BadRequest(format!("parameter {} ({}) {rule}", index + 1, of.name));
        value_of(value.get(), of).map_err(refuse)
    };
    values.iter().zip(types).enumerate().map(one).collect()
}

fn value_of(json: &str, of: &Type) -> Result<Option<String>, &'static str> {
    if json == "null" {
        return Ok(None);
    }
    if !of.is_array {
        return scalar(json, of.kind).map(Some);
    }
    match json.as_bytes().first() {
        Some(b'[') => {
            let mut text = String::new();
            array(json, of.kind, &mut text, DIMENSIONS_MAX)?;
            Ok(Some(text))
        }
        Some(b'"') => string(json).map(Some),
        _ => Err("takes an array, or an array as PostgreSQL writes it in a string"),
    }
}

fn array(json: &str, kind: Kind, out: &mut String, dimensions_left: usize) -> Result<(), &'static str> {
    let items: Vec<&RawValue> = serde_json::from_str(json).map_err(|_| "is an array that cannot be read")?;
    out.push('{');
    for (index, item) in items.into_iter().enumerate() {
        if index > 0 {
            out.push(',');
        }
        let item = item.get();
        // An array inside an array of JSON values is a value, not another dimension.
        if item.starts_with('[') && kind != Kind::Json {
            if dimensions_left <= 1 {
                return Err("is an array of more than 6 dimensions");
            }
            array(item, kind, out, dimensions_left - 1)?;
        } else if item == "null" {
            push_element(out, None);
        } else {
            push_element(out, Some(&scalar(item, kind)?));
        }
    }
    out.push('}');
    Ok(())
}

fn scalar(json: &str, kind: Kind) -> Result<String, &'static str> {
    let first = json.as_bytes().first().copied().unwrap_or_default();
    let is_number = first == b'-' || first.is_ascii_digit();
    match (kind, first) {
        // As for every other type a string is what PostgreSQL reads: JSON as text, not a JSON string.
        (Kind::Json, b'"') => value(string(json)?),
        (Kind::Json, _) => value(json.to_owned()),
        (Kind::Bool, b't' | b'f') => Ok(json.to_owned()),
        (Kind::Bool, _) => Err("takes true or false"),
        (Kind::Int(width), b'"') => integer(&string(json)?, width),
        (Kind::Int(width), _) if is_number => integer(json, width),
        (Kind::Int(width), _) => Err(takes_integer(width)),
        (Kind::Float | Kind::Numeric, b'"') => string(json),
        (Kind::Float | Kind::Numeric, _) if is_number => Ok(json.to_owned()),
        (Kind::Float | Kind::Numeric, _) => {
            Err("takes a number, or a string with a number, \"NaN\", \"Infinity\" or \"-Infinity\"")
        }
        (Kind::Text, b'"') => string(json),
        (Kind::Text, _) => Err("takes a string: write the value as one"),
        (Kind::Bytea, b'"' | b'{') => bytes(json),
        (Kind::Bytea, _) => Err(BYTEA),
        (Kind::Other, b'"') => string(json),
        (Kind::Other, b't' | b'f') => Ok(json.to_owned()),
        (Kind::Other, _) if is_number => Ok(json.to_owned()),
        (Kind::Other, _) => Err("takes a string as PostgreSQL reads it"),
    }
}

fn integer(text: &str, width: Width) -> Result<String, &'static str> {
    let (least, greatest) = width.range();
    let number: i64 = text.parse().map_err(|_| takes_integer(width))?;
    if (least..=greatest).contains(&number) { Ok(number.to_string()) } else { Err(takes_integer(width)) }
}

const fn takes_integer(width: Width) -> &'static str {
    match width {
        Width::Two => "takes an integer from -32768 to 32767",
        Width::Four => "takes an integer from -2147483648 to 2147483647",
        Width::Eight => {
            "takes an integer from -9223372036854775808 to 9223372036854775807, as a string where it is beyond 2^53"
        }
        Width::Oid => "takes an integer from 0 to 4294967295",
    }
}

fn string(json: &str) -> Result<String, &'static str> {
    let text: String = serde_json::from_str(json)
        .map_err(|_| "is text with a broken escape, for instance half of a surrogate pair")?;
    if text.contains('\0') { Err("is text with a NUL, which PostgreSQL cannot keep: use bytea") } else { Ok(text) }
}

/// A JSON value as it was written, if it is not too deep for whoever reads it next.
fn value(json: String) -> Result<String, &'static str> {
    let (mut depth, mut deepest, mut in_string, mut is_escaped) = (0_usize, 0_usize, false, false);
    for byte in json.bytes() {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' if in_string => is_escaped = true,
            b'"' => in_string = !in_string,
            b'[' | b'{' if !in_string => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            b']' | b'}' if !in_string => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    if deepest > DEPTH_MAX { Err("is JSON of more than 128 levels") } else { Ok(json) }
}

const BYTEA: &str = "takes bytes: a string with \\x and hexadecimal digits, or {\"$bytes\": \"<base64>\"}";

fn bytes(json: &str) -> Result<String, &'static str> {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Bytes {
        #[serde(rename = "$bytes")]
        base64: String,
    }
    if json.starts_with('{') {
        let bytes: Bytes = serde_json::from_str(json).map_err(|_| BYTEA)?;
        return STANDARD.decode(bytes.base64).map(|bytes| format!("\\x{}", hex::encode(bytes))).map_err(|_| BYTEA);
    }
    let text = string(json)?;
    let is_hex = text.strip_prefix("\\x").is_some_and(|digits| hex::decode(digits).is_ok());
    if is_hex { Ok(text) } else { Err(BYTEA) }
}
