//! Group commit: many jobs share a commit, in the order they came.

use std::{
    future::Future as _,
    pin::pin,
    sync::{Arc, mpsc},
    task::{Context, Poll, Waker},
    time::{Duration, Instant},
};

use super::{finished, open, state_dir};
use crate::{Store, StoreError, queue::UNAWAITED_MAX};

/// Keeps the writer inside a transaction until the sender is used or dropped.
async fn hold_writer(store: &Store) -> (impl Future<Output = Result<(), StoreError>> + use<'_>, mpsc::Sender<()>) {
    let (release, released) = mpsc::channel();
    let (entered, inside) = tokio::sync::oneshot::channel();
    let held = store.write(move |_| {
        entered.send(()).map_err(|()| StoreError::unavailable("the test ended"))?;
        released.recv().map_err(|_| StoreError::unavailable("the test ended"))
    });
    inside.await.expect("the writer took the job");
    (held, release)
}

#[tokio::test]
async fn records_keep_the_order_of_the_calls_and_wait_for_their_commit() {
    let dir = state_dir();
    let store = open(dir.path());
    let (held, release) = hold_writer(&store).await;
    let appends: Vec<_> = (1..=1_500).map(|number| store.append(finished(number))).collect();
    let mut appends: Vec<_> = appends.into_iter().map(Box::pin).collect();
    let pending = appends[0].as_mut().poll(&mut Context::from_waker(Waker::noop()));
    assert!(matches!(pending, Poll::Pending), "nothing is acknowledged before its commit");
    release.send(()).expect("the writer waits");
    held.await.expect("committed");
    for (append, expected) in appends.into_iter().zip(1..) {
        assert_eq!(append.await.expect("appended").seq, expected);
    }
}

#[tokio::test]
async fn what_is_not_durable_yet_is_shown_and_commits_are_told() {
    let dir = state_dir();
    let store = open(dir.path());
    let (told, groups) = mpsc::channel();
    store.watch_groups(move |group| told.send(group.jobs).expect("the test listens"));
    let idle = store.backlog();
    assert_eq!((idle.jobs, idle.is_held), (0, false));
    let (held, release) = hold_writer(&store).await;
    let appends: Vec<_> = (1..=5).map(|number| store.append(finished(number))).collect();
    let behind = store.backlog();
    assert!(behind.jobs == 5 && behind.oldest.is_some(), "{behind:?}");
    release.send(()).expect("the writer waits");
    held.await.expect("committed");
    for append in appends {
        append.await.expect("appended");
    }
    assert_eq!(groups.iter().take(2).collect::<Vec<_>>(), [1, 5]);
    // The writer says that it is done when it comes for more: a moment later.
    while store.backlog().oldest.is_some() {
        tokio::task::yield_now().await;
    }
    assert!(store.free_bytes().is_some_and(|free| free > 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn concurrent_callers_each_see_their_own_order() {
    let dir = state_dir();
    let store = Arc::new(open(dir.path()));
    let caller = |caller: u64| {
        let store = Arc::clone(&store);
        async move {
            let mut last = 0;
            for step in 0..50 {
                store.enqueue(finished(caller * 100 + step)).expect("queued");
                let seq = store.append(finished(caller * 100 + step)).await.expect("appended").seq;
                assert!(seq > last + 1, "what this caller queued lies between {last} and {seq}");
                last = seq;
            }
        }
    };
    let callers: Vec<_> = (0..16).map(|number| tokio::spawn(caller(number))).collect();
    for caller in callers {
        caller.await.expect("in order");
    }
    let report = store.verify(None).await.expect("verified");
    assert_eq!((report.records, report.integrity), (16 * 50 * 2, true));
}

#[tokio::test]
async fn an_event_that_nobody_waits_for_reaches_the_disk_by_itself() {
    let dir = state_dir();
    let store = open(dir.path());
    let patience = Instant::now() + Duration::from_secs(10);
    let in_time = || assert!(Instant::now() < patience, "the event was never written, or the writer never rests");
    for number in (1..=4).step_by(2) {
        // Once to a writer that rests for good, once to one that worked a moment ago.
        while !store.queue.writer_sleeps() {
            in_time();
        }
        for number in [number, number + 1] {
            store.enqueue(finished(number)).expect("queued");
            while store.head().await.expect("head").seq < number {
                in_time();
            }
        }
    }
}

#[tokio::test]
async fn a_full_queue_turns_away_what_nobody_waits_for_and_still_takes_closing_records() {
    let dir = state_dir();
    let store = open(dir.path());
    let (held, release) = hold_writer(&store).await;
    for number in 0..UNAWAITED_MAX as u64 {
        store.enqueue(finished(number)).expect("queued");
    }
    let refused = store.enqueue(finished(0));
    assert!(matches!(refused, Err(StoreError::Busy { queued: UNAWAITED_MAX })), "{refused:?}");
    let closing = store.append(finished(1));
    release.send(()).expect("the writer waits");
    held.await.expect("committed");
    assert_eq!(closing.await.expect("appended").seq, UNAWAITED_MAX as u64 + 1);
    store.enqueue(finished(2)).expect("room again");
}

#[tokio::test]
async fn dropping_the_store_writes_what_is_queued() {
    let dir = state_dir();
    let store = open(dir.path());
    for number in 1..=100 {
        store.enqueue(finished(number)).expect("queued");
    }
    drop(store.append(finished(101)));
    drop(store);
    let report = open(dir.path()).verify(None).await.expect("verified");
    assert_eq!((report.records, report.integrity), (101, true));
}

#[tokio::test]
async fn a_future_that_is_dropped_leaves_its_record() {
    let dir = state_dir();
    let store = open(dir.path());
    {
        let abandoned = pin!(store.append(finished(1)));
        let _ = abandoned.poll(&mut Context::from_waker(Waker::noop()));
    }
    assert_eq!(store.append(finished(2)).await.expect("appended").seq, 2);
}
