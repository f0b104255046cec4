//! What was acknowledged is there after the power went: writes that were not synced are lost, torn and reordered.
//!
//! `AIRLOCK_STORE_POWER_CUTS` sets how many cuts (6 when not set; 1,000 before a release).

use std::{
    collections::BTreeMap,
    env,
    path::{Path, PathBuf},
    sync::Arc,
};

use airlock_model::{AuditEvent, Digest};
use tempfile::TempDir;

use super::{
    child, deployed,
    disk::{self, Disk, Op, Seeded, Watched},
    finished, intent, open, releaser, revision, state_dir,
};
use crate::{ArtifactKind, AuditFilter, Checkpoint, Landing, Store, StoreOptions, SyncMode};

/// Calls of one run. Enough for the log to be copied into the database, and to start over.
const CALLS: u64 = 3_000;
/// Callers at the same time.
const CALLERS: u64 = 4;
/// Runs on one directory, the second on what the first left.
const RUNS: usize = 2;
/// Cuts of one history.
const CUTS_PER_HISTORY: usize = 250;

/// Makes calls, and marks in the log what was acknowledged.
pub(super) async fn write_until_the_cut(dir: &Path, sync: SyncMode) {
    let log: Arc<Path> = PathBuf::from(env::var_os("AIRLOCK_DISK_LOG").expect("a log")).into();
    let options = StoreOptions { sync, ..StoreOptions::default() };
    let store = Arc::new(Store::open_with(dir, options).expect("opened"));
    let started = store.append(store.server_started_event(0)).await.expect("appended");
    disk::mark(&log, &format!("record {} {}", started.seq, started.hash));
    let calls = (0..CALLERS).map(|caller| tokio::spawn(call(Arc::clone(&store), Arc::clone(&log), caller)));
    for caller in calls.collect::<Vec<_>>() {
        caller.await.expect("it ends");
    }
}

async fn call(store: Arc<Store>, log: Arc<Path>, caller: u64) {
    for step in 0..CALLS / CALLERS {
        let number = store.next_call_number().expect("a number");
        disk::mark(&log, &format!("number {number}"));
        let length = usize::try_from(number * 37 % 4_096).expect("small");
        store.enqueue(AuditEvent { message: Some("m".repeat(length)), ..intent(number) }).expect("queued");
        let appended = store.append(finished(number)).await.expect("appended");
        disk::mark(&log, &format!("record {} {}", appended.seq, appended.hash));
        if caller == 3 && step % 400 == 10 {
            disk::mark(&log, &format!("number {}", use_up_numbers(&store)));
        }
        match (caller, step % 20) {
            (0, 5) => {
                let new = revision("order", &number.to_string());
                store.deploy(new, Landing::Live, releaser(), deployed()).await.expect("deployed");
            }
            (1, 5) => {
                let bytes = number.to_le_bytes().repeat(300);
                for (kind, name) in [(ArtifactKind::Component, "component"), (ArtifactKind::Compiled, "compiled")] {
                    let digest = store.put_artifact(kind, bytes.clone()).await.expect("stored");
                    disk::mark(&log, &format!("{name} {digest}"));
                }
            }
            (2, 5) => {
                let made = store.checkpointer().make(number, |at| Some(format!("{} {}", at.seq, at.hash)));
                let at = made.await.expect("made").expect("signed").at;
                disk::mark(&log, &format!("checkpoint {} {}", at.seq, at.hash));
            }
            _ => {}
        }
    }
}

/// Takes so many that another block of them has to be reserved, and gives the last.
fn use_up_numbers(store: &Store) -> u64 {
    let numbers = (0..40_000).map_while(|_| store.next_call_number().ok());
    numbers.last().expect("a number")
}

/// What a process had told others when the power went.
#[derive(Default)]
struct Told {
    records: BTreeMap<u64, Digest>,
    last_number: u64,
    artifacts: Vec<(ArtifactKind, Digest)>,
    checkpoints: Vec<Checkpoint>,
}

impl Told {
    fn hear(&mut self, mark: &str) {
        let words: Vec<&str> = mark.split(' ').collect();
        let at = |seq: &str, hash: &str| (seq.parse().expect("a number"), hash.parse().expect("a hash"));
        match *words.as_slice() {
            ["record", seq, hash] => {
                let (seq, hash) = at(seq, hash);
                self.records.insert(seq, hash);
            }
            ["number", number] => self.last_number = self.last_number.max(number.parse().expect("a number")),
            ["checkpoint", seq, hash] => {
                let (seq, hash) = at(seq, hash);
                self.checkpoints.push(Checkpoint { seq, hash });
            }
            ["component", digest] => self.artifacts.push((ArtifactKind::Component, digest.parse().expect("a digest"))),
            ["compiled", digest] => self.artifacts.push((ArtifactKind::Compiled, digest.parse().expect("a digest"))),
            ["process"] => {}
            _ => panic!("{mark:?} is no mark"),
        }
    }

    /// Opens what is left and finds all of it there.
    async fn is_there(&self, dir: &Path) {
        let store = open(dir);
        let report = store.verify(self.checkpoints.clone()).await.expect("verified");
        assert!(report.integrity && report.seq_gaps.is_empty() && report.calls.repeated == 0, "{report:?}");
        for (seq, hash) in &self.records {
            assert!(*seq <= report.head.seq, "record {seq} was acknowledged and is lost: {report:?}");
            let filter = AuditFilter { after_seq: Some(seq - 1), limit: Some(1), ..AuditFilter::default() };
            assert_eq!(store.query(filter).await.expect("found")[0].hash, *hash, "record {seq} is another one");
        }
        for (kind, digest) in &self.artifacts {
            store.read_artifact(*kind, *digest).await.unwrap_or_else(|error| panic!("{kind} {digest}: {error}"));
        }
        let next = store.next_call_number().expect("a number");
        assert!(next > self.last_number, "{next} was issued before: {}", self.last_number);
        store.append(store.server_started_event(1)).await.expect("the trail goes on");
    }
}

/// A place in memory, so that a thousand copies do not wait for the real disk.
fn scratch() -> TempDir {
    tempfile::tempdir_in("/dev/shm").unwrap_or_else(|_| state_dir())
}

fn history(role: &str) -> Vec<Op> {
    let (dir, beside) = (scratch(), scratch());
    let log = beside.path().join("log");
    for _ in 0..RUNS {
        let watched = Watched { dir: dir.path(), log: &log, failing: None, space: None };
        let output = child::start_watched(role, &watched).wait_with_output().expect("ended");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
    disk::read(&log)
}

/// Half of them right behind an acknowledgement, where most is at stake.
fn cut_points(ops: &[Op], cuts: usize, random: &mut Seeded) -> Vec<usize> {
    let told = |at: &usize| matches!(&ops[*at], Op::Mark(text) if text != "process");
    let marks: Vec<usize> = (0..ops.len()).filter(told).collect();
    let mut points: Vec<usize> = (0..cuts)
        .map(|cut| match cut % 2 {
            0 => marks[random.below(marks.len())] + 1,
            _ => random.below(ops.len() + 1),
        })
        .collect();
    points.sort_unstable();
    points
}

/// The log was copied into the database while calls went on, and then started over.
fn is_worth_cutting(ops: &[Op]) {
    let (mut database, mut copied, mut marks_after) = (None, false, 0);
    for op in ops {
        match op {
            Op::Open { file, path, .. } if path == "airlock.db" => database = Some(*file),
            Op::Write { file, offset, .. } if Some(*file) == database && *offset > 1 << 20 => copied = true,
            Op::Mark(text) if copied && text.starts_with("record") => marks_after += 1,
            Op::Mark(text) if text == "process" => (database, copied) = (None, false),
            _ => {}
        }
    }
    assert!(marks_after > 100, "the log was never copied while calls went on");
}

#[tokio::test]
async fn nothing_acknowledged_is_lost_when_the_power_goes() {
    let mut cuts = power_cuts();
    let mut random = Seeded(23);
    while cuts > 0 {
        let ops = history("power");
        is_worth_cutting(&ops);
        let points = cut_points(&ops, cuts.min(CUTS_PER_HISTORY), &mut random);
        cuts -= points.len();
        let (mut disk, mut told, mut played) = (Disk::default(), Told::default(), 0);
        for point in points {
            for op in &ops[played..point] {
                disk.play(op);
                if let Op::Mark(text) = op {
                    told.hear(text);
                }
            }
            played = point;
            let left = scratch();
            let seed = random.draw();
            println!("cut before operation {point} of {}, seed {seed}", ops.len());
            disk.cut(&mut Seeded(seed), left.path());
            told.is_there(left.path()).await;
        }
    }
}

/// The deny twin: these cuts do find what is not on disk.
#[tokio::test]
async fn a_store_that_does_not_wait_for_the_disk_is_found_out() {
    let ops = history("power-unsynced");
    let (mut disk, mut told, mut lost) = (Disk::default(), Told::default(), 0);
    for (at, op) in ops.iter().enumerate() {
        disk.play(op);
        if let Op::Mark(text) = op {
            told.hear(text);
        }
        if at % (ops.len() / 10) == 0 && !told.records.is_empty() {
            let left = scratch();
            disk.cut(&mut Seeded(at as u64), left.path());
            let head = Store::open(left.path()).ok().map(|store| async move { store.head().await });
            let last = match head {
                Some(head) => head.await.map_or(0, |head| head.seq),
                None => 0,
            };
            lost += u32::from(last < *told.records.keys().next_back().expect("a record"));
        }
    }
    assert!(lost > 0, "nothing was ever lost");
}

#[expect(clippy::disallowed_methods, reason = "whoever runs the tests sets how long they may take")]
fn power_cuts() -> usize {
    env::var("AIRLOCK_STORE_POWER_CUTS").map_or(6, |text| text.parse().expect("a number of cuts"))
}
