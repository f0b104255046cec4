//! Expressions by effect: what only computes, what calls a function, and what is not known.

use airlock_model::StatementClass;
use sqlparser::ast::{AccessExpr, BinaryOperator, Expr};

use super::{
    functions::{self, Place, Rules},
    verdict::{Verdict, shown},
};

/// Raises the verdict for one expression; its parts are visited on their own.
pub(super) fn judge(rules: Rules<'_>, expr: &Expr, verdict: &mut Verdict) {
    match expr {
        Expr::Function(function) => rules.judge(&function.name, Place::Expression, verdict),
        Expr::BinaryOp { op, .. } => operator(op, verdict),
        Expr::AnyOp { compare_op, .. } | Expr::AllOp { compare_op, .. } => operator(compare_op, verdict),
        Expr::CompoundIdentifier(parts) => {
            if let Some(field) = parts.last() {
                rules.field(field, verdict);
            }
        }
        Expr::CompoundFieldAccess { access_chain, .. } => {
            for access in access_chain {
                if let AccessExpr::Dot(Expr::Identifier(field)) = access {
                    rules.field(field, verdict);
                }
            }
        }
        other if only_computes(other) => {}
        // Not printed: printing recurses without protection.
        _ => verdict.raise(StatementClass::Admin, "an expression of another database"),
    }
}

/// Raises the verdict unless a PostgreSQL operator is built in: others call whatever function their owner gave them.
pub(super) fn named_operator(name: &str, verdict: &mut Verdict) {
    // Another spelling of `<>`, and what stands between an argument and its name.
    if !matches!(name, "!=" | "=>") && !functions::is_builtin_operator(name) {
        verdict.runs_unknown(name);
        verdict.raise(StatementClass::Write, format!("operator `{}` is not known to be read-only", shown(name)));
    }
}

/// Operators of PostgreSQL are judged by name before; here it is what the name alone does not tell.
fn operator(operator: &BinaryOperator, verdict: &mut Verdict) {
    match operator {
        BinaryOperator::Assignment => verdict.raise(StatementClass::Session, "`:=` changes a variable of the session"),
        BinaryOperator::PGCustomBinaryOperator(path) => {
            let is_builtin = match path.as_slice() {
                [_] => true,
                [schema, _] => schema.eq_ignore_ascii_case("pg_catalog"),
                _ => false,
            };
            if !is_builtin {
                verdict.runs_unknown(&operator.to_string());
                let reason = format!("operator `{}` is not known to be read-only", shown(&operator.to_string()));
                verdict.raise(StatementClass::Write, reason);
            }
        }
        // Every other operator is one that the database itself defines, or was judged by its name.
        _ => {}
    }
}

/// Expressions without an effect of their own. What is not listed here is not accepted.
fn only_computes(expr: &Expr) -> bool {
    is_value(expr) || is_test(expr) || is_syntax(expr)
}

fn is_value(expr: &Expr) -> bool {
    matches!(
        expr,
        Expr::Identifier(_)
            | Expr::Value(_)
            | Expr::Prefixed { .. }
            | Expr::TypedString(_)
            | Expr::Nested(_)
            | Expr::Subquery(_)
            | Expr::Tuple(_)
            | Expr::Array(_)
            | Expr::Interval(_)
            | Expr::Named { .. }
            | Expr::Wildcard(_)
            | Expr::QualifiedWildcard(..)
            | Expr::GroupingSets(_)
            | Expr::Cube(_)
            | Expr::Rollup(_)
    )
}

fn is_test(expr: &Expr) -> bool {
    matches!(
        expr,
        Expr::IsFalse(_)
            | Expr::IsNotFalse(_)
            | Expr::IsTrue(_)
            | Expr::IsNotTrue(_)
            | Expr::IsNull(_)
            | Expr::IsNotNull(_)
            | Expr::IsUnknown(_)
            | Expr::IsNotUnknown(_)
            | Expr::IsDistinctFrom(..)
            | Expr::IsNotDistinctFrom(..)
            | Expr::IsJson { .. }
            | Expr::IsNormalized { .. }
            | Expr::InList { .. }
            | Expr::InSubquery { .. }
            | Expr::InUnnest { .. }
            | Expr::Between { .. }
            | Expr::Like { .. }
            | Expr::ILike { .. }
            | Expr::SimilarTo { .. }
            | Expr::RLike { .. }
            | Expr::Exists { .. }
            | Expr::MatchAgainst { .. }
            | Expr::MemberOf(_)
    )
}

fn is_syntax(expr: &Expr) -> bool {
    matches!(
        expr,
        Expr::UnaryOp { .. }
            | Expr::Convert { .. }
            | Expr::Cast { .. }
            | Expr::AtTimeZone { .. }
            | Expr::Extract { .. }
            | Expr::Ceil { .. }
            | Expr::Floor { .. }
            | Expr::Position { .. }
            | Expr::Substring { .. }
            | Expr::Trim { .. }
            | Expr::Overlay { .. }
            | Expr::Collate { .. }
            | Expr::Case { .. }
    )
}
