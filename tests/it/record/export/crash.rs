//! A server behind its wall that is killed again and again while it exports to a file that is rotated.

use std::{collections::BTreeMap, path::Path};

use airlock_tests::{guests::WatGuest, process::Place, times};
use rustix::process::{Pid, Signal, kill_process};

use super::{lines_of, standing, wait_until};

/// The files in the order of their records, each whole.
fn exported(dir: &Path) -> Vec<(String, String)> {
    let entries = std::fs::read_dir(dir).expect("a directory").map(|entry| entry.expect("an entry").path());
    let mut files: Vec<_> = entries.filter(|path| path.display().to_string().contains("audit.jsonl")).collect();
    files.sort_by_key(|path| (path.extension().is_some_and(|ending| ending == "jsonl"), path.clone()));
    let read = |path: std::path::PathBuf| (path.display().to_string(), std::fs::read_to_string(path).expect("read"));
    files.into_iter().map(read).collect()
}

#[tokio::test]
async fn no_record_is_lost_or_half_written_when_the_server_is_killed() {
    let place = Place::make(None).await;
    std::fs::create_dir(place.path("exported")).expect("made");
    let export = "[state]\ndir = \"state\"\n[[audit.export]]\nname = \"files\"\nto = \"file\"\n\
                  file = { path = \"exported/audit.jsonl\", rotate_bytes = 4_000, keep = 100_000 }\n";
    place.configure("[state]\ndir = \"state\"\n", export);
    let served = place.serve().await;
    served
        .deploy("name = \"one\"\nlanguage = \"component\"", WatGuest::returning("1").component())
        .await
        .expect("deployed");
    drop(served);
    for round in 0..times("AIRLOCK_EXPORT_KILLS", 6) {
        let served = place.serve().await;
        for call in 0..=(round * 7) % 23 {
            served.invoke("one", "null").await.unwrap_or_else(|status| panic!("{call}: {status:?}"));
        }
        kill_process(Pid::from_raw(i32::try_from(served.id()).expect("an id")).expect("one"), Signal::KILL)
            .expect("killed");
        let (status, _) = served.ended().await;
        assert!(!status.success());
        // Whatever a kill leaves, everything that was put aside is whole.
        let files = exported(&place.path("exported"));
        for (name, text) in files.iter().filter(|(name, _)| !name.ends_with(".jsonl")) {
            assert!(text.ends_with('\n') && text.len() <= 4_000, "{name}");
        }
    }
    let served = place.serve().await;
    let state = place.path("state");
    wait_until("no lag", || standing(&state, "files")["lag_records"] == 0).await;
    drop(served);
    let files = exported(&place.path("exported"));
    assert!(files.len() > 3, "it was rotated: {}", files.len());
    let lines: BTreeMap<u64, String> = files.iter().flat_map(|(_, text)| lines_of(text)).collect();
    let reader = airlock_store::Store::open_read_only(&state).expect("readable");
    let mut after = 0;
    loop {
        let filter = airlock_store::AuditFilter { after_seq: Some(after), ..airlock_store::AuditFilter::default() };
        let page = reader.query(filter).await.expect("a page");
        let Some(last) = page.last() else { break };
        after = last.seq;
        for record in &page {
            assert_eq!(lines.get(&record.seq), Some(&record.hash.to_string()), "record {}", record.seq);
        }
    }
    assert_eq!(lines.len() as u64, after, "and nothing else");
}

#[tokio::test]
async fn a_server_behind_its_wall_prints_every_record_as_a_line() {
    let place = Place::make(None).await;
    let export = "[state]\ndir = \"state\"\n[[audit.export]]\nname = \"lines\"\nto = \"stdout\"\n";
    place.configure("[state]\ndir = \"state\"\n", export);
    let mut command = place.command(Path::new("/bin/sh"));
    let words = place.serve_arguments().join(" ");
    command.args(["-c", &format!("exec {} {words} > lines.jsonl", airlock_tests::airlock_binary().display())]);
    let served = place.start(command).await;
    let manifest = "name = \"one\"\nlanguage = \"component\"";
    served.deploy(manifest, WatGuest::returning("1").component()).await.expect("deployed");
    for _ in 0..20 {
        served.invoke("one", "null").await.expect("it runs");
    }
    let state = place.path("state");
    wait_until("no lag", || standing(&state, "lines")["lag_records"] == 0).await;
    drop(served);
    let lines: BTreeMap<u64, String> =
        lines_of(&std::fs::read_to_string(place.path("lines.jsonl")).expect("read")).into_iter().collect();
    let trail: BTreeMap<u64, String> =
        place.trail().await.into_iter().map(|record| (record.seq, record.hash.to_string())).collect();
    assert_eq!(lines, trail);
}
