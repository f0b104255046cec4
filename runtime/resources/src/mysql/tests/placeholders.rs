//! `$1` and `?`.

use super::super::{parameters::Bound, placeholders::bind};

fn bound(statement: &str, values: usize) -> Result<(String, Vec<usize>), String> {
    let numbered = (1..=values).map(|value| Bound::Unsigned(value as u64)).collect();
    let (text, values) = bind(statement, numbered).map_err(|why| why.to_string())?;
    let number = |value| match value {
        Bound::Unsigned(number) => usize::try_from(number).expect("small"),
        other => panic!("{other:?}"),
    };
    Ok((text.into_owned(), values.into_iter().map(number).collect()))
}

#[test]
fn numbers_become_question_marks_and_values_follow_them() {
    for (statement, text, order) in [
        ("select $1, $2", "select ?, ?", vec![1, 2]),
        ("select $2,$1,$2", "select ?,?,?", vec![2, 1, 2]),
        ("select a$1, t$2 from t where b=$1", "select a$1, t$2 from t where b=?", vec![1]),
        (
            "select '$1', \"$2\", `$3`, '\\'$4', 'it''s $5', $1",
            "select '$1', \"$2\", `$3`, '\\'$4', 'it''s $5', ?",
            vec![1],
        ),
        ("select /* $1 */ $1 # $2\n-- $3\n", "select /* $1 */ ? # $2\n-- $3\n", vec![1]),
        ("select 1--$1", "select 1--?", vec![1]),
        ("select ?, ?", "select ?, ?", vec![1, 2]),
        ("select '?', $1", "select '?', ?", vec![1]),
        ("select $1 'not closed", "select ? 'not closed", vec![1]),
        ("select $é, $, $x, $1", "select $é, $, $x, ?", vec![1]),
    ] {
        let values = order.iter().copied().max().unwrap_or(0);
        assert_eq!(bound(statement, values), Ok((text.to_owned(), order)), "{statement}");
    }
}

#[test]
fn numbers_without_a_value_and_values_without_a_number_are_refused() {
    for (statement, values) in [
        ("select $1", 0),
        ("select $1", 2),
        ("select $2", 1),
        ("select $0, $1", 1),
        ("select $1, ?", 2),
        ("select $99999999999999999999999999", 1),
    ] {
        let ended = bound(statement, values);
        assert!(ended.is_err() || ended == Ok((statement.to_owned(), vec![1])), "{statement}: {ended:?}");
    }
}

#[test]
fn one_large_value_is_not_named_into_many() {
    let large = || vec![Bound::Text("x".repeat(1 << 20))];
    assert!(bind("select $1, $1", large()).is_ok());
    let statement = format!("select {}", vec!["$1"; 20_000].join(","));
    assert!(bind(&statement, large()).is_err(), "20 GiB");
}
