//! A real server on a real small disk that fills up while calls go on, and is freed again.

use std::{
    fs::{self, OpenOptions},
    io::Write as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Duration,
};

use airlock_store::Store;
use airlock_tests::{
    airlock_binary, guests,
    process::{Place, Served, whole_trail},
    reason,
};
use serde_json::json;

/// More than a server wants to see free, and what it keeps in reserve.
const DISK_MIB: u32 = 160;

fn mount(dir: &Path, then: &[String]) -> Command {
    let mut unshare = Command::new("unshare");
    let script = format!("mount --make-rprivate / && mount -t tmpfs -o size={DISK_MIB}m none \"$0\" && exec \"$@\"");
    unshare.args(["--mount", "sh", "-c", &script]).arg(dir).args(then);
    unshare
}

/// Writes until nothing more fits.
fn fill(file: &Path) {
    let mut file = OpenOptions::new().create(true).append(true).open(file).expect("opened");
    for size in [1 << 20, 4_096, 1] {
        while file.write_all(&vec![7; size]).is_ok() {}
    }
}

async fn call(served: &Served<'_>, mark: u32) -> Result<String, String> {
    let statement = format!("insert into orders (customer, total, status) values ('f{mark}', 1, 'open')");
    let call = json!({ "op": "execute", "statement": statement }).to_string();
    let ended = served.invoke("sql-probe", &call).await;
    ended.map(|response| response.invocation_id).map_err(|status| reason(&status))
}

/// Calls until one is answered.
async fn serves(served: &Served<'_>, marks: &mut u32) -> String {
    for _ in 0..400 {
        *marks += 1;
        match call(served, *marks).await {
            Ok(invocation) => return invocation,
            Err(why) => assert_eq!(why, "audit_unavailable"),
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("the server never takes calls again");
}

#[tokio::test]
async fn a_server_whose_disk_is_full_takes_no_calls_and_takes_them_again_without_a_restart() {
    let place = Place::make(None).await;
    let state = place.path("state");
    fs::create_dir(&state).expect("a directory");
    if !mount(&state, &["true".to_owned()]).stderr(Stdio::null()).status().is_ok_and(|status| status.success()) {
        println!("skipped: this user may not mount a file system in a namespace of its own");
        return;
    }
    let words: Vec<String> =
        [airlock_binary().display().to_string()].into_iter().chain(place.serve_arguments()).collect();
    let mut command = mount(&state, &words);
    command.current_dir(place.path(""));
    let served = place.start(command).await;
    let (manifest, component) = guests::built("sql-probe");
    served.deploy(&manifest, component).await.expect("deployed");
    // Its disk, as nobody else sees it.
    let disk: PathBuf = [format!("/proc/{}/root{}", served.id(), state.display())].iter().collect();
    let (mut marks, mut answered) = (0, Vec::new());
    for _ in 0..3 {
        answered.push(serves(&served, &mut marks).await);
        fill(&disk.join("filler"));
        let mut refused = 0;
        for _ in 0..200 {
            marks += 1;
            match call(&served, marks).await {
                Ok(invocation) => answered.push(invocation),
                Err(why) => {
                    assert_eq!(why, "audit_unavailable");
                    refused += 1;
                }
            }
            if refused > 20 {
                break;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        assert!(refused > 20, "a full disk was never noticed");
        fs::remove_file(disk.join("filler")).expect("freed");
    }
    answered.push(serves(&served, &mut marks).await);

    // SQLite asks where a file really is, which nobody outside can tell.
    let copy = place.path("copy");
    fs::create_dir(&copy).expect("a directory");
    for name in ["airlock.db", "airlock.db-wal"] {
        fs::copy(disk.join(name), copy.join(name)).expect("copied");
    }
    let reader = Store::open_read_only(&copy).expect("readable");
    let report = reader.verify(None).await.expect("verified");
    assert!(report.integrity && report.calls.complete && report.seq_gaps.is_empty(), "{report:?}");
    let trail = whole_trail(&copy, 0).await;
    for invocation in &answered {
        let is_recorded = |record: &airlock_store::AuditRecord| record.event.invocation.as_deref() == Some(invocation);
        assert!(trail.iter().any(is_recorded), "{invocation} was answered and has no record");
    }
    let orders = rusqlite::Connection::open(place.path("data/orders.db")).expect("opened");
    let mut effects = orders.prepare("select customer from orders where customer like 'f%'").expect("prepared");
    for effect in effects.query_map([], |row| row.get::<_, String>(0)).expect("asked") {
        let effect = format!("'{}'", effect.expect("a text"));
        let is_recorded = |record: &airlock_store::AuditRecord| {
            record.event.target.as_deref().is_some_and(|target| target.contains(&effect))
        };
        assert!(trail.iter().any(is_recorded), "{effect} took effect and is not on record");
    }
}
