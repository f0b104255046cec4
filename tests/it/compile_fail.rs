//! Permits cannot be forged: the cases in `compile_fail/` and the compiler's answers to them.
//!
//! `runtime/access/tests/compile_fail.rs` compiles them: `trybuild` builds every dependency of the package it runs in,
//! and here that would be the whole house once more. This test keeps the set complete and honest.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

fn files(extension: &str) -> BTreeSet<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("compile_fail");
    let entries = fs::read_dir(folder).expect("the folder of the cases").map(|entry| entry.expect("an entry").path());
    entries.filter(|path| path.extension().is_some_and(|found| found == extension)).collect()
}

#[test]
fn every_forgery_has_a_committed_answer_about_itself() {
    let (cases, answers) = (files("rs"), files("stderr"));
    assert!(cases.len() >= 10, "{} cases", cases.len());
    assert_eq!(cases.iter().map(|case| case.with_extension("stderr")).collect::<BTreeSet<_>>(), answers);
    for case in cases {
        let answer = fs::read_to_string(case.with_extension("stderr")).expect("an answer");
        let name = case.file_name().and_then(|name| name.to_str()).expect("a name");
        assert!(answer.starts_with("error[E") && answer.contains(name), "{name}: {answer}");
        assert!(!answer.contains("E0432") && !answer.contains("E0433"), "{name} fails for a missing import: {answer}");
    }
}
