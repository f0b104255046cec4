//! `airlock check` as it is typed: exit codes and shapes that editors and pipelines rely on.

use std::{
    path::Path,
    process::{Command, Output},
};

use airlock_tests::airlock_binary;
use serde_json::Value;

const BOUND: &str = "pool.query(\"select * from orders where id = $1\", [id]);\n";
const CONCATENATED: &str = "pool.query(\"select * from orders where id = \" + id);\n";

fn check(dir: &Path, arguments: &[&str]) -> Output {
    Command::new(airlock_binary()).arg("check").args(arguments).current_dir(dir).output().expect("it runs")
}

#[test]
fn a_loose_file_is_judged_by_its_texts() {
    let dir = tempfile::tempdir().expect("a directory");
    std::fs::write(dir.path().join("bound.ts"), BOUND).expect("written");
    std::fs::write(dir.path().join("built.ts"), CONCATENATED).expect("written");
    let clean = check(dir.path(), &["--source", "bound.ts", "--language", "ts", "--json"]);
    let report: Value = serde_json::from_slice(&clean.stdout).expect("one document");
    assert_eq!(clean.status.code(), Some(0), "{report}");
    assert_eq!(
        (report["findings"].as_array().map(Vec::len), &report["statements"][0]["class"]),
        (Some(0), &"read".into())
    );

    let found = check(dir.path(), &["--source", "built.ts", "--json"]);
    let report: Value = serde_json::from_slice(&found.stdout).expect("one document");
    let finding = &report["findings"][0];
    assert_eq!(found.status.code(), Some(2), "{report}");
    assert_eq!(
        (&finding["rule"], &finding["line"], &finding["file"]),
        (&"sql_concat".into(), &1.into(), &"built.ts".into())
    );
    assert!(
        finding["fix"]
            .as_str()
            .is_some_and(|fix| fix.contains("+pool.query(\"select * from orders where id = $1\", [id])"))
    );
    assert_eq!(check(dir.path(), &["--source", "nowhere.ts"]).status.code(), Some(1));
}

#[test]
fn a_project_whose_texts_are_not_constant_is_refused() {
    let dir = tempfile::tempdir().expect("a directory");
    let made = Command::new(airlock_binary()).args(["new", "probe"]).current_dir(dir.path()).status().expect("it runs");
    assert!(made.success());
    let project = dir.path().join("probe");
    assert_eq!(check(&project, &["."]).status.code(), Some(0), "a template has no findings");
    let main = project.join("src/main.ts");
    let manifest = project.join("function.toml");
    let append = |path: &Path, text: &str| {
        let before = std::fs::read_to_string(path).expect("readable");
        std::fs::write(path, before + text).expect("written");
    };
    append(&manifest, "\n[resources.orders-db]\nkind = \"sql\"\noperations = [\"read\"]\n");
    let text = "\nimport { ordersDb } from \"@airlock/resources\";\n\
                export const find = (id: string) => ordersDb.query(`select * from orders where id = '${id}'`);\n";
    append(&main, text);
    let refused = check(&project, &["."]);
    let said = String::from_utf8_lossy(&refused.stdout).into_owned() + &String::from_utf8_lossy(&refused.stderr);
    assert_eq!(refused.status.code(), Some(3), "{said}");
    assert!(said.contains("sql_template") && said.contains("src/main.ts"), "{said}");
    assert_eq!(said.matches("sql_template").count(), 1, "once, with its lines: {said}");
    let document = check(&project, &[".", "--json"]);
    let report: Value = serde_json::from_slice(&document.stdout).expect("one document");
    assert_eq!(report["findings"][0]["rule"], "sql_template", "{report}");
}
