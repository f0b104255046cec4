//! `airlock audit export`: beside a server and without one.

use std::{
    io::{BufRead as _, BufReader, Read as _},
    process::{Command, Stdio},
};

use airlock_tests::{Harness, command::airlock_command, command::outcome, process::wait};
use serde_json::Value;

use super::{calls, head, lines_of, start};

fn export(harness: &Harness, more: &[&str]) -> Command {
    let mut command = airlock_command(&["audit", "export", "--state"]);
    command.arg(harness.dir().join("state")).args(more);
    command
}

fn exported(harness: &Harness, more: &[&str]) -> String {
    let (code, out, said) = outcome(export(harness, more));
    assert_eq!(code, Some(0), "{more:?}: {said}");
    out
}

#[tokio::test]
async fn the_trail_is_printed_from_where_one_says_in_the_words_that_one_asks_for() {
    let harness = start(String::new()).await;
    calls(&harness, 10).await;
    let trail = harness.trail().await;
    let all: Vec<(u64, String)> = trail.iter().map(|record| (record.seq, record.hash.to_string())).collect();
    assert_eq!(lines_of(&exported(&harness, &[])), all);
    assert_eq!(lines_of(&exported(&harness, &["--after", "4", "--since", "1h"])), all[4..]);
    assert_eq!(exported(&harness, &["--until", "1h"]), "");
    assert_eq!(exported(&harness, &["--tenant", "globex"]), "");
    let finished = exported(&harness, &["--kind", "invocation_finished", "--environment", "dev"]);
    assert_eq!(finished.lines().count(), 10);
    let ocsf = exported(&harness, &["--format", "ocsf", "--kind", "server_started"]);
    let started: Value = serde_json::from_str(ocsf.lines().next().expect("one")).expect("JSON");
    assert_eq!((&started["metadata"]["sequence"], &started["metadata"]["version"]), (&1.into(), &"1.8.0".into()));
    let datadog = exported(&harness, &["--format", "datadog", "--after", "3"]);
    assert!(datadog.lines().all(|line| line.contains("\"ddsource\":\"airlock\"")), "{datadog}");
    for wrong in [["--since", "yesterday"], ["--kind", "everything"], ["--tenant", "A B"]] {
        let (code, out, said) = outcome(export(&harness, &wrong));
        assert!(code.is_some_and(|code| code != 0) && out.is_empty(), "{said}");
        assert!(said.contains(wrong[1]), "{said}");
    }
}

#[tokio::test]
async fn a_file_is_new_and_a_reader_that_goes_away_is_no_error() {
    let harness = start(String::new()).await;
    calls(&harness, 5).await;
    let path = harness.dir().join("exported/all.jsonl");
    let arguments = ["--output", path.to_str().expect("UTF-8")];
    let (code, out, said) = outcome(export(&harness, &arguments));
    assert_eq!((code, out.as_str()), (Some(0), ""), "{said}");
    assert_eq!(lines_of(&std::fs::read_to_string(&path).expect("read")).len() as u64, head(&harness).await);
    let (code, _, said) = outcome(export(&harness, &arguments));
    assert_eq!(code, Some(1), "it is there already");
    assert!(said.contains("not there yet"), "{said}");

    let mut follower =
        export(&harness, &["--follow"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it runs");
    let mut lines = BufReader::new(follower.stdout.take().expect("piped")).lines();
    let before = head(&harness).await;
    let first = (1..=before).map(|_| lines.next().expect("a line").expect("read")).collect::<Vec<_>>().join("\n");
    assert_eq!(lines_of(&first).len() as u64, before);
    calls(&harness, 1).await;
    let next = lines.next().expect("a line").expect("read");
    assert_eq!(lines_of(&next).first().map(|(seq, _)| *seq), Some(before + 1), "what comes later comes too");
    drop(lines);
    calls(&harness, 1).await;
    assert!(wait(&mut follower).success(), "nobody reads any more");
    let mut said = String::new();
    follower.stderr.take().expect("piped").read_to_string(&mut said).expect("read");
    assert_eq!(said, "");
}
