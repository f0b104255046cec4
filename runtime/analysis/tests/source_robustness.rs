//! Odd and hostile sources: no panic, no endless run, and an answer that refuses what was not judged.

#![allow(clippy::expect_used, clippy::indexing_slicing, reason = "tests: what is missing must stop them")]

use std::{
    path::PathBuf,
    time::{Duration, Instant},
};

use airlock_analysis::source::{Language, Project, SourceFile, check_project};

const MUTATIONS: usize = 20_000;
/// Of one small file. Far more than it takes, because the machine may be busy.
const SLOWEST: Duration = Duration::from_secs(30);

fn corpus(folder: &str) -> Vec<(String, String)> {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../tests/corpora/source").join(folder);
    let mut found = Vec::new();
    for entry in std::fs::read_dir(root).expect("a folder") {
        let path = entry.expect("an entry").path();
        let name = path.file_name().expect("a name").to_string_lossy().into_owned();
        let text = std::fs::read_to_string(&path).expect("a text");
        found.extend(
            text.split("case: ")
                .skip(1)
                .map(|case| (name.clone(), case.split_once('\n').map_or("", |(_, body)| body).to_owned())),
        );
    }
    found.sort();
    found
}

/// A generator of its own, so that a failure can be had again (xorshift).
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % u64::try_from(limit.max(1)).expect("fits")).expect("fits")
    }
}

fn mutate(text: &str, other: &str, random: &mut Random) -> String {
    const PIECES: &[&str] = &[
        "${",
        "}",
        "`",
        "'",
        "\"",
        "(",
        ")",
        "[",
        "]",
        "{",
        "\u{0}",
        "\u{fffd}",
        "é",
        "...",
        "=>",
        "f\"{",
        "%s",
        "%(",
        "format!(\"{}\")",
        "\\",
        "/*",
        "*/",
        "#",
        "//",
        "\n",
        " += ",
        " = ",
        "await ",
        "class ",
        "lambda ",
        "match ",
        "r#\"",
        ":=",
        "?.",
        "!",
        "@",
        "\u{feff}",
        "\r",
        "\t",
        "<",
        ">",
        "..",
        "::",
        "0x",
        "1e999",
    ];
    let mut bytes: Vec<char> = text.chars().collect();
    for _ in 0..=random.below(4) {
        let at = random.below(bytes.len() + 1);
        match random.below(5) {
            0 => drop(bytes.splice(at..at, PIECES[random.below(PIECES.len())].chars()).count()),
            1 => bytes.truncate(at),
            2 => drop(bytes.drain(at..(at + random.below(12)).min(bytes.len())).count()),
            3 => {
                let from = random.below(other.chars().count() + 1);
                let piece: Vec<char> = other.chars().skip(from).take(random.below(60)).collect();
                bytes.splice(at..at, piece);
            }
            _ => {
                let copied: Vec<char> =
                    bytes.iter().skip(random.below(bytes.len() + 1)).take(random.below(40)).copied().collect();
                bytes.splice(at..at, copied);
            }
        }
    }
    bytes.into_iter().collect()
}

fn fuzz(folder: &str) {
    let corpus = corpus(folder);
    let mut random = Random(0x9E37_79B9_7F4A_7C15);
    let mut slowest = Duration::ZERO;
    for _ in 0..MUTATIONS / 3 {
        let (name, text) = &corpus[random.below(corpus.len())];
        let other = &corpus[random.below(corpus.len())].1;
        let text = mutate(text, other, &mut random);
        let began = Instant::now();
        let report = check_project(&Project::loose(name, &text, Language::of_file(name).expect("a language"), None));
        slowest = slowest.max(began.elapsed());
        for finding in &report.findings {
            assert_ne!(finding.rule, "analysis_limit", "not judged:\n{text}");
            let fixed = finding.edits.apply(&text);
            assert!(fixed.len() < text.len() + 4_096, "a fix that grows:\n{text}");
        }
    }
    println!("{folder}: {} mutations, the slowest took {slowest:?}", MUTATIONS / 3);
    assert!(slowest < SLOWEST, "{slowest:?}");
}

#[test]
fn mutated_typescript_is_judged() {
    fuzz("ts");
}

#[test]
fn mutated_python_is_judged() {
    fuzz("py");
}

#[test]
fn mutated_rust_is_judged() {
    fuzz("rs");
}

fn rules(name: &str, text: &str) -> Vec<String> {
    let report = check_project(&Project::loose(name, text, Language::of_file(name).expect("a language"), None));
    report.findings.into_iter().map(|finding| finding.rule).collect()
}

#[test]
fn deep_nesting_is_refused_and_not_followed() {
    for name in ["a.ts", "a.py", "a.rs"] {
        for (open, close) in [
            ("(", ")"),
            ("[", "]"),
            ("{", "}"),
            ("-", ""),
            ("!", ""),
            ("`${", "}`"),
            ("f(", ")"),
            ("x=>", ""),
            ("a?", ":b"),
            ("not ", ""),
            ("&", ""),
            ("a.", ""),
            ("a+", ""),
            ("if x {} else ", ""),
        ] {
            for depth in [100, 5_000, 60_000] {
                let text = format!("{}x{}", open.repeat(depth), close.repeat(depth));
                let began = Instant::now();
                let _ = rules(name, &text);
                assert!(began.elapsed() < SLOWEST, "{name} {open} {depth}");
            }
        }
    }
}

#[test]
fn a_syntax_error_is_a_finding() {
    for (name, text) in [("a.ts", "const = ;"), ("a.py", "def f(:\n"), ("a.rs", "fn f( {")] {
        assert_eq!(rules(name, text), ["syntax_error"], "{name}");
    }
}

#[test]
fn a_long_file_is_refused() {
    let text = "const a = 1;\n".repeat(100_000);
    assert_eq!(rules("a.ts", &text), ["analysis_limit"]);
}

#[test]
fn calls_that_multiply_end() {
    let mut text = String::from("export const f0 = (db, x) => db.query(x);\n");
    for n in 1..60 {
        text.push_str(&format!(
            "export const f{n} = (db, x) => {{ f{}(db, x + 'a'); f{}(db, x + 'b'); f{}(db, x); }};\n",
            n - 1,
            n - 1,
            n - 1
        ));
    }
    let began = Instant::now();
    assert!(!rules("a.ts", &text).is_empty());
    assert!(began.elapsed() < SLOWEST);
}

fn file(path: &str, text: &str) -> SourceFile {
    SourceFile { path: path.to_owned(), text: text.to_owned(), language: Language::of_file(path) }
}

/// Lines of findings per file.
fn project(entry: &str, files: &[(&str, &str)]) -> Vec<(String, u32, String)> {
    let files = files.iter().map(|(path, text)| file(path, text)).collect();
    let report = check_project(&Project { files, entry: Some(entry.to_owned()), dialect: None, is_function: true });
    report.findings.into_iter().map(|finding| (finding.file, finding.line, finding.rule)).collect()
}

#[test]
fn texts_are_followed_across_typescript_modules() {
    let main = "import { run } from './db.ts';\nimport * as q from './queries';\nexport default async (input) => { await run(q.FIND, [input.id]); await run(q.byId(input.id), []); };\n";
    let db = "import { ordersDb } from '@airlock/resources';\nexport const run = (text, parameters) => ordersDb.query(text, parameters);\n";
    let queries = "export * from './more.js';\nexport const FIND = 'select * from t where id = $1';\n";
    let more = "export const byId = (id) => `select * from t where id = ${id}`;\n";
    let found = project(
        "src/main.ts",
        &[("src/main.ts", main), ("src/db.ts", db), ("src/queries.ts", queries), ("src/more.ts", more)],
    );
    assert_eq!(found, [("src/more.ts".to_owned(), 1, "sql_template".to_owned())]);
}

#[test]
fn texts_are_followed_across_python_modules() {
    let main = "from .queries import FIND, by_id\nfrom . import db\ndef handle(input):\n    db.run(FIND, (1,))\n    db.run(by_id(input['id']))\n";
    let queries =
        "FIND = 'select * from t where id = ?'\ndef by_id(i):\n    return f'select * from t where id = {i}'\n";
    let db = "def run(text, args=()):\n    connection.execute(text, args)\n";
    let found = project("src/app.py", &[("src/app.py", main), ("src/queries.py", queries), ("src/db.py", db)]);
    assert_eq!(found, [("src/queries.py".to_owned(), 3, "sql_template".to_owned())]);
}

#[test]
fn texts_are_followed_across_rust_modules() {
    let main = "mod queries;\nuse crate::queries::by_id;\npub fn handle(input: Input) { resources::db::query(queries::FIND, (1,)); resources::db::query(&by_id(&input.id), ()); resources::db::query(include_str!(\"all.sql\"), ()); }\n";
    let queries = "pub const FIND: &str = \"select * from t where id = $1\";\npub fn by_id(id: &str) -> String { format!(\"select * from t where id = {id}\") }\n";
    let found = project(
        "src/lib.rs",
        &[("src/lib.rs", main), ("src/queries.rs", queries), ("src/all.sql", "select * from t; drop table t")],
    );
    assert_eq!(
        found,
        [
            ("src/lib.rs".to_owned(), 3, "sql_multiple".to_owned()),
            ("src/queries.rs".to_owned(), 2, "sql_template".to_owned())
        ]
    );
}

/// A file of a thousand lines takes tens of milliseconds in a release build; the bound is for a busy machine without one.
#[test]
fn a_thousand_lines_are_judged_quickly() {
    for folder in ["ts", "py", "rs"] {
        let mut text = String::new();
        let mut name = String::new();
        let lines = |text: &str| text.lines().count();
        for (index, (file, case)) in
            corpus(folder).iter().filter(|(file, _)| file.starts_with("drivers")).cycle().enumerate()
        {
            let body: String = case
                .lines()
                .filter(|line| !line.starts_with("use ") && !line.starts_with("import "))
                .map(|line| format!("    {line}\n"))
                .collect();
            text.push_str(&match folder {
                "ts" => format!("export async function f{index}(db, pool, client, id, name) {{\n{body}}}\n"),
                "py" => format!("async def f{index}(conn, cur, id, name):\n    pass\n{body}"),
                _ => format!("pub async fn f{index}() -> Result<(), Error> {{\n{body}    Ok(())\n}}\n"),
            });
            name = format!("a.{}", file.rsplit('.').next().expect("an ending"));
            if lines(&text) > 1_000 {
                break;
            }
        }
        let project = Project::loose(&name, &text, Language::of_file(&name).expect("a language"), None);
        let best = (0..5)
            .map(|_| {
                let began = Instant::now();
                let report = check_project(&project);
                assert!(
                    report.findings.len() > 20 && report.findings.iter().all(|finding| finding.rule != "syntax_error"),
                    "{:?}",
                    report.findings.first()
                );
                began.elapsed()
            })
            .min()
            .expect("five runs");
        println!("{folder}: {} lines in {best:?}", lines(&text));
        assert!(best < Duration::from_secs(5), "{best:?}");
    }
}
