//! What any store does, whatever it is built on.

use airlock_model::AuditKind;

use super::{deployed, environment, finished, function, intent, open, releaser, revision, state_dir};
use crate::{AuditFilter, AuditOrder, Checkpoint, Landing, PageRequest, PageToken, Store, StoreError};

#[tokio::test]
async fn sqlite_store_keeps_the_contract() {
    let dir = state_dir();
    contract(&open(dir.path())).await;
}

/// Takes an empty store.
async fn contract(store: &Store) {
    trail_is_a_chain_that_can_be_searched(store).await;
    call_numbers_rise_and_never_repeat(store);
    deploying_makes_live_and_is_audited(store).await;
    lists_come_in_pages_with_tokens_of_their_own(store).await;
    let report = store.verify(None).await.expect("verified");
    assert!(report.integrity, "{report:?}");
}

async fn trail_is_a_chain_that_can_be_searched(store: &Store) {
    assert_eq!(store.head().await.expect("head"), Checkpoint::genesis());
    store.enqueue(intent(1)).expect("queued");
    let first = store.append(finished(1)).await.expect("appended");
    let second = store.append(finished(2)).await.expect("appended");
    assert_eq!((first.seq, second.seq), (2, 3), "what was queued before is durable before");
    assert_eq!(store.head().await.expect("head"), Checkpoint { seq: 3, hash: second.hash });

    let seqs = async |filter| -> Vec<u64> { store.query(filter).await.expect("found").iter().map(|r| r.seq).collect() };
    let of = AuditFilter { invocation: Some("invocation-1".to_owned()), ..AuditFilter::default() };
    assert_eq!(seqs(of).await, [1, 2]);
    let kind = Some(AuditKind::InvocationFinished);
    assert_eq!(seqs(AuditFilter { kind, ..AuditFilter::default() }).await, [2, 3]);
    assert_eq!(seqs(AuditFilter { function: Some("even".to_owned()), ..AuditFilter::default() }).await, [3]);
    assert_eq!(seqs(AuditFilter { function: Some("none".to_owned()), ..AuditFilter::default() }).await, [0_u64; 0]);
    assert_eq!(seqs(AuditFilter { after_seq: Some(1), limit: Some(1), ..AuditFilter::default() }).await, [2]);
    let latest = AuditFilter { order: AuditOrder::NewestFirst, before_seq: Some(3), ..AuditFilter::default() };
    assert_eq!(seqs(latest).await, [2, 1]);
    let records = store.query(AuditFilter::default()).await.expect("found");
    assert_eq!(records.last().map(|r| (r.hash, r.event.clone())), Some((second.hash, finished(2))));
}

fn call_numbers_rise_and_never_repeat(store: &Store) {
    let numbers: Vec<u64> = (0..100).map(|_| store.next_call_number().expect("a number")).collect();
    assert!(numbers.windows(2).all(|pair| pair[0] + 1 == pair[1]), "{numbers:?}");
}

async fn deploying_makes_live_and_is_audited(store: &Store) {
    let (order, dev) = (function("order"), environment("dev"));
    assert_eq!(store.live(order.clone(), dev.clone()).await.expect("read"), None);
    let first = store.deploy(revision("order", "one"), Landing::Live, releaser(), deployed()).await.expect("deployed");
    let second = store.deploy(revision("order", "two"), Landing::Live, releaser(), deployed()).await.expect("deployed");
    assert_eq!((first.number, second.number), (1, 2));
    assert_eq!(first.digest, revision("order", "one").digest());
    assert_eq!(store.live(order.clone(), dev.clone()).await.expect("read"), Some(second.clone()));

    let again = store.deploy(revision("order", "one"), Landing::Live, releaser(), deployed()).await.expect("deployed");
    assert_eq!(again, first, "the same upload is the same revision");
    assert_eq!(store.live(order.clone(), dev.clone()).await.expect("read"), Some(first.clone()));
    let back = store.select((order.clone(), dev.clone()), second.digest, releaser(), deployed()).await.expect("live");
    let live = store.all_live().await.expect("read");
    assert_eq!(live.into_iter().map(|live| live.revision).collect::<Vec<_>>(), [back]);
    assert_eq!(store.get(order.clone(), dev.clone(), first.digest).await.expect("read"), Some(first.clone()));
    let sources = store.sources(order.clone(), dev.clone(), first.digest).await.expect("read");
    assert_eq!(sources, Some(revision("order", "one").sources));

    let elsewhere = store.select((order.clone(), environment("prod")), first.digest, releaser(), deployed()).await;
    assert!(matches!(elsewhere, Err(StoreError::NotFound { .. })), "{elsewhere:?}");
    assert_eq!(store.live(order, environment("prod")).await.expect("read"), None);

    let filter = AuditFilter { kind: Some(AuditKind::FunctionDeployed), ..AuditFilter::default() };
    let revisions: Vec<_> = store.query(filter).await.expect("found").into_iter().map(|r| r.event.revision).collect();
    let expected = [&first, &second, &first, &second].map(|revision| Some(revision.digest.to_string().into()));
    assert_eq!(revisions, expected, "one event for each success, none for the failure");

    let compiled = airlock_model::Digest::of(b"compiled anew");
    store.set_artifact(first.component_digest, compiled).await.expect("recorded");
    let reread = store.get(function("order"), environment("dev"), first.digest).await.expect("read");
    assert_eq!(reread.map(|revision| revision.artifact_digest), Some(compiled));
    let unknown = store.set_artifact(compiled, compiled).await;
    assert!(matches!(unknown, Err(StoreError::NotFound { .. })), "{unknown:?}");
}

async fn lists_come_in_pages_with_tokens_of_their_own(store: &Store) {
    for name in ["alpha", "beta", "gamma"] {
        store.deploy(revision(name, name), Landing::Live, releaser(), deployed()).await.expect("deployed");
    }
    let dev = environment("dev");
    let page = |token| PageRequest { size: Some(3), token };
    let first = store.list(dev.clone(), page(None)).await.expect("listed");
    let token = first.next.expect("a second page");
    let second = store.list(dev.clone(), page(Some(token.clone()))).await.expect("listed");
    let names: Vec<_> = first.items.iter().chain(&second.items).map(|r| r.function.to_string()).collect();
    assert_eq!(names, ["alpha", "beta", "gamma", "order"]);
    assert_eq!(second.next, None, "the last page says so");

    let newest = store.revisions(function("order"), dev.clone(), PageRequest { size: Some(1), token: None }).await;
    let newest = newest.expect("listed");
    let older = PageRequest { size: Some(1), token: newest.next.clone() };
    let older = store.revisions(function("order"), dev.clone(), older).await.expect("listed");
    assert_eq!((newest.items[0].number, older.items[0].number, older.next), (2, 1, None));

    let text = token.to_string();
    assert_eq!(text.parse::<PageToken>().expect("its own text"), token);
    for foreign in [environment("prod"), environment("qa")] {
        let refused = store.list(foreign, page(Some(token.clone()))).await;
        assert!(matches!(refused, Err(StoreError::PageToken)), "{refused:?}");
    }
    let refused = store.revisions(function("order"), dev, page(Some(token))).await;
    assert!(matches!(refused, Err(StoreError::PageToken)), "{refused:?}");
    for nonsense in ["", "zz", "0011", &"00".repeat(100)] {
        assert!(matches!(nonsense.parse::<PageToken>(), Err(StoreError::PageToken)), "{nonsense}");
    }
}
