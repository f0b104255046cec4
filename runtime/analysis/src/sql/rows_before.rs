//! The rows that a statement would change, as a query.

use std::ops::ControlFlow;

use sqlparser::ast::{Expr, FromTable, Statement, Value, ValueWithSpan, Visit, VisitMut, Visitor, VisitorMut};

use super::{Dialect, parse};

/// The rows that an UPDATE or DELETE of one table would change, as a query, and which of the statement's parameters it takes,
/// from 0. `None` for every other statement: an INSERT has no rows yet, and of a join it is not plain which rows change. `None` as
/// well where some placeholders have a number or a name and some have none: SQLite counts the latter on from the highest before.
#[must_use]
pub fn rows_before(dialect: Dialect, text: &str, rows_max: u32) -> Option<(String, Vec<usize>)> {
    let statement = parse::one_statement(dialect, text).ok()?.statement;
    let (table, selection) = match &statement {
        Statement::Update(update) => {
            let is_plain = update.from.is_none() && update.order_by.is_empty() && update.limit.is_none();
            (is_plain && update.returning.is_none()).then_some((&update.table, &update.selection))?
        }
        Statement::Delete(delete) => {
            let is_plain = delete.using.is_none() && delete.order_by.is_empty() && delete.limit.is_none();
            let (FromTable::WithFromKeyword(from) | FromTable::WithoutKeyword(from)) = &delete.from;
            let [table] = from.as_slice() else { return None };
            (is_plain && delete.tables.is_empty() && delete.returning.is_none())
                .then_some((table, &delete.selection))?
        }
        _ => return None,
    };
    if !table.joins.is_empty() {
        return None;
    }
    let (condition, taken) = match selection {
        None => (String::new(), Vec::new()),
        Some(selection) => {
            let (condition, taken) = renumbered(dialect, &statement, selection.clone())?;
            (format!(" WHERE {condition}"), taken)
        }
    };
    Some((format!("SELECT * FROM {}{condition} LIMIT {rows_max}", table.relation), taken))
}

/// The condition with its placeholders counted from one, and the parameters they stand for.
fn renumbered(dialect: Dialect, whole: &Statement, mut condition: Expr) -> Option<(String, Vec<usize>)> {
    let (mut all, mut own) = (Count::default(), Count::default());
    let ControlFlow::Continue(()) = whole.visit(&mut all);
    let ControlFlow::Continue(()) = Visit::visit(&condition, &mut own);
    if all.plain > 0 && all.is_otherwise {
        return None;
    }
    // What has no number counts from the front, and the condition is the last part.
    let mut take = Take { dialect, next: all.plain.checked_sub(own.plain)?, taken: Vec::new() };
    match VisitMut::visit(&mut condition, &mut take) {
        ControlFlow::Continue(()) => Some((condition.to_string(), take.taken)),
        ControlFlow::Break(()) => None,
    }
}

#[derive(Default)]
struct Count {
    /// Placeholders without number and name.
    plain: usize,
    /// Whether there are others.
    is_otherwise: bool,
}

impl Visitor for Count {
    type Break = std::convert::Infallible;
    fn pre_visit_value(&mut self, value: &ValueWithSpan) -> ControlFlow<Self::Break> {
        if let Value::Placeholder(text) = &value.value {
            self.plain += usize::from(text == "?");
            self.is_otherwise |= text != "?";
        }
        ControlFlow::Continue(())
    }
}

struct Take {
    dialect: Dialect,
    next: usize,
    taken: Vec<usize>,
}

impl VisitorMut for Take {
    type Break = ();
    fn pre_visit_value(&mut self, value: &mut ValueWithSpan) -> ControlFlow<()> {
        let Value::Placeholder(text) = &mut value.value else { return ControlFlow::Continue(()) };
        let sign = if self.dialect == Dialect::Postgres { '$' } else { '?' };
        let index = if text == "?" {
            self.next += 1;
            self.next.checked_sub(1)
        } else {
            text.strip_prefix(sign).and_then(|number| number.parse::<usize>().ok()?.checked_sub(1))
        };
        let Some(index) = index else { return ControlFlow::Break(()) };
        self.taken.push(index);
        *text = if sign == '$' { format!("${}", self.taken.len()) } else { "?".to_owned() };
        ControlFlow::Continue(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rows_before_take_the_parameters_of_the_condition() {
        let rows = |dialect, text| rows_before(dialect, text, 5);
        let (text, taken) =
            rows(Dialect::Postgres, "update orders set total = $1 where id = $3 and note = $2").unwrap();
        assert_eq!((text.as_str(), taken), ("SELECT * FROM orders WHERE id = $1 AND note = $2 LIMIT 5", vec![2, 1]));
        let (text, taken) = rows(Dialect::Mysql, "update orders set total = ?, note = ? where id = ?").unwrap();
        assert_eq!((text.as_str(), taken), ("SELECT * FROM orders WHERE id = ? LIMIT 5", vec![2]));
        let (text, taken) = rows(Dialect::Sqlite, "delete from orders where id = ?2").unwrap();
        assert_eq!((text.as_str(), taken), ("SELECT * FROM orders WHERE id = ? LIMIT 5", vec![1]));
        assert_eq!(rows(Dialect::Postgres, "delete from orders").unwrap().0, "SELECT * FROM orders LIMIT 5");
        for text in ["insert into orders (id) values (1)", "update a set x = 1 from b where a.id = b.id", "select 1"] {
            assert_eq!(rows(Dialect::Postgres, text), None, "{text}");
        }
    }

    /// In SQLite the `?` behind `?3` is the fourth parameter.
    #[test]
    fn there_are_no_rows_before_where_placeholders_are_mixed() {
        for text in [
            "update orders set total = ?3 where id = ?",
            "update orders set total = ? where id = ?1",
            "update orders set total = :total where id = ?",
            "delete from orders where id = ?2 and note = ?",
        ] {
            assert_eq!(rows_before(Dialect::Sqlite, text, 5), None, "{text}");
        }
        for text in ["update orders set total = ?3 where id = ?1", "update orders set total = ? where id = ?"] {
            assert!(rows_before(Dialect::Sqlite, text, 5).is_some(), "the twin: {text}");
        }
    }
}
