//! What is live: the way there, the way back, and what stands beside it.

use airlock_model::{AuditKind, Digest};

use super::{deployed, environment, function, open, releaser, revision, state_dir};
use crate::{AuditFilter, LIVE_ALIAS, Landing, LiveFunction, NewRevision, Share, Store, StoreError};

async fn deploy(store: &Store, content: &str) -> Digest {
    let stored = store.deploy(revision("order", content), Landing::Live, releaser(), deployed()).await;
    stored.expect("deployed").digest
}

async fn live(store: &Store) -> Option<LiveFunction> {
    store.live_function(function("order"), environment("dev")).await.expect("read")
}

async fn live_digest(store: &Store) -> Digest {
    live(store).await.expect("live").revision.digest
}

async fn roll_back(store: &Store) -> Result<Digest, StoreError> {
    let target = store.rollback_target(function("order"), environment("dev")).await.expect("read");
    back_to(store, target.map_or_else(|| Digest::of(b"nothing"), |target| target.digest)).await
}

async fn back_to(store: &Store, judged: Digest) -> Result<Digest, StoreError> {
    let back = store.roll_back((function("order"), environment("dev")), judged, releaser(), deployed()).await;
    back.map(|revision| revision.digest)
}

/// Of two who judged the same way back, the second would be led one step further, to what nobody has judged.
#[tokio::test]
async fn a_rollback_leads_to_what_was_judged_or_nowhere() {
    let dir = state_dir();
    let store = open(dir.path());
    let [one, two, _] = [deploy(&store, "one").await, deploy(&store, "two").await, deploy(&store, "three").await];
    let (first, second) = tokio::join!(back_to(&store, two), back_to(&store, two));
    let ends = [first, second];
    assert_eq!(ends.iter().filter(|end| matches!(end, Ok(digest) if *digest == two)).count(), 1, "{ends:?}");
    assert!(ends.iter().any(|end| matches!(end, Err(StoreError::Superseded { .. }))), "{ends:?}");
    assert_eq!(live_digest(&store).await, two);
    assert_eq!(back_to(&store, one).await.expect("the twin: judged anew"), one);
}

#[tokio::test]
async fn an_alias_too_many_is_refused_and_the_others_stay() {
    let dir = state_dir();
    let store = open(dir.path());
    let one = deploy(&store, "one").await;
    let set = async |name: String| {
        let shares = vec![Share { revision: one, percent: 100 }];
        let subject = (function("order"), environment("dev"));
        store.set_alias(subject, name.parse().expect("a name"), shares, deployed()).await
    };
    for number in 0..20 {
        set(format!("a{number}")).await.expect("room");
    }
    let full = set("a20".to_owned()).await;
    assert!(matches!(full, Err(StoreError::Full { max: 20, .. })), "{full:?}");
    assert_eq!(live(&store).await.expect("live").aliases.len(), 20);
    set("a0".to_owned()).await.expect("the twin: one that is there can change");
}

#[tokio::test]
async fn what_is_promoted_after_it_was_uploaded_says_where_it_came_from() {
    let dir = state_dir();
    let store = open(dir.path());
    let one = deploy(&store, "one").await;
    let found = async || {
        let found = store.get(function("order"), environment("dev"), one).await;
        found.expect("read").expect("there").promoted_from
    };
    assert_eq!(found().await, None);
    let qa = Some(environment("qa"));
    let again = NewRevision { promoted_from: qa.clone(), ..revision("order", "one") };
    store.deploy(again, Landing::Live, releaser(), deployed()).await.expect("promoted");
    assert_eq!(found().await, qa);
    deploy(&store, "one").await;
    assert_eq!(found().await, qa, "an upload of the same takes nothing back");
}

#[tokio::test]
async fn a_rollback_leads_one_step_back_each_time() {
    let dir = state_dir();
    let store = open(dir.path());
    let [one, two, three] = [deploy(&store, "one").await, deploy(&store, "two").await, deploy(&store, "three").await];
    assert_eq!(roll_back(&store).await.expect("back"), two);
    assert_eq!(roll_back(&store).await.expect("back"), one);
    let end = roll_back(&store).await;
    assert!(matches!(end, Err(StoreError::NotFound { .. })), "{end:?}");
    assert_eq!(live_digest(&store).await, one, "nothing has changed");

    // What comes after a rollback leads back to what the rollback led to.
    let four = deploy(&store, "four").await;
    assert_eq!(live_digest(&store).await, four);
    assert_eq!(roll_back(&store).await.expect("back"), one);
    let named = store.select((function("order"), environment("dev")), three, releaser(), deployed()).await;
    assert_eq!(named.expect("selected").digest, three);
    assert_eq!(roll_back(&store).await.expect("back"), one, "a rollback undoes a selection as well");
}

#[tokio::test]
async fn a_release_that_fails_leaves_everything_as_it_was() {
    let dir = state_dir();
    let store = open(dir.path());
    let new = revision("order", "one");
    let share = store.deploy(new, Landing::Share(5), releaser(), deployed()).await;
    assert!(matches!(share, Err(StoreError::NotFound { .. })), "a share of nothing: {share:?}");
    assert_eq!(live(&store).await, None);
    let found = store.get(function("order"), environment("dev"), revision("order", "one").digest()).await;
    assert_eq!(found.expect("read"), None, "not even the revision is stored");
    let events = store.query(AuditFilter { kind: Some(AuditKind::FunctionDeployed), ..AuditFilter::default() }).await;
    assert_eq!(events.expect("found").len(), 0);
}

#[tokio::test]
async fn a_promotion_beside_what_is_live_ends_with_the_next_release() {
    let dir = state_dir();
    let store = open(dir.path());
    let one = deploy(&store, "one").await;
    let qa = Some(environment("qa"));
    let new = NewRevision { promoted_from: qa.clone(), ..revision("order", "two") };
    let two = store.deploy(new, Landing::Share(5), releaser(), deployed()).await.expect("stored");
    assert_eq!(two.promoted_from, qa);
    let found = live(&store).await.expect("live");
    assert_eq!(found.revision.digest, one);
    let shares = &found.aliases[&LIVE_ALIAS.parse().expect("a name")];
    assert_eq!(
        shares.iter().map(|(percent, revision)| (*percent, revision.digest)).collect::<Vec<_>>(),
        [(5, two.digest)]
    );

    deploy(&store, "three").await;
    assert_eq!(live(&store).await.expect("live").aliases.len(), 0);
}

#[tokio::test]
async fn aliases_lead_only_to_revisions_that_are_there() {
    let dir = state_dir();
    let store = open(dir.path());
    let subject = || (function("order"), environment("dev"));
    let [one, two] = [deploy(&store, "one").await, deploy(&store, "two").await];
    let next: airlock_model::AliasName = "next".parse().expect("a name");
    let shares = vec![Share { revision: one, percent: 30 }, Share { revision: two, percent: 70 }];
    store.set_alias(subject(), next.clone(), shares, deployed()).await.expect("set");
    assert_eq!(live(&store).await.expect("live").aliases[&next].len(), 2);

    let missing = vec![Share { revision: Digest::of(b"nothing"), percent: 100 }];
    let refused = store.set_alias(subject(), next.clone(), missing, deployed()).await;
    assert!(matches!(refused, Err(StoreError::NotFound { .. })), "{refused:?}");
    assert_eq!(live(&store).await.expect("live").aliases[&next].len(), 2, "the old meaning stays");
    let elsewhere = (function("order"), environment("prod"));
    let refused = store.set_alias(elsewhere, next.clone(), Vec::new(), deployed()).await;
    assert!(matches!(refused, Err(StoreError::NotFound { .. })), "{refused:?}");

    store.set_alias(subject(), next, Vec::new(), deployed()).await.expect("gone");
    assert_eq!(live(&store).await.expect("live").aliases.len(), 0);
}

#[tokio::test]
async fn what_is_disabled_or_deleted_stays_so_and_keeps_its_past() {
    let dir = state_dir();
    let store = open(dir.path());
    let subject = || (function("order"), environment("dev"));
    deploy(&store, "one").await;
    let (name, place) = subject();
    store.set_disabled(name, place, Some("it loses orders".to_owned()), deployed()).await.expect("disabled");
    let two = deploy(&store, "two").await;
    drop(store);
    let store = open(dir.path());
    let found = live(&store).await.expect("live");
    assert_eq!(
        (found.revision.digest, found.disabled.as_deref()),
        (two, Some("it loses orders")),
        "a deploy is no consent"
    );
    let (name, place) = subject();
    store.set_disabled(name, place, None, deployed()).await.expect("enabled");
    assert_eq!(live(&store).await.expect("live").disabled, None);

    let (name, place) = subject();
    store.delete(name, place, deployed()).await.expect("deleted");
    assert_eq!((live(&store).await, store.all_live().await.expect("read")), (None, Vec::new()));
    for again in
        [store.delete(function("order"), environment("dev"), deployed()).await, roll_back(&store).await.map(drop)]
    {
        assert!(matches!(again, Err(StoreError::NotFound { .. })), "{again:?}");
    }
    let stored =
        store.deploy(revision("order", "three"), Landing::Live, releaser(), deployed()).await.expect("deployed");
    assert_eq!(stored.number, 3, "numbers go on");
    assert!(
        matches!(roll_back(&store).await, Err(StoreError::NotFound { .. })),
        "the past before a deletion is closed"
    );
}
