//! PostgreSQL's own regression statements, labelled by PostgreSQL's own parser: an oracle outside our code.

use std::{collections::BTreeMap, path::Path};

use airlock_analysis::{Dialect, classify};
use airlock_model::StatementClass;
use serde::Deserialize;

#[derive(Deserialize)]
struct Labelled {
    class: String,
    sub: String,
    sql: String,
}

/// Measured where it lies; the corpus is never copied into the project.
const CORPUS: &str = "../shared/corpora/sql/postgresql_regress_labelled.jsonl";

fn corpus() -> Option<Vec<Labelled>> {
    let checkout = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2)?;
    let text = std::fs::read_to_string(checkout.join(CORPUS)).ok()?;
    Some(text.lines().map(|line| serde_json::from_str(line).expect("a labelled statement")).collect())
}

#[test]
fn no_statement_that_postgresql_calls_a_change_is_a_read() {
    let Some(corpus) = corpus() else {
        println!("skipped: {CORPUS} is not beside this checkout");
        return;
    };
    let mut matrix: BTreeMap<(String, &str), usize> = BTreeMap::new();
    let mut wrong = Vec::new();
    let (mut plain, mut accepted) = (0_u32, 0_u32);
    for Labelled { class, sub, sql } in &corpus {
        let ours = classify(Dialect::Postgres, sql).map(|report| report.class);
        let is_read = ours == Ok(StatementClass::Read);
        if class != "read" && is_read {
            wrong.push(format!("{class}/{sub}: {sql}"));
        }
        if class == "read" && sub == "select" {
            plain += 1;
            accepted += u32::from(is_read);
        }
        *matrix.entry((format!("{class}/{sub}"), ours.map_or("refused", StatementClass::as_str))).or_default() += 1;
    }
    for ((label, ours), count) in &matrix {
        println!("{label:40} -> {ours:10} {count:6}");
    }
    let share = 100.0 * f64::from(accepted) / f64::from(plain);
    println!("plain reads accepted: {accepted} of {plain} = {share:.1} %");
    assert_eq!(wrong, Vec::<String>::new(), "{} changes are called reads", wrong.len());
    assert!(plain > 2_000 && share >= 80.0, "only {share:.1} % of {plain} plain reads are accepted");
}
