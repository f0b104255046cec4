//! Queries for Salesforce: constant text with `:name` where values go, each written as SOQL wants it.

use crate::error::HostError;

/// Most values of a list.
const LIST_MAX: usize = 2_000;

/// A value of a query.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// Quoted and escaped.
    Text(String),
    /// A whole number.
    Integer(i64),
    /// A number; finite.
    Number(f64),
    /// `true` or `false`.
    Boolean(bool),
    /// A day or a moment: `2026-01-31`, `2026-01-31T10:00:00Z`.
    Date(String),
    /// For `IN`: 1 to 2,000 values that are no lists.
    List(Vec<Self>),
    /// `null`.
    Null,
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<i64> for Value {
    fn from(number: i64) -> Self {
        Self::Integer(number)
    }
}

/// A query with its values in place. `query` is constant text; a `:name` in a string of it is text.
///
/// # Errors
/// [`HostError::BadRequest`] for a name without a value, a value without a name, and a value without a form in SOQL.
pub fn bind(query: &str, values: &[(&str, Value)]) -> Result<String, HostError> {
    let (mut bound, mut rest, mut used) = (String::new(), query, vec![false; values.len()]);
    let mut is_text = false;
    while let Some(next) = rest.chars().next() {
        let name = name_of(rest).filter(|_| !is_text);
        if let Some(name) = name {
            let missing = || HostError::bad_request(format!("`:{name}` has no value"));
            let index = values.iter().position(|(known, _)| *known == name).ok_or_else(missing)?;
            if let (Some(used), Some((_, value))) = (used.get_mut(index), values.get(index)) {
                *used = true;
                bound.push_str(&literal(value)?);
            }
            rest = rest.get(1 + name.len()..).unwrap_or_default();
            continue;
        }
        let escaped = if is_text && next == '\\' { rest.chars().nth(1) } else { None };
        is_text ^= next == '\'';
        bound.push(next);
        bound.extend(escaped);
        rest = rest.get(next.len_utf8() + escaped.map_or(0, char::len_utf8)..).unwrap_or_default();
    }
    if let Some(((name, _), _)) = values.iter().zip(&used).find(|(_, used)| !**used) {
        return Err(HostError::bad_request(format!("the query has no `:{name}`")));
    }
    Ok(bound)
}

/// What stands behind a colon; `LAST_N_DAYS:30` is no name.
fn name_of(text: &str) -> Option<&str> {
    let rest = text.strip_prefix(':')?;
    let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(rest.len());
    let name = rest.get(..end)?;
    name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_').then_some(name)
}

fn literal(value: &Value) -> Result<String, HostError> {
    match value {
        Value::Text(text) => quoted(text),
        Value::Integer(number) => Ok(number.to_string()),
        Value::Number(number) if number.is_finite() => Ok(number.to_string()),
        Value::Number(_) => Err(HostError::bad_request("this number has no form in SOQL")),
        Value::Boolean(value) => Ok(value.to_string()),
        Value::Date(text) => {
            let legal = |c: char| c.is_ascii_digit() || "-:.+TZ".contains(c);
            let fits = text.len() >= 10 && text.starts_with(|c: char| c.is_ascii_digit()) && text.chars().all(legal);
            if fits { Ok(text.clone()) } else { Err(HostError::bad_request("write a day as 2026-01-31")) }
        }
        Value::List(values) => {
            if values.is_empty() || values.len() > LIST_MAX || values.iter().any(|one| matches!(one, Value::List(_))) {
                return Err(HostError::bad_request("a list has 1 to 2,000 values that are no lists"));
            }
            let literals = values.iter().map(literal).collect::<Result<Vec<_>, _>>()?;
            Ok(format!("({})", literals.join(", ")))
        }
        Value::Null => Ok("null".to_owned()),
    }
}

fn quoted(text: &str) -> Result<String, HostError> {
    if text.contains('\0') {
        return Err(HostError::bad_request("a text for SOQL has no NUL character"));
    }
    let mut quoted = String::from("'");
    for next in text.chars() {
        match next {
            '\\' | '\'' | '"' => quoted.extend(['\\', next]),
            '\n' => quoted.push_str("\\n"),
            '\r' => quoted.push_str("\\r"),
            '\t' => quoted.push_str("\\t"),
            '\u{8}' => quoted.push_str("\\b"),
            '\u{c}' => quoted.push_str("\\f"),
            _ => quoted.push(next),
        }
    }
    quoted.push('\'');
    Ok(quoted)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_stand_where_their_names_stood() {
        let query = "SELECT Id FROM A WHERE N = :n AND D = LAST_N_DAYS:30 AND T = ':n \\' :x' AND I IN :ids";
        let ids = Value::List(vec![Value::Integer(1), Value::Date("2026-01-31".into()), Value::Null]);
        let bound = bind(query, &[("n", "O'Brien\\ :ids".into()), ("ids", ids)]).expect("bound");
        let wanted = "SELECT Id FROM A WHERE N = 'O\\'Brien\\\\ :ids' AND D = LAST_N_DAYS:30 AND T = ':n \\' :x' AND I IN (1, 2026-01-31, null)";
        assert_eq!(bound, wanted);
    }

    #[test]
    fn what_has_no_form_or_no_place_is_refused() {
        let query = "SELECT Id FROM A WHERE N = :n";
        for value in [
            Value::Number(f64::NAN),
            Value::List(Vec::new()),
            Value::List(vec![Value::List(vec![Value::Null])]),
            Value::Date("2026-01-31' OR".into()),
            Value::Text("\0".into()),
        ] {
            assert!(bind(query, &[("n", value)]).is_err());
        }
        assert!(bind(query, &[]).is_err());
        assert!(bind(query, &[("n", 1.into()), ("m", 1.into())]).is_err());
    }
}
