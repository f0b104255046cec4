//! Rows without their values: enough to see whether they are the right ones, and not to learn what they say.

use airlock_model::Rows;
use serde_json::Value;

/// Of a shorter text the first character would say too much.
const SHOWN_CHARS_MIN: usize = 4;

/// Names of the columns, and the rows masked.
pub(super) fn sample(rows: &Rows) -> (Vec<String>, Vec<Vec<String>>) {
    let values: Vec<Vec<Value>> = serde_json::from_str(&rows.rows).unwrap_or_default();
    let columns = rows.columns.iter().map(|column| column.name.clone()).collect();
    (columns, values.iter().map(|row| row.iter().map(masked).collect()).collect())
}

fn masked(value: &Value) -> String {
    match value {
        Value::Null => "null".to_owned(),
        Value::Bool(_) => "boolean".to_owned(),
        Value::Number(number) => format!("number({})", number.to_string().len()),
        Value::Array(items) => format!("list({})", items.len()),
        Value::Object(fields) => format!("object({})", fields.len()),
        Value::String(text) => {
            let length = text.chars().count();
            let first = text.chars().next().filter(|first| length >= SHOWN_CHARS_MIN && first.is_alphanumeric());
            first.map_or_else(|| format!("text({length})"), |first| format!("text({length}) {first}…"))
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn no_value_is_shown_whole() {
        for (value, wanted) in [
            (json!(null), "null"),
            (json!(true), "boolean"),
            (json!(7), "number(1)"),
            (json!("y"), "text(1)"),
            (json!("ada"), "text(3)"),
            (json!("grace"), "text(5) g…"),
            (json!("<b>x</b>"), "text(8)"),
            (json!([1, 2]), "list(2)"),
        ] {
            assert_eq!(masked(&value), wanted);
        }
    }
}
