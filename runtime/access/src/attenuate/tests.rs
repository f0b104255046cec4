use std::collections::BTreeSet;

use airlock_model::{FunctionName, Limit};
use proptest::{prelude::*, sample::subsequence, test_runner::TestRunner};
use serde_json::json;

use super::*;
use crate::{
    Algorithm, Authenticator, KeySet, KeyTag, Presented, TokenPolicy, TokenRefusal,
    fixture::{Fixture, INSTANCE, NOW, PLATFORM, claims, claims_but, issuer, policy, signed},
    public_jwks,
};

const OWN: &str = "https://airlock.example";

struct House {
    fixture: Fixture,
    own: TokenIssuer,
    authenticator: Authenticator,
}

impl House {
    fn new() -> Self {
        let fixture = Fixture::new();
        let key = SigningKey::generate(Algorithm::EdDsa, "own-1").unwrap();
        let issuers = vec![issuer(PLATFORM, &[&fixture.ed]), issuer(OWN, &[&key])];
        let authenticator = Authenticator::new(policy(issuers)).unwrap();
        let own = TokenIssuer { iss: OWN.to_owned(), instance: INSTANCE.to_owned(), key };
        Self { fixture, own, authenticator }
    }

    fn verified(&self, token: &str) -> VerifiedToken {
        self.authenticator.verify(Presented::bearer(Some(token)), NOW).unwrap()
    }

    fn root(&self, changes: serde_json::Value) -> VerifiedToken {
        self.verified(&self.fixture.token(&claims_but(changes)))
    }

    fn child(&self, parent: &VerifiedToken, narrowing: Narrowing) -> VerifiedToken {
        self.verified(&self.own.attenuate(parent, narrowing, NOW).unwrap().token)
    }
}

fn scopes(text: &str) -> Vec<Scope> {
    text.split(' ').map(|word| word.parse().unwrap()).collect()
}

fn named(names: &[&str]) -> Functions {
    Functions::Named(names.iter().map(|name| name.parse().unwrap()).collect())
}

#[test]
fn a_child_names_its_parents_and_ends_with_the_first() {
    let house = House::new();
    let root = house.root(json!({"calls": 5}));
    let child = house.child(&root, Narrowing { lifetime_s: Some(30), ..Narrowing::default() });
    let grandchild = house.child(&child, Narrowing { calls_max: NonZeroU32::new(2), ..Narrowing::default() });
    assert_eq!(child.issuer(), OWN);
    assert_eq!((child.issued_at_unix_s(), child.expires_at_unix_s()), (NOW - 60, NOW + 30));
    assert_eq!(grandchild.chain(), [root.link(), child.link()]);
    assert_eq!((grandchild.root(), root.root()), (root.link(), root.link()));
    assert_eq!(grandchild.calls_max().map(NonZeroU32::get), Some(2));
    let ids: Vec<_> = grandchild.token_ids().map(str::to_owned).collect();
    assert_eq!(ids, [grandchild.token_id().as_ref(), root.token_id(), child.token_id()]);
    assert_eq!(grandchild.principal(), root.principal());
    assert_eq!(grandchild.environment(), root.environment());
}

#[test]
fn what_the_parent_lacks_cannot_be_given() {
    let house = House::new();
    let root = house.root(json!({"scope": "orders-db:read crm:GET:/customers/* function:deploy"}));
    let refused = |narrowing: Narrowing| house.own.attenuate(&root, narrowing, NOW).unwrap_err();
    for scope in ["orders-db:write", "crm:GET", "crm:POST:/customers/*", "audit:read", "other:read"] {
        let why = refused(Narrowing { scopes: Some(scopes(scope)), ..Narrowing::default() });
        assert_eq!(why.reason, Reason::NotGranted, "{scope}");
        assert!(why.message.contains(scope), "{}", why.message);
    }
    for functions in [Functions::All, named(&["order-summary", "another"])] {
        let why = refused(Narrowing { functions: Some(functions), ..Narrowing::default() });
        assert_eq!(why.reason, Reason::NotGranted);
    }
    assert_eq!(refused(Narrowing { lifetime_s: Some(0), ..Narrowing::default() }).reason, Reason::RequestMalformed);
    let less = Narrowing { scopes: Some(scopes("crm:GET:/customers/7")), ..Narrowing::default() };
    assert_eq!(house.child(&root, less).scopes().collect::<Vec<_>>(), scopes("crm:GET:/customers/7"));
}

#[test]
fn a_chain_has_an_end() {
    let house = House::new();
    let mut token = house.root(json!({}));
    for _ in 0..CHAIN_MAX {
        token = house.child(&token, Narrowing::default());
    }
    let why = house.own.attenuate(&token, Narrowing::default(), NOW).unwrap_err();
    assert_eq!(why.reason, Reason::NotGranted);
}

#[test]
fn a_child_dies_with_the_trust_in_its_parents_issuer() {
    let house = House::new();
    let child = house.own.attenuate(&house.root(json!({})), Narrowing::default(), NOW).unwrap();
    let alone = Authenticator::new(policy(vec![issuer(OWN, &[&house.own.key])])).unwrap();
    assert!(house.authenticator.verify(Presented::bearer(Some(&child.token)), NOW).is_ok());
    let why = alone.verify(Presented::bearer(Some(&child.token)), NOW).unwrap_err();
    assert!(why.log.unwrap().contains("`chain` or `origins`"));
    let exchanged = signed(&house.own.key, &crate::fixture::header(&house.own.key), &{
        let mut claims = claims();
        claims["iss"] = json!(OWN);
        claims["origins"] = json!([{"iss": "https://login.example", "jti": "", "key": "AAAAAAAAAAAAAAAAAAAAAA"}]);
        claims
    });
    assert!(
        house.authenticator.verify(Presented::bearer(Some(&exchanged)), NOW).is_err(),
        "nobody of that name is exchanged"
    );
}

fn set(keys: &[&SigningKey]) -> Option<KeySet> {
    Some(KeySet::parse(&public_jwks(keys)).unwrap())
}

/// Also where it was verified before, and where a middle key goes and not the first.
#[test]
fn a_child_dies_with_the_key_of_its_parent_and_lives_through_a_rotation_with_overlap() {
    let house = House::new();
    let root = house.root(json!({}));
    let minted = house.own.attenuate(&root, Narrowing::default(), NOW).unwrap().token;
    let grandchild = house.own.attenuate(&house.verified(&minted), Narrowing::default(), NOW).unwrap().token;
    let judge = |token: &str| house.authenticator.judge(token, NOW).err();
    let (old, next) = (&house.fixture.ed, SigningKey::generate(Algorithm::EdDsa, "ed-2").unwrap());
    let renamed = SigningKey::from_pkcs8(Algorithm::EdDsa, "ed-2", old.to_pkcs8().unwrap().expose()).unwrap();
    let replace = |keys| house.authenticator.replace_keys(PLATFORM, keys).unwrap();
    let grants = house.verified(&grandchild).grants();
    replace(set(&[old, &next]));
    assert!(std::sync::Arc::ptr_eq(&grants, &house.verified(&grandchild).grants()), "still remembered");
    for (keys, expected) in [
        (set(&[&next]), Some(TokenRefusal::ChainKey)),
        (set(&[old, &next]), None),
        (set(&[&renamed]), Some(TokenRefusal::ChainKey)),
        (None, Some(TokenRefusal::KeysUnavailable)),
        (set(&[old]), None),
    ] {
        replace(keys);
        for token in [&minted, &grandchild] {
            assert_eq!(judge(token), expected, "as its parent");
            assert_eq!(judge(token), expected, "not remembered either");
        }
    }
}

#[test]
fn an_exchanged_token_dies_with_the_key_of_its_login() {
    let (house, login, other) = (House::new(), "https://login.example", "https://actor.example");
    let [key, next, actor] =
        ["idp-1", "idp-2", "idp-1"].map(|kid| SigningKey::generate(Algorithm::EdDsa, kid).unwrap());
    let issuers = vec![issuer(PLATFORM, &[&house.fixture.ed]), issuer(OWN, &[&house.own.key])];
    let exchanged = vec![issuer(login, &[&key]), issuer(other, &[&actor])];
    let authenticator = Authenticator::new(TokenPolicy { exchanged, ..policy(issuers) }).unwrap();
    let tag = |key| KeyTag::from(set(&[key]).unwrap().get("idp-1").unwrap().mark()).to_string();
    let origins = json!([{"iss": login, "jti": "", "key": tag(&key)}, {"iss": other, "jti": "a", "key": tag(&actor)}]);
    let token = signed(
        &house.own.key,
        &crate::fixture::header(&house.own.key),
        &claims_but(json!({"iss": OWN, "origins": origins})),
    );
    let parent = authenticator.judge(&token, NOW).unwrap();
    let child = house.own.attenuate(&parent, Narrowing::default(), NOW).unwrap().token;
    let judge = |token: &str| authenticator.judge(token, NOW).err();
    let replace = |iss, keys| authenticator.replace_keys(iss, keys).unwrap();
    assert_eq!(judge(&child), None);
    for (iss, keys, expected) in [
        (login, set(&[&key, &next]), None),
        (login, set(&[&next]), Some(TokenRefusal::ChainKey)),
        (login, set(&[&actor]), Some(TokenRefusal::ChainKey)),
        (login, set(&[&key]), None),
        (other, set(&[&key]), Some(TokenRefusal::ChainKey)),
        (other, None, Some(TokenRefusal::KeysUnavailable)),
        (other, set(&[&actor]), None),
    ] {
        replace(iss, keys);
        assert_eq!((judge(&token), judge(&child)), (expected, expected), "{iss}");
    }
    // Whose tokens are exchanged is still nobody whose tokens are accepted.
    let theirs = signed(&key, &crate::fixture::header(&key), &claims_but(json!({ "iss": login })));
    assert_eq!(judge(&theirs), Some(TokenRefusal::KeyUnknown));
}

/// Of a server that shares our key and has seen the parent's key before we have.
#[test]
fn a_parents_key_that_is_not_known_here_is_looked_for_when_our_own_key_vouches_for_it() {
    let house = House::new();
    let child = house.own.attenuate(&house.root(json!({})), Narrowing::default(), NOW).unwrap().token;
    let forged = house.fixture.token(&claims_but(json!({
        "iss": OWN, "chain": [{"iss": PLATFORM, "jti": "a", "key": "AAAAAAAAAAAAAAAAAAAAAA"}]
    })));
    let header = crate::fixture::header(&house.own.key);
    let (_, rest) = forged.split_once('.').unwrap();
    let forged = format!("{}.{rest}", crate::bytes::encode(header.to_string()));
    let missing = |token: &str| house.authenticator.missing_key(token);
    assert_eq!(missing(&child), None);
    house.authenticator.replace_keys(PLATFORM, set(&[&house.own.key])).unwrap();
    let found = missing(&child).unwrap();
    assert_eq!(found.iss, PLATFORM);
    assert!(found.key.is_in(&set(&[&house.fixture.ed]).unwrap()) && !found.key.is_in(&set(&[&house.own.key]).unwrap()));
    assert_eq!(missing(&forged), None, "nobody has signed it");
}

/// What a token lets anybody do, asked from outside: every scope for every function, at every time.
fn allowed(token: &VerifiedToken, functions: &[FunctionName], probes: &[Scope]) -> BTreeSet<(usize, usize)> {
    let mut allowed = BTreeSet::new();
    for (f, function) in functions.iter().enumerate().filter(|(_, function)| token.covers(function)) {
        for (s, probe) in probes.iter().enumerate() {
            if token.scopes().any(|scope| scope.covers(probe)) {
                allowed.insert((f, s));
            }
        }
        let _ = function;
    }
    allowed
}

/// `AIRLOCK_CHAINS=100000` for the whole promise.
#[test]
#[expect(clippy::disallowed_methods, reason = "a test may be told how long to go on")]
fn a_random_chain_only_ever_loses() {
    let chains = std::env::var("AIRLOCK_CHAINS").ok().and_then(|text| text.parse().ok()).unwrap_or(2_000);
    let house = House::new();
    let names = ["a", "b", "c", "order-summary"];
    let words = [
        "orders-db:read",
        "orders-db:write",
        "crm:GET",
        "crm:GET:/a/*",
        "crm:GET:/a/b",
        "crm:GET:/a/**",
        "crm:POST:/a/b",
        "function:deploy",
        "resource:edit",
        "orders-db:edit",
        "audit:read",
    ];
    let probes: Vec<Scope> = words.iter().map(|word| word.parse().unwrap()).collect();
    let functions: Vec<FunctionName> = names.iter().map(|name| name.parse().unwrap()).collect();
    let step = (
        prop::option::of(subsequence(functions.clone(), 0..=4)),
        prop::option::of(subsequence(probes.clone(), 0..=4)),
        prop::option::of(1u64..400),
        prop::option::of(1u64..50_000),
        prop::option::of(1u32..9),
    );
    let chain = (any::<bool>(), subsequence(probes.clone(), 0..=11), prop::collection::vec(step, 1..5));
    let mut runner =
        TestRunner::new(ProptestConfig { cases: chains, failure_persistence: None, ..ProptestConfig::default() });
    let refusals = std::cell::Cell::new(0u32);
    let ran = runner.run(&chain, |(all, root_scopes, steps)| {
        let scope = root_scopes.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ");
        let names: Vec<_> = if all { vec!["*"] } else { vec!["a", "b"] };
        let mut parent = house.root(json!({"functions": names, "scope": scope}));
        for (functions_asked, scopes_asked, lifetime_s, wall, calls) in steps {
            let mut limits = LimitCaps::default();
            if let Some(wall) = wall {
                limits.set(Limit::WallTimeMs, wall.try_into().unwrap());
            }
            let narrowing = Narrowing {
                functions: functions_asked.map(Functions::Named),
                scopes: scopes_asked,
                lifetime_s,
                limits,
                calls_max: calls.and_then(NonZeroU32::new),
            };
            let Ok(minted) = house.own.attenuate(&parent, narrowing, NOW) else {
                refusals.set(refusals.get() + 1);
                continue;
            };
            let child = house.verified(&minted.token);
            let (mine, its) = (allowed(&child, &functions, &probes), allowed(&parent, &functions, &probes));
            prop_assert!(mine.is_subset(&its), "{mine:?} {its:?}");
            prop_assert!(child.expires_at_unix_s() <= parent.expires_at_unix_s());
            prop_assert!(child.not_before_unix_s() >= parent.not_before_unix_s());
            prop_assert!(child.issued_at_unix_s() == parent.issued_at_unix_s());
            prop_assert!(child.environment() == parent.environment() && child.principal() == parent.principal());
            let limit = |token: &VerifiedToken| token.limit_caps().wall_time_ms.map_or(u64::MAX, u64::from);
            prop_assert!(limit(&child) <= limit(&parent));
            let calls = |token: &VerifiedToken| token.calls_max().map_or(u32::MAX, u32::from);
            prop_assert!(calls(&child) <= calls(&parent));
            prop_assert!(child.chain().starts_with(parent.chain()) && child.chain().last() == Some(&parent.link()));
            parent = child;
        }
        Ok(())
    });
    ran.unwrap();
    assert!(refusals.get() > 0, "some of what was asked must have been more than the parent had");
}
