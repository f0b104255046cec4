//! Revocations and uses of tokens.

use airlock_model::{AuditEvent, AuditKind, Revocation, RevocationId, Revoked};

use super::{open, state_dir};
use crate::{CountedToken, StoreError};

fn revocation(id: &str, expires_unix_s: Option<u64>) -> Revocation {
    Revocation {
        id: RevocationId(id.to_owned()),
        what: Revoked::Subject,
        value: "ada".to_owned(),
        tenant: None,
        environment: None,
        issued_until_unix_s: Some(7),
        expires_unix_s,
        revoked_unix_ms: 5_000,
        by: "op".to_owned(),
        reason: "left".to_owned(),
    }
}

fn event() -> AuditEvent {
    AuditEvent::new(AuditKind::Revoked, 5_000)
}

fn token(id: &str) -> CountedToken {
    CountedToken { issuer: "https://a".to_owned(), token_id: id.to_owned(), expires_unix_s: 100 }
}

#[tokio::test]
async fn revocations_last_until_they_are_lifted_or_over() {
    let dir = state_dir();
    {
        let store = open(dir.path());
        store.keep_revocation(revocation("forever", None), event()).await.expect("kept");
        store.keep_revocation(revocation("short", Some(50)), event()).await.expect("kept");
    }
    let store = open(dir.path());
    let ids = |found: Vec<Revocation>| found.into_iter().map(|one| one.id.0).collect::<Vec<_>>();
    assert_eq!(ids(store.revocations(50).await.expect("read")), ["forever", "short"]);
    assert_eq!(ids(store.revocations(51).await.expect("read")), ["forever"]);
    let id = RevocationId("forever".to_owned());
    let lifted = store.lift_revocation(id.clone(), event()).await.expect("lifted");
    assert_eq!(lifted, revocation("forever", None));
    assert!(matches!(store.lift_revocation(id, event()).await, Err(StoreError::NotFound { .. })));
    assert!(store.revocations(51).await.expect("read").is_empty());
}

#[tokio::test]
async fn a_token_is_counted_as_often_as_it_may_across_restarts() {
    let dir = state_dir();
    let both = || vec![(token("parent"), 2), (token("child"), 5)];
    {
        let store = open(dir.path());
        assert!(store.count_calls(both(), 10).await.expect("counted"));
    }
    let store = open(dir.path());
    assert!(store.count_calls(both(), 10).await.expect("counted"));
    assert!(!store.count_calls(both(), 10).await.expect("judged"), "the parent is used up");
    let child = || vec![(token("child"), 3)];
    assert!(store.count_calls(child(), 10).await.expect("counted"), "a refused call counted for neither");
    assert!(!store.count_calls(child(), 10).await.expect("judged"));
    let elsewhere = CountedToken { issuer: "https://b".to_owned(), ..token("child") };
    assert!(store.count_calls(vec![(elsewhere, 1)], 10).await.expect("counted"));
    assert!(store.count_calls(both(), 100).await.is_ok_and(|counted| !counted), "used up to its last second");
    assert!(!store.count_calls(both(), 101).await.expect("judged"), "forgotten, and no longer good for anything");
}

#[tokio::test]
async fn effects_belong_to_the_first_call_that_claims_them() {
    let dir = state_dir();
    {
        let store = open(dir.path());
        assert!(store.claim_effects(token("t"), "call-1".to_owned(), 10).await.expect("claimed"));
        assert!(store.claim_effects(token("t"), "call-1".to_owned(), 10).await.expect("its own"));
        assert!(!store.claim_effects(token("t"), "call-2".to_owned(), 10).await.expect("judged"));
        assert!(store.count_calls(vec![(token("t"), 1)], 10).await.expect("counted"));
        assert!(!store.claim_effects(token("t"), "call-2".to_owned(), 10).await.expect("judged"));
        assert!(store.count_calls(vec![(token("u"), 1)], 10).await.expect("counted"));
        assert!(store.claim_effects(token("u"), "call-3".to_owned(), 10).await.expect("counted before, claimed now"));
    }
    let store = open(dir.path());
    assert!(!store.claim_effects(token("t"), "call-2".to_owned(), 10).await.expect("judged"));
    for call in ["call-1", "call-2", "call-3"] {
        let claimed = store.claim_effects(token("t"), call.to_owned(), 101).await.expect("judged");
        assert!(!claimed, "what is forgotten must not look unused: {call}");
    }
}
