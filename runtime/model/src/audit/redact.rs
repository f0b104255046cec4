//! The structure of a value without what it says.

use serde_json::{Map, Value};

use super::values::KEPT_BYTES_MAX;

/// Longer values are not looked into: a number in a list of a million says nothing.
const READ_BYTES_MAX: usize = 64 << 10;
/// Members of one list or object that are shown.
const MEMBERS_MAX: usize = 64;
/// A name of a member that is one. Longer ones, and those of other characters, are values in the place of a name.
const NAME_BYTES_MAX: usize = 40;

/// JSON with types and lengths in the place of texts and numbers; of what is no JSON, type and length.
pub(super) fn redacted(value: &str) -> String {
    let read = (value.len() <= READ_BYTES_MAX).then(|| serde_json::from_str(value).ok()).flatten();
    let shown: Value = read.map_or_else(|| text(value).into(), |read| structure(&read));
    capped(&shown.to_string()).to_owned()
}

/// As much of a text as is kept.
pub(super) fn capped(text: &str) -> &str {
    text.get(..text.floor_char_boundary(KEPT_BYTES_MAX)).unwrap_or_default()
}

fn text(text: &str) -> String {
    format!("<text of {}>", text.len())
}

fn structure(value: &Value) -> Value {
    match value {
        Value::Null => Value::Null,
        Value::Bool(_) => "<bool>".into(),
        Value::Number(_) => "<number>".into(),
        Value::String(said) => text(said).into(),
        Value::Array(items) => {
            let shown = items.iter().take(MEMBERS_MAX).map(structure);
            shown.chain(more(items.len()).map(Value::from)).collect()
        }
        Value::Object(members) => Value::Object(named(members)),
    }
}

fn named(members: &Map<String, Value>) -> Map<String, Value> {
    let shown = members.iter().zip(1_usize..).take(MEMBERS_MAX).map(|((name, value), number)| {
        let name = if is_name(name) { name.clone() } else { format!("<name {number} of {}>", name.len()) };
        (name, structure(value))
    });
    shown.chain(more(members.len()).map(|more| (more, Value::Null))).collect()
}

fn is_name(name: &str) -> bool {
    let starts = name.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_');
    starts && name.len() <= NAME_BYTES_MAX && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

fn more(members: usize) -> Option<String> {
    let more = members.checked_sub(MEMBERS_MAX).filter(|more| *more > 0)?;
    Some(format!("<{more} more>"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn structure_types_and_lengths_stay_and_nothing_else() {
        let value = r#"["canary",42,true,null,{"name":"canary","tags":[1.5]},{"ada@canary.example":1}]"#;
        let shown = r#"["<text of 6>","<number>","<bool>",null,{"name":"<text of 6>","tags":["<number>"]},{"<name 1 of 18>":"<number>"}]"#;
        assert_eq!(redacted(value), shown);
    }

    #[test]
    fn what_is_no_json_or_too_long_has_a_length() {
        assert_eq!(redacted("canary, and no JSON"), r#""<text of 19>""#);
        let long = format!("[{}1]", "1,".repeat(READ_BYTES_MAX));
        assert_eq!(redacted(&long), format!("\"<text of {}>\"", long.len()));
    }

    #[test]
    fn long_lists_and_objects_are_counted() {
        let list = format!("[{}0]", "0,".repeat(MEMBERS_MAX + 4));
        assert!(redacted(&list).ends_with(r#""<5 more>"]"#), "{}", redacted(&list));
        let members: Vec<_> = (0..MEMBERS_MAX + 2).map(|number| format!("\"m{number}\":0")).collect();
        assert!(redacted(&format!("{{{}}}", members.join(","))).contains("<2 more>"));
    }
}
