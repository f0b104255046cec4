//! Records whose time is over: a real server removes them, and what is left is still proven.

use std::{
    path::Path,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use airlock_model::{AuditEvent, AuditKind};
use airlock_store::Store;
use airlock_tests::{
    command::{airlock_command, outcome},
    process::Place,
};
use serde_json::Value;
use tokio::time::sleep;

const DAY_MS: u64 = 86_400_000;
const OLD: u64 = 5_000;
const PATIENCE: Duration = Duration::from_secs(60);

#[expect(clippy::disallowed_methods, reason = "tests make records of other times")]
fn now_unix_ms() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970");
    u64::try_from(now.as_millis()).expect("in range")
}

/// A trail of ten days ago, as a server left it.
async fn fill(state: &Path) {
    let store = Store::open(state).expect("opened");
    let event = |number| {
        let mut event = AuditEvent::new(AuditKind::InvocationFinished, now_unix_ms() - 10 * DAY_MS);
        event.call_number = Some(number);
        event
    };
    store.append(store.server_started_event(now_unix_ms() - 10 * DAY_MS)).await.expect("appended");
    for number in 1..OLD - 1 {
        store.enqueue(event(number)).expect("queued");
    }
    store.append(event(OLD - 1)).await.expect("appended");
    // It was heard of just now: otherwise a clock that far ahead is not believed for a day.
    let alive = AuditEvent::new(AuditKind::ConfigReloaded, now_unix_ms());
    store.append(alive).await.expect("appended");
}

fn verify(state: &Path) -> (Option<i32>, Value) {
    let mut command = airlock_command(&["audit", "verify", "--json", "--state"]);
    command.arg(state);
    let (code, out, said) = outcome(command);
    (code, serde_json::from_str(&out).unwrap_or_else(|_| panic!("{said}")))
}

async fn removed(state: &Path) -> Value {
    let begun = std::time::Instant::now();
    loop {
        let (code, report) = verify(state);
        // Beside a server that works, too.
        assert_eq!(code, Some(0), "{report}");
        if report["cut"]["seq"] == OLD {
            return report;
        }
        assert!(begun.elapsed() < PATIENCE, "{report}");
        sleep(Duration::from_millis(200)).await;
    }
}

#[tokio::test]
async fn old_records_go_with_a_signed_cut_that_nobody_else_can_make() {
    let place = Place::make(None).await;
    place.configure("[state]\ndir = \"state\"\n", "[state]\ndir = \"state\"\n[audit]\nkeep_days = 2\n");
    let state = place.path("state");
    fill(&state).await;
    let served = place.serve().await;
    let report = removed(&state).await;
    let (status, said) = served.stop().await;
    assert!(status.success(), "{said:#?}");
    assert!(report["cut"]["signed"].as_str().expect("signed").split('.').count() == 3, "{report}");

    // Whoever can write to the state directory can add a record that says the same, and sign it with nothing.
    let store = Store::open(&state).expect("opened");
    let forged = report["cut"]["signed"].as_str().expect("signed").to_owned();
    let cut = store.cut_trail(now_unix_ms() + DAY_MS, now_unix_ms(), |_| Some(forged)).await.expect("cut");
    assert!(cut.is_some_and(|cut| cut.seq > OLD));
    drop(store);
    let (code, report) = verify(&state);
    assert_eq!((code, &report["integrity"]), (Some(2), &Value::Bool(false)), "{report}");
    assert_eq!(report["bad_cut"], "another cut was signed");
}
