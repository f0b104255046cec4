//! PostgreSQL's own regression statements, labelled by PostgreSQL's own parser: an oracle outside our code.
//!
//! `AIRLOCK_SQL_CORPUS=DIR cargo nextest run -p airlock-analysis postgres_corpus --no-capture`, where DIR holds
//! `postgresql_regress_labelled.jsonl` and `pg15_volatile_builtin_functions.tsv`; neither is part of the project.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
};

use airlock_analysis::{Dialect, SqlRefusal, classify};
use airlock_model::{StatementClass, StatementReport};
use serde::Deserialize;

#[derive(Deserialize)]
struct Labelled {
    class: String,
    sub: String,
    funcs: Vec<String>,
    sql: String,
}

#[expect(clippy::disallowed_methods, reason = "where the corpus lies is up to whoever runs the test")]
fn corpus() -> Option<PathBuf> {
    std::env::var("AIRLOCK_SQL_CORPUS").ok().map(PathBuf::from)
}

fn statements(dir: &Path) -> Vec<Labelled> {
    let text = std::fs::read_to_string(dir.join("postgresql_regress_labelled.jsonl")).expect("the statements");
    text.lines().map(|line| serde_json::from_str(line).expect("a labelled statement")).collect()
}

/// The effect of the functions that a statement calls, by the server's catalog alone.
struct Catalog {
    builtin: BTreeSet<String>,
    volatile: BTreeSet<String>,
}

impl Catalog {
    fn read(dir: &Path) -> Self {
        let volatile = std::fs::read_to_string(dir.join("pg15_volatile_builtin_functions.tsv")).expect("the functions");
        let volatile = volatile.lines().filter_map(|line| line.split_once('(')).map(|(name, _)| name.to_owned());
        let builtin = include_str!("../../src/sql/data/postgres_15_functions.tsv");
        let builtin = builtin.lines().filter_map(|line| line.split_once('\t')).map(|(name, _)| name.to_owned());
        Self { builtin: builtin.collect(), volatile: volatile.collect() }
    }

    fn is_plain(&self, statement: &Labelled) -> bool {
        let quiet = |name: &String| {
            let name = name.strip_prefix("pg_catalog.").unwrap_or(name);
            self.builtin.contains(name) && !self.volatile.contains(name)
        };
        statement.class == "read" && statement.funcs.iter().all(quiet)
    }

    fn is_effect(&self, statement: &Labelled) -> bool {
        let loud = |name: &String| self.volatile.contains(name.strip_prefix("pg_catalog.").unwrap_or(name));
        statement.class != "read" || statement.funcs.iter().any(loud)
    }
}

#[test]
fn no_statement_that_postgresql_calls_a_change_is_a_read() {
    let Some(dir) = corpus() else {
        println!("skipped: AIRLOCK_SQL_CORPUS does not say where the statements are");
        return;
    };
    let catalog = Catalog::read(&dir);
    let mut matrix: BTreeMap<(String, &str), usize> = BTreeMap::new();
    let (mut wrong, mut missed) = (Vec::new(), Vec::new());
    let (mut effects, mut plain) = (0_usize, 0_usize);
    for statement in statements(&dir) {
        let ours = classify(Dialect::Postgres, &statement.sql);
        let is_read = ours.as_ref().is_ok_and(|report| report.class == StatementClass::Read);
        let label = format!("{}/{}", statement.class, statement.sub);
        if catalog.is_effect(&statement) {
            effects += 1;
            if is_read {
                wrong.push(format!("{label}: {}", statement.sql));
            }
        }
        if catalog.is_plain(&statement) {
            plain += 1;
            if !is_read {
                missed.push(format!("{label}: {}: {}", why(&ours), statement.sql.replace('\n', " ")));
            }
        }
        *matrix.entry((label, ours.map_or("refused", |report| report.class.as_str()))).or_default() += 1;
    }
    for ((label, ours), count) in &matrix {
        println!("{label:40} -> {ours:10} {count:6}");
    }
    for miss in &missed {
        println!("missed {miss}");
    }
    let accepted = plain - missed.len();
    println!("statements with an effect called reads: {} of {effects}", wrong.len());
    println!("plain reads accepted: {accepted} of {plain} = {:.1} %", 100.0 * accepted as f64 / plain as f64);
    assert_eq!(wrong, Vec::<String>::new());
    assert!(plain > 5_000 && accepted * 100 >= plain * 95, "only {accepted} of {plain} plain reads are accepted");
}

fn why(verdict: &Result<StatementReport, SqlRefusal>) -> String {
    match verdict {
        Ok(report) => format!("{}: {}", report.class.as_str(), report.because.join("; ")),
        Err(refusal) => refusal.to_string(),
    }
}
