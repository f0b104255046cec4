//! The labelled sources in `tests/corpora/source`: every marked line is found, nothing else is, and every fix works.
//!
//! A case begins with `// case: NAME` (`#` in Python). A line that must be found ends with `//!`, `//~` (Rust) or `#!` and, where it matters, a
//! rule. A case without a mark is safe.

#![allow(clippy::expect_used, clippy::indexing_slicing, reason = "tests: what is missing must stop them")]

use std::{collections::BTreeSet, path::PathBuf};

use airlock_analysis::source::{Language, Project, Report, check_project};

struct Case {
    name: String,
    text: String,
    /// Lines from 1, with the rule where one is given.
    marks: Vec<(u32, Option<String>)>,
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../tests/corpora/source")
}

fn cases(folder: &str) -> Vec<(String, Case)> {
    let mut files: Vec<_> = std::fs::read_dir(root().join(folder))
        .expect("a folder")
        .map(|entry| entry.expect("an entry").path())
        .collect();
    files.sort();
    files
        .iter()
        .flat_map(|path| {
            let name = path.file_name().expect("a name").to_string_lossy().into_owned();
            of_file(&std::fs::read_to_string(path).expect("a text")).into_iter().map(move |case| (name.clone(), case))
        })
        .collect()
}

fn of_file(text: &str) -> Vec<Case> {
    let mut cases: Vec<Case> = Vec::new();
    for line in text.lines() {
        if let Some(name) = line.strip_prefix("// case: ").or(line.strip_prefix("# case: ")) {
            cases.push(Case { name: name.to_owned(), text: String::new(), marks: Vec::new() });
            continue;
        }
        let Some(case) = cases.last_mut() else { continue };
        let number = u32::try_from(case.text.lines().count() + 1).expect("a line number");
        let mark = line.rsplit_once("//!").or(line.rsplit_once("//~")).or(line.rsplit_once("#!"));
        if let Some((_, rule)) = mark {
            let rule = rule.trim();
            case.marks.push((number, (!rule.is_empty()).then(|| rule.to_owned())));
        }
        case.text.push_str(line);
        case.text.push('\n');
    }
    cases
}

fn check(file: &str, text: &str) -> Report {
    check_project(&Project::loose(file, text, Language::of_file(file).expect("a language"), None))
}

/// What is wrong with the judgement of a case.
fn faults(file: &str, case: &Case) -> Vec<String> {
    let report = check(file, &case.text);
    let found: BTreeSet<u32> = report.findings.iter().map(|finding| finding.line).collect();
    let marked: BTreeSet<u32> = case.marks.iter().map(|(line, _)| *line).collect();
    let mut faults = Vec::new();
    for (line, rule) in &case.marks {
        let at = |wanted: &str| report.findings.iter().any(|finding| finding.line == *line && finding.rule == wanted);
        match rule {
            _ if !found.contains(line) => faults.push(format!("{file} {}: line {line} is missed", case.name)),
            Some(rule) if !at(rule) => {
                let rules: Vec<_> = report.findings.iter().map(|finding| finding.rule.as_str()).collect();
                faults.push(format!("{file} {}: line {line} is not {rule} but {rules:?}", case.name));
            }
            _ => {}
        }
    }
    for finding in report.findings.iter().filter(|finding| !marked.contains(&finding.line)) {
        faults.push(format!(
            "{file} {}: line {} is flagged: {} {}",
            case.name, finding.line, finding.rule, finding.message
        ));
    }
    for finding in report.findings.iter().filter(|finding| !finding.edits.edits.is_empty()) {
        let fixed = finding.edits.apply(&case.text);
        let again = check(file, &fixed);
        let same = again
            .findings
            .iter()
            .find(|after| after.rule == finding.rule || after.rule == "syntax_error" || after.line == finding.line);
        if let Some(after) = same
            && again.findings.len() >= report.findings.len()
        {
            faults.push(format!("{file} {}: the fix leaves {} {}\n{fixed}", case.name, after.rule, after.message));
        }
    }
    faults
}

fn judge(folder: &str, at_least: usize) {
    let cases = cases(folder);
    let unsafe_cases = cases.iter().filter(|(_, case)| !case.marks.is_empty()).count();
    let fixed: usize = cases
        .iter()
        .map(|(file, case)| check(file, &case.text).findings.iter().filter(|f| !f.edits.edits.is_empty()).count())
        .sum();
    let faults: Vec<String> = cases.iter().flat_map(|(file, case)| faults(file, case)).collect();
    println!(
        "{folder}: {} cases, {unsafe_cases} unsafe, {} safe, {fixed} fixes, {} faults",
        cases.len(),
        cases.len() - unsafe_cases,
        faults.len()
    );
    assert!(cases.len() >= at_least, "{folder} has {} cases", cases.len());
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn typescript_is_judged_as_labelled() {
    judge("ts", 200);
}

#[test]
fn python_is_judged_as_labelled() {
    judge("py", 200);
}

#[test]
fn rust_is_judged_as_labelled() {
    judge("rs", 200);
}
