//! Sets that somebody else publishes.

use super::*;

/// A set as identity providers have it: the published keys among others that nobody here can use.
fn mixed() -> Vec<Value> {
    let mut keys = published()["keys"].as_array().unwrap().clone();
    let n = modulus();
    keys.extend([
        json!({"kty": "RSA", "kid": "enc", "use": "enc", "alg": "RSA-OAEP", "n": n, "e": "AQAB"}),
        json!({"kty": "RSA", "kid": "sig", "use": "sig", "n": n, "e": "AQAB", "x5c": ["MIIB"], "x5t": "x"}),
        json!({"kty": "RSA", "kid": "pss", "use": "sig", "alg": "PS256", "n": n, "e": "AQAB"}),
        json!({"kty": "RSA", "use": "sig", "n": n, "e": "AQAB"}),
        json!({"kty": "EC", "crv": "P-384", "kid": "p384", "x": "AA", "y": "AA"}),
        json!({"kty": "EC", "crv": "P-256", "kid": "broken", "x": "AA", "y": "AA"}),
        json!({"kty": "something new", "kid": "new"}),
        json!({}),
    ]);
    keys
}

fn modulus() -> String {
    bytes::encode([0xab; 256])
}

fn read(keys: &[Value], algorithms: &[Algorithm]) -> Result<PublishedKeys, KeyError> {
    KeySet::parse_published(&json!({"keys": keys, "also": 1}).to_string(), algorithms.iter().copied().collect())
}

fn key_ids(read: &PublishedKeys) -> Vec<&str> {
    read.keys.key_ids().collect()
}

#[test]
fn what_cannot_be_used_is_skipped_and_counted() {
    let own = read(&mixed(), &[Algorithm::EdDsa, Algorithm::Es256]).unwrap();
    assert_eq!((key_ids(&own), own.skipped), (vec!["ec", "ed"], 8));
    let all = read(&mixed(), &Algorithm::ALL).unwrap();
    assert_eq!((key_ids(&all), all.skipped), (vec!["ec", "ed", "sig"], 7));
    let rsa = read(&mixed(), &[Algorithm::Rs256]).unwrap();
    assert_eq!((key_ids(&rsa), rsa.skipped), (vec!["sig"], 9));
    assert!(!rsa.keys.contains("enc") && !rsa.keys.contains("pss"));
}

#[test]
fn a_set_without_a_usable_key_is_refused() {
    let none = |keys: &[Value], algorithms: &[Algorithm]| read(keys, algorithms).err();
    assert_eq!(none(&mixed()[2..], &[Algorithm::EdDsa]), Some(KeyError::NoneUsable { skipped: 8 }));
    assert_eq!(none(&mixed(), &[]), Some(KeyError::NoneUsable { skipped: 10 }));
    assert_eq!(none(&[], &Algorithm::ALL), Some(KeyError::Count { keys: 0 }));
}

#[test]
fn a_private_key_anywhere_refuses_the_whole_set() {
    for leaked in [
        json!({"kty": "oct", "kid": "shared", "k": "c2VjcmV0"}),
        json!({"kty": "RSA", "kid": "enc", "use": "enc", "n": modulus(), "e": "AQAB", "d": "AQAB"}),
        json!({"kty": "unknown", "d": "c2VjcmV0"}),
    ] {
        let mut keys = mixed();
        keys.push(leaked.clone());
        let why = read(&keys, &Algorithm::ALL).unwrap_err().to_string();
        assert!(why.contains("private key") && !why.contains("c2Vj"), "{leaked}: {why}");
    }
}

#[test]
fn two_usable_keys_with_one_kid_are_refused() {
    let mut keys = mixed();
    keys.push(crate::fixture::laid_over(keys[0].clone(), json!({"use": "sig"})));
    assert_eq!(read(&keys, &Algorithm::ALL).err(), Some(KeyError::Duplicate("ed".to_owned())));
    // One that nobody can use takes no name away.
    let mut keys = mixed();
    keys.push(json!({"kty": "RSA", "kid": "ed", "use": "enc", "n": modulus(), "e": "AQAB"}));
    assert!(read(&keys, &Algorithm::ALL).is_ok());
}

#[test]
fn sizes_counts_and_syntax_are_as_strict_as_for_files() {
    let fill = |count: usize| {
        let mut keys = vec![json!({"kty": "oct"}); count - 1];
        keys.push(mixed()[0].clone());
        read(&keys, &Algorithm::ALL)
    };
    assert_eq!(fill(64).map(|read| read.skipped).ok(), Some(63));
    assert_eq!(fill(65).err(), Some(KeyError::Count { keys: 65 }));
    let parse = |text: &str| KeySet::parse_published(text, Algorithms::OWN).err();
    assert_eq!(parse(&" ".repeat(65_537)), Some(KeyError::Oversize { bytes: 65_537 }));
    for text in ["", "[]", "<html>", r#"{"keys":{}}"#, r#"{"keys":[1]}"#, r#"{"keys":[],"keys":[]}"#] {
        assert!(matches!(parse(text), Some(KeyError::Syntax(_))), "{text:?}");
    }
}
