//! Calls that left no closing record are named; numbers that were only reserved are not.

use airlock_model::{AuditEvent, AuditKind};

use super::{finished, intent, open, state_dir};
use crate::{CallReport, NumberRange, completeness::CallLedger};

fn report(events: &[AuditEvent]) -> CallReport {
    let mut ledger = CallLedger::default();
    events.iter().for_each(|event| ledger.see(event));
    ledger.report()
}

fn started(first: u64) -> AuditEvent {
    AuditEvent { call_number: Some(first), ..AuditEvent::new(AuditKind::ServerStarted, 0) }
}

fn abandoned(number: u64) -> AuditEvent {
    AuditEvent { kind: AuditKind::InvocationAbandoned, ..finished(number) }
}

#[test]
fn calls_that_end_in_any_order_are_complete() {
    let report = report(&[started(1), finished(3), intent(1), abandoned(2), finished(1)]);
    assert!(report.complete, "{report:?}");
    assert_eq!(report.finished, 3);
}

#[test]
fn a_call_without_a_closing_record_is_named() {
    let report = report(&[started(1), finished(1), intent(4), finished(3), finished(6)]);
    let named = [(2, 2), (4, 4), (5, 5)].map(|(first, last)| NumberRange { first, last });
    assert_eq!((report.complete, report.unfinished_count), (false, 3));
    assert_eq!(report.unfinished, named);
}

#[test]
fn a_restart_explains_reserved_numbers_but_not_started_calls() {
    let clean = report(&[started(1), finished(1), started(1_025), finished(1_025)]);
    assert!(clean.complete, "{clean:?}");
    let crashed = report(&[started(1), finished(1), intent(2), started(1_025), finished(1_025)]);
    assert_eq!(crashed.unfinished, [NumberRange { first: 2, last: 2 }]);
}

#[test]
fn a_number_used_twice_is_counted() {
    assert_eq!(report(&[started(1), finished(1), finished(1)]).repeated, 1);
    assert_eq!(report(&[started(10), finished(3)]).repeated, 1);
    assert_eq!(report(&[started(1), finished(5), started(3)]).repeated, 1);
}

#[tokio::test]
async fn numbers_go_on_above_every_number_issued_before_a_restart() {
    let dir = state_dir();
    let mut last = 0;
    for _ in 0..3 {
        let store = open(dir.path());
        store.append(store.server_started_event(1)).await.expect("appended");
        for _ in 0..10 {
            let number = store.next_call_number().expect("a number");
            assert!(number > last, "{number} after {last}");
            last = number;
            store.append(finished(number)).await.expect("appended");
        }
    }
    let report = open(dir.path()).verify(None).await.expect("verified");
    assert!(report.calls.complete && report.integrity, "{report:?}");
    assert_eq!(report.calls.finished, 30);
}

#[tokio::test]
async fn numbers_outlast_the_first_block() {
    let dir = state_dir();
    let store = open(dir.path());
    let mut last = 0;
    while last < crate::calls::BLOCK * 3 {
        match store.next_call_number() {
            Ok(number) => {
                assert_eq!(number, last + 1, "no number is skipped");
                last = number;
            }
            // The writer has not reserved the next block yet: let it.
            Err(crate::StoreError::Busy { .. }) => drop(store.append(finished(last)).await.expect("appended")),
            Err(error) => panic!("{error}"),
        }
    }
}
