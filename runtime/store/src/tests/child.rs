//! A process of its own, to be refused, killed or starved: this test binary again, with a role in the environment.

use std::{
    env,
    io::{self, Write as _},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::Arc,
};

use super::{deployed, disk::Watched, finished, intent, releaser, revision};
use crate::{AuditFilter, Landing, Store, StoreError, SyncMode};

const ROLE: &str = "AIRLOCK_STORE_CHILD_ROLE";
const DIR: &str = "AIRLOCK_STORE_CHILD_DIR";
const NAME: &str = "tests::child::plays_its_role";

/// Tasks that append at the same time.
const APPENDERS: u64 = 8;

/// Starts a child; what it says comes through its standard error, which the test runner leaves alone.
pub(super) fn start(role: &str, dir: &Path) -> Child {
    set_up(Command::new(env::current_exe().expect("this binary")), role, dir).spawn().expect("started")
}

/// As [`start`], with a cap on the size of every file it writes, in units of 512 bytes (1,024 in some shells).
pub(super) fn start_starved(role: &str, dir: &Path, blocks: u32) -> Child {
    let mut shell = Command::new("sh");
    // Ignored, the signal becomes an error of the write itself.
    shell.args(["-c", &format!("trap '' XFSZ; ulimit -f {blocks}; exec \"$0\" \"$@\"")]);
    shell.arg(env::current_exe().expect("this binary"));
    set_up(shell, role, dir).spawn().expect("started")
}

/// As [`start`], on a disk that remembers and fails.
pub(super) fn start_watched(role: &str, watched: &Watched<'_>) -> Child {
    let mut command = Command::new(env::current_exe().expect("this binary"));
    watched.set_up(&mut command);
    set_up(command, role, watched.dir).spawn().expect("started")
}

/// As [`start`], with a small file system of memory mounted on its directory, which nobody else sees. `None` where that is not
/// allowed.
pub(super) fn start_on_small_disk(role: &str, dir: &Path, mebibytes: u32) -> Option<Child> {
    let mount = |then: &str| {
        let mut unshare = Command::new("unshare");
        let script = format!("mount --make-rprivate / && mount -t tmpfs -o size={mebibytes}m none \"$0\" && {then}");
        unshare.args(["--mount", "sh", "-c", &script]).arg(dir).stderr(Stdio::null());
        unshare
    };
    if !mount("true").status().is_ok_and(|status| status.success()) {
        return None;
    }
    let mut command = mount("exec \"$@\"");
    command.arg(env::current_exe().expect("this binary"));
    Some(set_up(command, role, dir).spawn().expect("started"))
}

/// Runs a child to its end and returns what it said.
pub(super) fn run(role: &str, dir: &Path) -> String {
    let output = start(role, dir).wait_with_output().expect("ended");
    String::from_utf8(output.stderr).expect("text")
}

fn set_up(mut command: Command, role: &str, dir: &Path) -> Command {
    command.args([NAME, "--exact", "--nocapture"]).env(ROLE, role).env(DIR, dir);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    command
}

/// Does nothing unless started by one of the functions above.
#[expect(clippy::disallowed_methods, reason = "a test process tells its child by the environment what to do")]
#[tokio::test]
async fn plays_its_role() {
    let Some(dir) = env::var_os(DIR).map(PathBuf::from) else { return };
    match env::var(ROLE).as_deref() {
        Ok("open") => match Store::open(&dir) {
            Ok(_) => say("opened"),
            Err(error) => say(&error.to_string()),
        },
        Ok("append") => append_until_killed(&dir).await,
        Ok("execute") => super::approvals::execute_until_killed(&dir, say).await,
        Ok("use") => super::usage::use_until_killed(&dir, say).await,
        Ok("starve") => append_until_full(&dir).await,
        Ok("power") => super::power::write_until_the_cut(&dir, SyncMode::Full).await,
        Ok("power-unsynced") => super::power::write_until_the_cut(&dir, SyncMode::OffForBenchmarksOnly).await,
        Ok("faults") => super::faults::meet_a_fault(&dir, say).await,
        Ok("fill") => super::room::fill_and_free(&dir, say).await,
        other => panic!("{other:?} is not a role"),
    }
}

/// One write, so that a line is whole or absent.
fn say(line: &str) {
    io::stderr().write_all(format!("{line}\n").as_bytes()).expect("somebody listens");
}

async fn append_until_killed(dir: &Path) {
    let store = Arc::new(Store::open(dir).expect("opened"));
    store.append(store.server_started_event(0)).await.expect("appended");
    let tasks: Vec<_> = (0..APPENDERS).map(|task| tokio::spawn(append_forever(Arc::clone(&store), task))).collect();
    for task in tasks {
        task.await.expect("never ends by itself");
    }
}

async fn append_forever(store: Arc<Store>, task: u64) {
    loop {
        let number = store.next_call_number().expect("a number");
        store.enqueue(intent(number)).expect("queued");
        if task == 0 {
            store
                .deploy(revision("order", &number.to_string()), Landing::Live, releaser(), deployed())
                .await
                .expect("deployed");
        }
        let appended = store.append(finished(number)).await.expect("appended");
        say(&format!("{} {} {number}", appended.seq, appended.hash));
    }
}

/// Appends until the disk says no, and tells what the store does then.
async fn append_until_full(dir: &Path) {
    let store = Store::open(dir).expect("opened");
    let mut number = 0;
    let error = loop {
        number += 1;
        match store.append(finished(number)).await {
            Ok(appended) => say(&format!("{} {} {number}", appended.seq, appended.hash)),
            Err(error) => break error,
        }
    };
    assert!(matches!(error, StoreError::Unavailable { .. }), "{error:?}");
    assert!(matches!(store.append(finished(0)).await, Err(StoreError::Unavailable { .. })));
    assert!(matches!(store.ready(), Err(StoreError::Unavailable { .. })));
    assert_eq!(store.query(AuditFilter::default()).await.expect("reads go on").len(), 100.min(number as usize - 1));
    say(&format!("stopped: {error}"));
}
