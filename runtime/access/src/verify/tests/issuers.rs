//! Several issuers: whose key a `kid` is, keys that are replaced or not at hand, and algorithms of their own.

use airlock_model::Reason;
use aws_lc_rs::{
    hmac,
    rand::SystemRandom,
    rsa::{KeyPair, KeySize},
    signature::{KeyPair as _, RSA_PKCS1_SHA256},
};
use serde_json::Value;

use super::*;
use crate::{Algorithms, bytes};

const THIRD: &str = "https://third.example";

/// The platform and the other issuer, each with a key of its own that is called `shared`.
struct Shared {
    ours: SigningKey,
    theirs: SigningKey,
    authenticator: Authenticator,
}

impl Shared {
    fn new() -> Self {
        let (ours, theirs) = (ed("shared"), ed("shared"));
        let policy = policy(vec![issuer(PLATFORM, &[&ours]), issuer(OTHER, &[&theirs])]);
        Self { authenticator: Authenticator::new(policy).unwrap(), ours, theirs }
    }

    fn refused(&self, key: &SigningKey, iss: &str) -> Option<TokenRefusal> {
        self.authenticator.judge(&token_of(key, iss), NOW).err()
    }
}

fn token_of(key: &SigningKey, iss: &str) -> String {
    signed(key, &header(key), &claims_but(json!({ "iss": iss })))
}

#[test]
fn a_kid_of_two_issuers_is_the_key_of_the_one_that_the_token_names() {
    let shared = Shared::new();
    assert_eq!(shared.refused(&shared.ours, PLATFORM), None);
    assert_eq!(shared.refused(&shared.theirs, OTHER), None);
    assert_eq!(shared.refused(&shared.ours, OTHER), Some(TokenRefusal::Signature));
    assert_eq!(shared.refused(&shared.theirs, PLATFORM), Some(TokenRefusal::Signature));
    assert_eq!(shared.refused(&ed("shared"), PLATFORM), Some(TokenRefusal::Signature));
    assert_eq!(shared.refused(&shared.ours, THIRD), Some(TokenRefusal::Issuer));
    assert_eq!(shared.refused(&ed("unknown"), PLATFORM), Some(TokenRefusal::KeyUnknown));
    let odd = |claims: Value| shared.authenticator.judge(&signed(&shared.ours, &header(&shared.ours), &claims), NOW);
    for iss in [json!(null), json!(7), json!([PLATFORM])] {
        assert_eq!(odd(claims_but(json!({ "iss": iss }))).err(), Some(TokenRefusal::Issuer));
    }
}

#[test]
fn a_new_key_of_one_issuer_may_be_called_like_another_issuers() {
    let fixture = Fixture::new();
    let before = token_of(&fixture.other, OTHER);
    assert!(fixture.judge(&before).is_ok());
    let ours = ed("other-1");
    fixture.authenticator.replace_keys(PLATFORM, Some(keys(&ours))).unwrap();
    assert!(fixture.judge(&before).is_ok() && fixture.judge(&token_of(&ours, PLATFORM)).is_ok());
    assert_eq!(fixture.judge(&token_of(&ours, OTHER)).err(), Some(TokenRefusal::Signature));
    assert_eq!(fixture.judge(&token_of(&fixture.other, PLATFORM)).err(), Some(TokenRefusal::Signature));
}

/// Without it, whoever publishes keys could have every token of everybody verified again.
#[test]
fn a_rotation_forgets_the_tokens_of_keys_that_are_gone_and_no_others() {
    let fixture = Fixture::new();
    let (of_ed, of_ec) = (token_of(&fixture.ed, PLATFORM), token_of(&fixture.ec, PLATFORM));
    let of_other = token_of(&fixture.other, OTHER);
    let grants = |token: &str| fixture.judge(token).unwrap().grants();
    let before = [grants(&of_ed), grants(&of_other)];
    assert!(fixture.judge(&of_ec).is_ok());
    let next = ed("ed-2");
    let overlap = KeySet::parse(&public_jwks(&[&fixture.ed, &next])).unwrap();
    fixture.authenticator.replace_keys(PLATFORM, Some(overlap)).unwrap();
    let after = [grants(&of_ed), grants(&of_other)];
    assert!(before.iter().zip(&after).all(|(one, other)| std::sync::Arc::ptr_eq(one, other)), "still remembered");
    assert_eq!(fixture.judge(&of_ec).err(), Some(TokenRefusal::KeyUnknown));
    // The same name for another key.
    fixture.authenticator.replace_keys(PLATFORM, Some(keys(&ed("ed-1")))).unwrap();
    assert_eq!(fixture.judge(&of_ed).err(), Some(TokenRefusal::Signature));
}

#[test]
fn tokens_of_an_issuer_without_keys_are_told_so_and_no_others() {
    let fixture = Fixture::new();
    let (ours, theirs) = (token_of(&fixture.ed, PLATFORM), token_of(&fixture.other, OTHER));
    assert!(fixture.judge(&theirs).is_ok(), "and now it is remembered");
    fixture.authenticator.replace_keys(OTHER, None).unwrap();
    assert_eq!(fixture.judge(&theirs).err(), Some(TokenRefusal::KeysUnavailable));
    let failure = fixture.authenticator.verify(crate::Presented::bearer(Some(&theirs)), NOW).unwrap_err();
    assert_eq!(failure.reason, Reason::KeysUnavailable);
    assert!(fixture.judge(&ours).is_ok());
    assert_eq!(fixture.judge(&token_of(&fixture.other, PLATFORM)).err(), Some(TokenRefusal::KeyUnknown));
    assert_eq!(fixture.judge(&token_of(&ed("ed-1"), PLATFORM)).err(), Some(TokenRefusal::Signature));
    // A `kid` that only the platform has, in a token that says it is of the issuer without keys.
    assert_eq!(fixture.judge(&token_of(&fixture.ed, OTHER)).err(), Some(TokenRefusal::KeysUnavailable));
    fixture.authenticator.replace_keys(OTHER, Some(keys(&fixture.other))).unwrap();
    assert!(fixture.judge(&theirs).is_ok());
}

#[test]
fn a_missing_key_is_one_that_the_named_issuer_does_not_have() {
    let fixture = Fixture::new();
    let missing = |token: &str| fixture.authenticator.missing_key(token);
    let of = |iss: &str, key_id: &str| Some(MissingKey { iss: iss.to_owned(), key: KeyName::Id(key_id.to_owned()) });
    assert_eq!(missing(&token_of(&ed("new"), PLATFORM)), of(PLATFORM, "new"));
    assert_eq!(missing(&token_of(&ed("ed-1"), OTHER)), of(OTHER, "ed-1"));
    assert_eq!(missing(&token_of(&ed("ed-1"), PLATFORM)), None);
    assert_eq!(missing(&token_of(&ed("new"), THIRD)), None);
    let good = token_of(&fixture.ed, PLATFORM);
    assert!(fixture.judge(&good).is_ok() && missing(&good).is_none());
    fixture.authenticator.replace_keys(PLATFORM, None).unwrap();
    assert_eq!(missing(&good), of(PLATFORM, "ed-1"));
    for key_id in ["".to_owned(), "k".repeat(129), "a b".to_owned(), "\u{e9}".to_owned()] {
        let header = json!({"alg": "EdDSA", "typ": "airlock+jwt", "kid": key_id});
        assert_eq!(missing(&signed(&fixture.ed, &header, &claims())), None, "no key can be called {key_id:?}");
    }
    for text in ["", "a.b.c", &good[1..], &good.replace('.', "")] {
        assert_eq!(missing(text), None, "{text:?}");
    }
}

/// An issuer whose keys are RSA.
struct Rsa {
    pair: KeyPair,
    modulus: Vec<u8>,
    authenticator: Authenticator,
}

impl Rsa {
    fn new() -> Self {
        let pair = KeyPair::generate(KeySize::Rsa2048).unwrap();
        let modulus = pair.public_key().modulus().big_endian_without_leading_zero().to_vec();
        let jwk = json!({"kty": "RSA", "kid": "rsa", "n": bytes::encode(&modulus), "e": "AQAB"});
        let algorithms: Algorithms = [Algorithm::Rs256].into_iter().collect();
        let keys = KeySet::parse_with(&json!({ "keys": [jwk] }).to_string(), algorithms).unwrap();
        let rsa = Issuer { iss: OTHER.to_owned(), algorithms, keys: Some(keys) };
        let policy = policy(vec![issuer(PLATFORM, &[&ed("ed-1")]), rsa]);
        Self { authenticator: Authenticator::new(policy).unwrap(), pair, modulus }
    }

    fn token(&self, header: &Value, claims: &Value) -> String {
        let text = format!("{}.{}", bytes::encode(header.to_string()), bytes::encode(claims.to_string()));
        let mut signature = vec![0; self.pair.public_modulus_len()];
        self.pair.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), text.as_bytes(), &mut signature).unwrap();
        format!("{text}.{}", bytes::encode(signature))
    }
}

#[test]
fn rs256_counts_where_an_issuer_names_it() {
    let rsa = Rsa::new();
    let head = |alg: &str, kid: &str| json!({"alg": alg, "typ": "airlock+jwt", "kid": kid});
    let theirs = claims_but(json!({ "iss": OTHER }));
    let refused = |token: &str| rsa.authenticator.judge(token, NOW).err();
    let good = rsa.token(&head("RS256", "rsa"), &theirs);
    assert_eq!(refused(&good), None);
    assert_eq!(refused(&rsa.token(&head("RS256", "rsa"), &claims())), Some(TokenRefusal::Issuer));
    assert_eq!(refused(&rsa.token(&head("RS256", "ed-1"), &claims())), Some(TokenRefusal::AlgorithmMismatch));
    assert_eq!(refused(&rsa.token(&head("ES256", "rsa"), &theirs)), Some(TokenRefusal::AlgorithmMismatch));
    for alg in ["HS256", "RS384", "PS256", "none"] {
        assert_eq!(refused(&rsa.token(&head(alg, "rsa"), &theirs)), Some(TokenRefusal::Algorithm), "{alg}");
    }
    let short = signed(&ed("rsa"), &head("RS256", "rsa"), &theirs);
    assert_eq!(refused(&short), Some(TokenRefusal::Signature), "64 bytes are no signature of this key");
    let (text, _) = good.rsplit_once('.').unwrap();
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &rsa.modulus), text.as_bytes());
    assert_eq!(refused(&format!("{text}.{}", bytes::encode(tag))), Some(TokenRefusal::Signature));
}

/// No key of theirs can stand in the policy, so it is refused before any key is looked for.
#[test]
fn rs256_is_unknown_where_no_issuer_names_it() {
    let (rsa, fixture) = (Rsa::new(), Fixture::new());
    let token = rsa.token(&json!({"alg": "RS256", "typ": "airlock+jwt", "kid": "ed-1"}), &claims());
    assert_eq!(fixture.judge(&token).err(), Some(TokenRefusal::Algorithm));
}
