//! Every write, sync, truncation and opening that can fail does, one after the other.
//!
//! `AIRLOCK_STORE_FAULT_STEP` sets which of them: every seventh when not set, each of them with 1 (before a release).

use std::{collections::BTreeMap, env, fs, path::Path, thread, time::Duration};

use airlock_model::Digest;

use super::{
    child, deployed,
    disk::{self, Failing, Op, Watched},
    finished, intent, open, releaser, revision, state_dir,
};
use crate::{ArtifactKind, AuditFilter, Landing, Store, StoreError};

const EIO: i32 = 5;
const ENOSPC: i32 = 28;
/// Half of the bytes.
const SHORT: i32 = 0;
const FOR_EVER: usize = 1 << 30;

/// Calls with an effect each, as a server makes them; says what it did, and what it was told.
pub(super) async fn meet_a_fault(dir: &Path, say: fn(&str)) {
    let store = match Store::open(dir) {
        Ok(store) => store,
        Err(error) => return say(&format!("not opened: {error}")),
    };
    let mut result = store.append(store.server_started_event(0)).await.map(drop);
    for _ in 0..6 {
        if let Err(error) = result {
            say(&format!("refused: {error}"));
        }
        result = call(&store, say).await;
    }
    // Space is back, whether or not it was missed.
    fs::write(env::var_os("AIRLOCK_DISK_SPACE").expect("a file"), "").expect("written");
    for _ in 0..100 {
        match store.ready() {
            Ok(()) => {
                call(&store, say).await.expect("a store that is ready takes calls");
                return say("serves");
            }
            Err(StoreError::Unavailable { .. }) => return say("stopped"),
            Err(_) => thread::sleep(Duration::from_millis(50)),
        }
    }
    say(&format!("stuck: {:?}", store.ready()));
}

async fn call(store: &Store, say: fn(&str)) -> Result<(), StoreError> {
    store.ready()?;
    let number = store.next_call_number()?;
    store.append(intent(number)).await?;
    say(&format!("effect {number}"));
    store.enqueue_closing(intent(number))?;
    let digest = store.put_artifact(ArtifactKind::Component, number.to_le_bytes().into()).await;
    let digest = digest.inspect_err(|error| say(&format!("refused: {error}"))).ok();
    if let Some(digest) = digest {
        say(&format!("artifact {digest}"));
    }
    let new = revision("order", &number.to_string());
    let deployed = store.deploy(new, Landing::Live, releaser(), deployed()).await;
    let appended = store.append(finished(number)).await?;
    say(&format!("record {} {} {number}", appended.seq, appended.hash));
    deployed.map(drop)
}

/// What a child said, in the order in which it did.
#[derive(Default)]
struct Said {
    effects: Vec<u64>,
    records: BTreeMap<u64, Digest>,
    artifacts: Vec<Digest>,
    refused: Vec<String>,
    end: String,
}

impl Said {
    fn parse(text: &str) -> Self {
        let mut said = Self::default();
        for line in text.lines() {
            let words: Vec<&str> = line.split(' ').collect();
            match *words.as_slice() {
                ["effect", number] => said.effects.push(number.parse().expect("a number")),
                ["record", seq, hash, _] => {
                    said.records.insert(seq.parse().expect("a number"), hash.parse().expect("a hash"));
                }
                ["artifact", digest] => said.artifacts.push(digest.parse().expect("a digest")),
                ["refused:", ..] => said.refused.push(line.to_owned()),
                _ => said.end = line.to_owned(),
            }
        }
        said
    }

    /// All that was said is there, and every effect is on record.
    async fn holds(&self, dir: &Path, case: &str) {
        let store = open(dir);
        let report = store.verify(None).await.expect("verified");
        assert!(report.integrity && report.seq_gaps.is_empty() && report.calls.repeated == 0, "{case}: {report:?}");
        let filter = AuditFilter { limit: Some(1_000), ..AuditFilter::default() };
        let trail = store.query(filter).await.expect("read");
        for (seq, hash) in &self.records {
            let found = trail.iter().find(|record| record.seq == *seq);
            assert_eq!(found.map(|record| record.hash), Some(*hash), "{case}: record {seq} was acknowledged");
        }
        for effect in &self.effects {
            let found = trail.iter().any(|record| record.event.call_number == Some(*effect));
            assert!(found, "{case}: call {effect} had an effect and is not on record");
        }
        for digest in &self.artifacts {
            store
                .read_artifact(ArtifactKind::Component, *digest)
                .await
                .unwrap_or_else(|error| panic!("{case}: {error}"));
        }
        store.append(store.server_started_event(1)).await.expect("the trail goes on");
    }
}

/// Runs a child that meets this fault, and gives what it said and what became of the file that failed; `None` when it never met it.
fn met(failing: Failing, dir: &Path, beside: &Path, case: &str) -> Option<Said> {
    let (log, space) = (beside.join("log"), beside.join("space"));
    let watched = Watched { dir, log: &log, failing: Some(failing), space: Some(&space) };
    let output = child::start_watched("faults", &watched).wait_with_output().expect("ended");
    let text = String::from_utf8(output.stderr).expect("text");
    assert!(output.status.success() && !text.contains("panicked"), "{case}: {text}");
    let ops = disk::read(&log);
    let failed = ops.iter().position(|op| matches!(op, Op::Failed { .. }))?;
    let Op::Failed { file, what } = &ops[failed] else { unreachable!() };
    let is_sync = what.starts_with('s') && *file != 0 && is_database(&ops, *file);
    let said = Said::parse(&text);
    assert!(!said.end.starts_with("stuck"), "{case}: {text}");
    // Before there is a log, SQLite takes a transaction back by writing the pages again, and syncs those; the store does not open.
    if is_sync && !said.end.starts_with("not opened") {
        assert_eq!(said.end, "stopped", "{case}: {text}");
        let again = |op: &&Op| matches!(op, Op::Sync { file: other } | Op::Write { file: other, .. } if other == file);
        assert_eq!(ops[failed..].iter().find(again), None, "{case}: a file was used again after its sync had failed");
    }
    Some(said)
}

fn is_database(ops: &[Op], wanted: u32) -> bool {
    let names =
        |op: &Op| matches!(op, Op::Open { file, path, .. } if *file == wanted && path.starts_with("airlock.db"));
    ops.iter().any(names)
}

/// Meets a fault at every index, so many at once, and gives how many there were.
fn every(kinds: &'static str, errno: i32, count: usize, expect: fn(&Said) -> bool) -> usize {
    let meet = move |first: usize| {
        let (dir, beside) = (state_dir(), state_dir());
        let case = format!("{kinds} {first} fails with {errno}, {count} times");
        let said = met(Failing { kinds, errno, first, count }, dir.path(), beside.path(), &case)?;
        assert!(expect(&said), "{case}: refused {:?}, {}", said.refused, said.end);
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        runtime.block_on(said.holds(dir.path(), &case));
        Some(())
    };
    let (mut first, mut found) = (1, 0);
    loop {
        let batch: Vec<_> =
            (0..12).map(|n| first + n * step()).map(|first| thread::spawn(move || meet(first))).collect();
        let batch: Vec<_> = batch.into_iter().map(|case| case.join().expect("it held")).collect();
        found += batch.iter().flatten().count();
        if batch.contains(&None) {
            println!("{kinds}: {found} of {} failed with {errno}, {count} times each", first + 12 * step());
            return found;
        }
        first += 12 * step();
    }
}

fn step() -> usize {
    #[expect(clippy::disallowed_methods, reason = "whoever runs the tests sets how long they may take")]
    env::var("AIRLOCK_STORE_FAULT_STEP").map_or(7, |text| text.parse().expect("a number"))
}

/// It was said what to do.
fn has_advice(said: &Said) -> bool {
    said.refused
        .iter()
        .all(|line| ["check the disk", "free some space", "could not"].iter().any(|advice| line.contains(advice)))
}

fn serves(said: &Said) -> bool {
    has_advice(said) && (said.end == "serves" || said.end.starts_with("not opened"))
}

fn ends_somehow(said: &Said) -> bool {
    has_advice(said) && !said.end.is_empty()
}

#[test]
fn a_write_that_finds_the_disk_full_is_made_good_without_a_restart() {
    let once = every("w", ENOSPC, 1, serves);
    let short = every("w", SHORT, 1, serves);
    assert!(once > 10 && short > 10, "{once} {short}");
}

#[test]
fn a_disk_that_stays_full_refuses_calls_until_there_is_space() {
    assert!(every("w", ENOSPC, FOR_EVER, serves) > 10);
}

#[test]
fn a_write_that_fails_ends_all_writing_and_nothing_is_lost() {
    let writes = every("w", EIO, 1, ends_somehow) + every("w", EIO, FOR_EVER, ends_somehow);
    assert!(writes > 20, "{writes}");
}

#[test]
fn a_sync_that_fails_is_never_tried_again() {
    let syncs = every("s", EIO, 1, ends_somehow) + every("s", ENOSPC, 1, ends_somehow);
    assert!(syncs > 4, "{syncs}");
}

#[test]
fn whatever_else_fails_is_told_and_loses_nothing() {
    let others = ["t", "o", "r", "u", "m"]
        .map(|kinds| every(kinds, EIO, 1, ends_somehow) + every(kinds, ENOSPC, 1, ends_somehow));
    assert!(others.iter().sum::<usize>() > 4, "{others:?}");
}
