mod issuers;

use serde_json::json;

use super::*;
use crate::{
    Algorithm, KeySet, Presented, SigningKey,
    fixture::{Fixture, NOW, OTHER, PLATFORM, claims, claims_but, header, issuer, policy, signed},
    public_jwks,
};

fn ed(key_id: &str) -> SigningKey {
    SigningKey::generate(Algorithm::EdDsa, key_id).unwrap()
}

fn keys(key: &SigningKey) -> KeySet {
    KeySet::parse(&public_jwks(&[key])).unwrap()
}

#[test]
fn policies_that_cannot_be_meant_are_refused() {
    let (a, b) = (ed("a"), ed("b"));
    let good = || policy(vec![issuer(PLATFORM, &[&a]), issuer(OTHER, &[&b])]);
    assert!(Authenticator::new(good()).is_ok());
    let refused = |policy| Authenticator::new(policy).err().unwrap();
    for instance in ["", "a b", "\u{e9}", "a\n"] {
        assert_eq!(refused(TokenPolicy { instance: instance.to_owned(), ..good() }), PolicyError::Instance);
    }
    assert_eq!(refused(policy(Vec::new())), PolicyError::NoIssuer);
    assert_eq!(refused(TokenPolicy { lifetime_max_s: 0, ..good() }), PolicyError::Lifetime);
    assert_eq!(refused(TokenPolicy { leeway_s: 6, ..good() }), PolicyError::Leeway(6));
    let twice = policy(vec![issuer(PLATFORM, &[&a]), issuer(PLATFORM, &[&b])]);
    assert_eq!(refused(twice), PolicyError::IssuerName(PLATFORM.to_owned()));
}

#[test]
fn no_token_is_refused() {
    let fixture = Fixture::new();
    for token in [None, Some("")] {
        let failure = fixture.authenticator.verify(Presented::bearer(token), NOW).unwrap_err();
        assert_eq!(failure.log.as_deref(), Some("no token was sent"));
    }
}

#[test]
fn neither_failure_nor_debug_repeats_what_the_token_says() {
    let fixture = Fixture::new();
    let secret = claims_but(json!({"sub": "canary", "tenant": "canary", "exp": 1, "iat": 0}));
    let token = fixture.token(&secret);
    let failure = fixture.authenticator.verify(Presented::bearer(Some(&token)), NOW).unwrap_err();
    let text = format!("{failure:?}");
    assert!(!text.contains("canary") && !text.contains(&token[..20]), "{text}");
    let verified = fixture.verified(&claims_but(json!({"sub": "canary"})));
    assert_eq!(format!("{verified:?}"), "VerifiedToken(\"token-1\", ..)");
}

#[test]
fn rotation_takes_effect_at_once_also_for_remembered_tokens() {
    let fixture = Fixture::new();
    let token = signed(&fixture.ed, &header(&fixture.ed), &claims());
    assert!(fixture.judge(&token).is_ok());
    let next = ed("ed-2");
    fixture.authenticator.replace_keys(PLATFORM, Some(keys(&next))).unwrap();
    assert_eq!(fixture.judge(&token).err(), Some(TokenRefusal::KeyUnknown));
    assert!(fixture.judge(&signed(&next, &header(&next), &claims())).is_ok());
    let theirs = claims_but(json!({"iss": OTHER}));
    assert!(fixture.judge(&signed(&fixture.other, &header(&fixture.other), &theirs)).is_ok());
}

#[test]
fn a_key_replaced_under_the_same_kid_ends_the_old_tokens() {
    let fixture = Fixture::new();
    let token = signed(&fixture.ed, &header(&fixture.ed), &claims());
    assert!(fixture.judge(&token).is_ok());
    fixture.authenticator.replace_keys(PLATFORM, Some(keys(&ed("ed-1")))).unwrap();
    assert_eq!(fixture.judge(&token).err(), Some(TokenRefusal::Signature));
}

#[test]
fn a_refused_rotation_changes_nothing() {
    let fixture = Fixture::new();
    let token = signed(&fixture.ed, &header(&fixture.ed), &claims());
    let nobody = "https://nobody.example";
    let why = fixture.authenticator.replace_keys(nobody, Some(keys(&ed("x")))).unwrap_err();
    assert_eq!(why, PolicyError::IssuerUnknown(nobody.into()));
    assert!(fixture.judge(&token).is_ok());
}

#[test]
fn a_remembered_token_is_the_same_token() {
    let fixture = Fixture::new();
    let token = fixture.token(&claims());
    let (first, second) = (fixture.judge(&token).unwrap(), fixture.judge(&token).unwrap());
    assert!(std::sync::Arc::ptr_eq(&first.grants(), &second.grants()), "the second came from the cache");
}

#[test]
fn refusals_are_not_remembered() {
    let fixture = Fixture::new();
    let early = fixture.token(&claims_but(json!({"nbf": NOW + 20})));
    assert_eq!(fixture.judge(&early).err(), Some(TokenRefusal::NotYetValid));
    assert!(fixture.authenticator.judge(&early, NOW + 15).is_ok());
}

#[test]
fn bearer_tokens_are_cut_out_of_the_header_value() {
    for text in ["Bearer abc", "bearer abc", "BEARER abc"] {
        assert_eq!(bearer_token(text), Some("abc"));
    }
    for text in ["abc", "Basic abc", "Bearerabc", ""] {
        assert_eq!(bearer_token(text), None);
    }
    assert_eq!(bearer_token("Bearer  abc"), Some(" abc"), "the second space is part of the token, which is refused");
}
