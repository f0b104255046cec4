//! Expressions by effect: what only computes, what calls a function, and what is not known.

use airlock_model::StatementClass;
use sqlparser::ast::{AccessExpr, BinaryOperator, Expr, Function};

use super::{
    Dialect,
    functions::{self, Place},
    verdict::{Verdict, shown},
};

/// Raises the verdict for one expression; its parts are visited on their own.
pub(super) fn judge(dialect: Dialect, expr: &Expr, verdict: &mut Verdict) {
    match expr {
        Expr::Function(function) => call(dialect, function, verdict),
        Expr::BinaryOp { op, .. } => operator(dialect, op, verdict),
        Expr::AnyOp { compare_op, .. } | Expr::AllOp { compare_op, .. } => operator(dialect, compare_op, verdict),
        Expr::CompoundFieldAccess { access_chain, .. } => {
            for access in access_chain {
                field(dialect, access, verdict);
            }
        }
        other if only_computes(other) => {}
        // Not printed: printing recurses without protection.
        _ => verdict.raise(StatementClass::Admin, "an expression of another database"),
    }
}

fn call(dialect: Dialect, function: &Function, verdict: &mut Verdict) {
    functions::judge(dialect, &function.name, Place::Expression, verdict);
}

fn operator(dialect: Dialect, operator: &BinaryOperator, verdict: &mut Verdict) {
    let known = match operator {
        BinaryOperator::Assignment => {
            return verdict.raise(StatementClass::Session, "`:=` changes a variable of the session");
        }
        BinaryOperator::Custom(name) => dialect == Dialect::Postgres && functions::is_builtin_operator(name),
        BinaryOperator::PGCustomBinaryOperator(path) => match path.as_slice() {
            [name] => functions::is_builtin_operator(name),
            [schema, name] => schema.eq_ignore_ascii_case("pg_catalog") && functions::is_builtin_operator(name),
            _ => false,
        },
        // Every other operator is one that the database itself defines.
        _ => true,
    };
    if !known {
        let reason = format!("operator `{}` is not known to be read-only", shown(&operator.to_string()));
        verdict.raise(StatementClass::Write, reason);
    }
}

fn field(dialect: Dialect, access: &AccessExpr, verdict: &mut Verdict) {
    let AccessExpr::Dot(Expr::Identifier(name)) = access else { return };
    if functions::is_volatile_attribute(dialect, name) {
        let reason = format!("`.{}` calls the function of that name", shown(&name.value));
        verdict.raise(StatementClass::Write, reason);
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
            | Expr::CompoundIdentifier(_)
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
