//! TOML: the parser refuses keys that stand twice and bounds the depth itself.

use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

use super::{Budget, Node, Value};
use crate::packages::Unreadable;

pub(in crate::packages) fn toml(text: &str) -> Result<Node, Unreadable> {
    let mut budget = Budget::new(text);
    let refuse = |why: toml::de::Error| Unreadable {
        line: why.span().map(|span| budget.line(span.start)),
        message: format!("not TOML: {}", why.message()),
    };
    let whole = DeTable::parse(text).map_err(refuse)?;
    table(whole.get_ref(), 1, &mut budget, 0)
}

fn table(table: &DeTable<'_>, line: usize, budget: &mut Budget, depth: usize) -> Result<Node, Unreadable> {
    budget.spend(line, depth)?;
    let read = |(key, value): (&Spanned<_>, &Spanned<DeValue<'_>>)| {
        let key: &std::borrow::Cow<'_, str> = key.get_ref();
        Ok((key.to_string(), node(value, budget, depth + 1)?))
    };
    let entries = table.iter().map(read).collect::<Result<_, Unreadable>>()?;
    Ok(Node { line, value: Value::Table(entries) })
}

fn node(value: &Spanned<DeValue<'_>>, budget: &mut Budget, depth: usize) -> Result<Node, Unreadable> {
    let line = budget.line(value.span().start);
    let text = match value.get_ref() {
        DeValue::Table(inner) => return table(inner, line, budget, depth),
        DeValue::Array(items) => {
            budget.spend(line, depth)?;
            let items = items.iter().map(|item| node(item, budget, depth + 1)).collect::<Result<_, _>>()?;
            return Ok(Node { line, value: Value::List(items) });
        }
        DeValue::String(text) => text.to_string(),
        DeValue::Integer(number) => number.to_string(),
        DeValue::Float(number) => number.to_string(),
        DeValue::Boolean(truth) => truth.to_string(),
        DeValue::Datetime(time) => time.to_string(),
    };
    budget.spend(line, depth)?;
    Ok(Node { line, value: Value::Text(text) })
}
