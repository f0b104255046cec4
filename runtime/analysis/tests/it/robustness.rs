//! No bytes and no text make the analysis panic, overflow the stack or take long.

use std::time::{Duration, Instant};

use airlock_analysis::{Bounds, Dialect, SqlRefusal, classify, fingerprint, inspect};
use airlock_model::StatementClass;

use crate::fixture::{Chance, World, importing};

fn busy_component() -> Vec<u8> {
    importing(r#"(import "resources:orders-db/sql@1.0.0" (instance (export "query" (func (param "a" string)))))"#)
}

#[test]
fn a_component_cut_at_any_byte_is_refused() {
    let bytes = busy_component();
    let whole = inspect(&bytes, &Bounds::BUILT_IN).expect("accepted");
    let mut accepted = Vec::new();
    for length in 0..bytes.len() {
        match inspect(&bytes[..length], &Bounds::BUILT_IN) {
            Ok(report) => accepted.push(report),
            Err(findings) => assert!(!findings.is_empty(), "cut at {length}"),
        }
    }
    // The last section holds names for debuggers; without it the component is still whole.
    assert!(accepted.len() <= 1, "{accepted:?}");
    for report in accepted {
        assert_eq!((report.imports, report.handler), (whole.imports.clone(), whole.handler.clone()));
        assert_eq!((report.sizes.functions, report.sizes.exports), (whole.sizes.functions, whole.sizes.exports));
    }
}

#[test]
fn random_changes_of_bytes_end_in_a_report_or_a_finding() {
    let seeds = [busy_component(), World { colour: "async", ..World::default() }.component()];
    let mut chance = Chance(0x5eed_0001);
    let (mut accepted, mut refused) = (0_u32, 0_u32);
    for round in 0..20_000 {
        let mut bytes = seeds[round % seeds.len()].clone();
        for _ in 0..=chance.below(6) {
            let at = chance.below(bytes.len());
            match chance.below(4) {
                0 => bytes[at] ^= 1 << chance.below(8),
                1 => bytes[at] = u8::try_from(chance.below(256)).expect("a byte"),
                2 => bytes.insert(at, u8::try_from(chance.below(256)).expect("a byte")),
                _ => drop(bytes.remove(at)),
            }
        }
        match inspect(&bytes, &Bounds::BUILT_IN) {
            Ok(_) => accepted += 1,
            Err(findings) => {
                assert!(!findings.is_empty());
                refused += 1;
            }
        }
    }
    println!("mutated components: {accepted} accepted, {refused} refused");
    assert!(accepted > 0 && refused > 10_000, "the mutations reach both sides");
}

const SOUP: &[&str] = &[
    "select",
    "from",
    "where",
    "with",
    "recursive",
    "as",
    "insert",
    "into",
    "values",
    "update",
    "set",
    "delete",
    "drop",
    "table",
    "create",
    "index",
    "view",
    "explain",
    "analyze",
    "begin",
    "end",
    "case",
    "when",
    "then",
    "else",
    "union",
    "all",
    "except",
    "join",
    "left",
    "lateral",
    "on",
    "using",
    "order",
    "by",
    "group",
    "having",
    "limit",
    "offset",
    "for",
    "update",
    "share",
    "not",
    "null",
    "is",
    "in",
    "between",
    "like",
    "escape",
    "exists",
    "cast",
    "interval",
    "array",
    "over",
    "partition",
    "rows",
    "filter",
    "within",
    "pragma",
    "attach",
    "vacuum",
    "copy",
    "grant",
    "merge",
    "replace",
    "t",
    "a",
    "b.c",
    "\"q\"",
    "`q`",
    "[q]",
    "'s'",
    "'",
    "\"",
    "E'\\'",
    "U&'\\",
    "$$x$$",
    "$1",
    "?",
    ":v",
    "@v",
    "x'00'",
    "1",
    "1.5e3",
    ".",
    "..",
    "0x",
    "(",
    ")",
    "((",
    "))",
    "[",
    "]",
    "{",
    "}",
    ",",
    ";",
    "*",
    "+",
    "-",
    "--",
    "/*",
    "*/",
    "/",
    "%",
    "=",
    "<>",
    "<",
    ">=",
    "||",
    "|",
    "&",
    "^",
    "~",
    "!",
    "!!",
    "@",
    "@>",
    "#",
    "->",
    "->>",
    "::",
    ":=",
    "=>",
    "\n",
    "\r",
    "\t",
    "\u{a0}",
    "\u{feff}",
    "\u{1f600}",
    "é",
    "\\",
    "/*!",
    "#c\n",
    "count(*)",
    "f(x)",
    "nextval('s')",
];

#[test]
fn random_soups_of_tokens_end_in_a_class_or_a_refusal() {
    let mut chance = Chance(0x5eed_0002);
    let mut parsed = 0_u32;
    for round in 0..50_000 {
        let mut text = String::new();
        if chance.below(3) > 0 {
            text.push_str(chance.pick(&[
                "select ",
                "select a from t where ",
                "with a as (",
                "insert into t ",
                "explain ",
            ]));
        }
        for _ in 0..=chance.below(24) {
            text.push_str(chance.pick(SOUP));
            text.push_str(chance.pick(&[" ", " ", " ", ""]));
        }
        let dialect = Dialect::ALL[round % 3];
        parsed += u32::from(classify(dialect, &text).is_ok());
        drop(fingerprint(dialect, &text));
    }
    println!("token soups: {parsed} of 50000 parsed");
    assert!(parsed > 500, "the soups reach the tree, not only the tokenizer");
}

/// Texts that nest or chain without end, each `size` long or deep.
fn monsters(size: usize) -> Vec<(&'static str, String)> {
    let nest = |open: &str, middle: &str, close: &str| format!("{}{middle}{}", open.repeat(size), close.repeat(size));
    vec![
        ("parentheses", format!("select {}", nest("(", "1", ")"))),
        ("open parentheses", format!("select {}", "(".repeat(size))),
        ("closed parentheses", format!("select {}", ")".repeat(size))),
        ("brackets", format!("select a{}", nest("[", "1", "]"))),
        ("subqueries", format!("select {}", nest("(select ", "1", ")"))),
        ("derived tables", format!("select * from {}", nest("(", "t", ")"))),
        ("derived selects", format!("select * from {} x", nest("(select * from ", "t", ") x"))),
        ("xml", format!("select {}", nest("xmlelement(name a, ", "1", ")"))),
        ("open xml", format!("select {}", "xmlexists(a passing ".repeat(size))),
        ("variadic", format!("select f({}1)", "variadic ".repeat(size))),
        ("record comparisons", format!("select a{}", " *= a".repeat(size))),
        ("tables", format!("table t{}", " union table t".repeat(size))),
        ("operators", format!("select 1 {} 1", "@".repeat(size))),
        ("dollars", format!("select {}", "$a".repeat(size))),
        ("calls", format!("select {}", nest("abs(", "1", ")"))),
        ("case", format!("select {}", nest("case when ", "1", " then 1 end"))),
        ("not", format!("select {} 1", "not ".repeat(size))),
        ("minus", format!("select {}1", "- ".repeat(size))),
        ("sum", format!("select 1{}", "+1".repeat(size))),
        ("or", format!("select 1 from t where a{}", " or a".repeat(size))),
        ("is null", format!("select a{}", " is null".repeat(size))),
        ("casts", format!("select a{}", "::int".repeat(size))),
        ("array types", format!("select a::int{}", "[]".repeat(size))),
        ("collate", format!("select a{}", " collate b".repeat(size))),
        ("match", format!("select a{}", " match b".repeat(size))),
        ("subscripts", format!("select a{}", "[1]".repeat(size))),
        ("dots", format!("select a{}", ".b".repeat(size))),
        ("union", format!("select 1, 2{}", " union select 1, 2".repeat(size))),
        ("union right", format!("select 1{} ", " union (select 1".repeat(size))),
        ("joins", format!("select * from t{}", " join t".repeat(size))),
        ("explain", format!("{} select 1", "explain ".repeat(size))),
        ("with", format!("{} select 1", "with a as (".repeat(size))),
        ("comments", format!("{} select 1", "/*".repeat(size))),
        ("closed comments", format!("{} select 1", "/**/".repeat(size))),
        ("statements", "select 1;".repeat(size)),
        ("chains in chains", format!("select {}", nest("(1", "", "+1+1+1+1)"))),
        ("lists", format!("select * from t where a in ({}1)", "1,".repeat(size))),
    ]
}

/// On a stack as small as a worker's, in a build without optimisation.
#[test]
fn texts_that_nest_a_hundred_thousand_deep_neither_overflow_nor_stall() {
    let run = || {
        for size in [20, 45, 60, 400, 1_200, 2_900, 100_000] {
            for (name, text) in monsters(size) {
                for dialect in Dialect::ALL {
                    let start = Instant::now();
                    let verdict = classify(dialect, &text);
                    let took = start.elapsed();
                    assert!(took < Duration::from_secs(5), "{name} at {size} took {took:?} as {dialect}: {verdict:?}");
                }
            }
        }
    };
    std::thread::Builder::new().stack_size(2 << 20).spawn(run).expect("a thread").join().expect("no panic");
}

#[test]
fn a_megabyte_of_text_is_refused_and_a_quarter_is_read() {
    let long = format!("select '{}'", "x".repeat(1 << 20));
    assert_eq!(
        classify(Dialect::Sqlite, &long),
        Err(SqlRefusal::TooLong { configured: 256 * 1024, found: long.len() })
    );
    let fits = format!("select '{}'", "x".repeat(255 * 1024));
    assert_eq!(classify(Dialect::Sqlite, &fits).map(|report| report.class), Ok(StatementClass::Read));
}

#[test]
fn chains_of_a_useful_length_are_read() {
    let ors = format!("select * from t where a = 1{}", " or a = 1".repeat(700));
    let rows = format!("insert into t values (1, 2){}", ", (1, 2)".repeat(5_000));
    let unions = format!("select 1{}", " union all select 1".repeat(500));
    for dialect in Dialect::ALL {
        assert_eq!(classify(dialect, &ors).map(|report| report.class), Ok(StatementClass::Read));
        assert_eq!(classify(dialect, &rows).map(|report| report.class), Ok(StatementClass::Write));
        assert_eq!(classify(dialect, &unions).map(|report| report.class), Ok(StatementClass::Read));
    }
}
