//! RSA keys: of identity providers, verified and never made.

use aws_lc_rs::{
    rand::SystemRandom,
    rsa::{KeyPair, KeySize},
    signature::{KeyPair as _, RSA_PKCS1_SHA256, RSA_PSS_SHA256},
};

use super::*;
use crate::keys::jwk::PublicKey;

/// RFC 7515 appendix A.2.
const MODULUS: &str = "ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_\
    YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxv\
    b3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ";
const TOKEN: &str = "eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ.\
    cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5jujGbds9uJdbF9CUAr7t1dnZcAcQjbKB\
    YNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6Bf\
    I7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw";

fn rs256() -> Algorithms {
    [Algorithm::Rs256].into_iter().collect()
}

fn jwk(modulus: &str) -> Value {
    json!({"kty": "RSA", "kid": "rsa", "alg": "RS256", "use": "sig", "n": modulus, "e": "AQAB"})
}

fn set(changes: Value) -> Result<KeySet, KeyError> {
    let key = crate::fixture::laid_over(jwk(MODULUS), changes);
    KeySet::parse_with(&json!({"keys": [key]}).to_string(), rs256())
}

/// A modulus of so many bits that is a product of something: only its size matters here.
fn modulus(bits: usize) -> String {
    let mut bytes = vec![0xab; bits.div_ceil(8)];
    bytes[0] = 1 << ((bits - 1) % 8);
    bytes::encode(bytes)
}

/// What a key pair publishes.
fn public(pair: &KeyPair) -> PublicKey {
    let modulus = bytes::encode(pair.public_key().modulus().big_endian_without_leading_zero());
    PublicKey::from_jwk(jwk(&modulus).as_object().unwrap()).unwrap()
}

#[test]
fn a_published_signature_verifies_under_a_published_key() {
    let (signed, signature) = TOKEN.rsplit_once('.').unwrap();
    let signature = bytes::decode(signature).unwrap();
    let keys = set(json!({})).unwrap();
    let key = keys.get("rsa").unwrap();
    assert_eq!(key.algorithm(), Algorithm::Rs256);
    assert!(key.signed(signed.as_bytes(), &signature));
    assert!(!key.signed(b"something else", &signature));
    // Also where a provider leaves `alg` out: an RSA key has one use here.
    assert!(set(json!({"alg": null})).unwrap().get("rsa").unwrap().signed(signed.as_bytes(), &signature));
}

#[test]
fn a_signature_has_the_padding_and_the_length_of_its_key() {
    for size in [KeySize::Rsa2048, KeySize::Rsa3072] {
        let pair = KeyPair::generate(size).unwrap();
        let (key, length) = (public(&pair), pair.public_modulus_len());
        let sign = |padding| {
            let mut signature = vec![0; length];
            pair.sign(padding, &SystemRandom::new(), b"text", &mut signature).unwrap();
            signature
        };
        let good = sign(&RSA_PKCS1_SHA256);
        assert!(key.signed(b"text", &good));
        assert!(!key.signed(b"text", &sign(&RSA_PSS_SHA256)), "PSS is another algorithm");
        let wrong =
            [&good[1..], &[&[0], good.as_slice()].concat(), &[good.as_slice(), &[0]].concat(), &good[..64], &[]];
        for signature in wrong {
            assert!(!key.signed(b"text", signature), "{} bytes", signature.len());
        }
        for byte in 0..length {
            let mut flipped = good.clone();
            flipped[byte] ^= 1;
            assert!(!key.signed(b"text", &flipped), "byte {byte}");
        }
    }
}

#[test]
fn keys_that_are_too_small_too_large_or_odd_are_refused() {
    for bits in [2048, 2049, 3072, 4096] {
        assert!(set(json!({"n": modulus(bits)})).is_ok(), "{bits}");
    }
    for bits in [512, 1024, 2047, 4097, 8192] {
        assert!(rule(set(json!({"n": modulus(bits)}))).contains("2048 to 4096"), "{bits}");
    }
    let padded = bytes::encode([&[0], bytes::decode(MODULUS).unwrap().as_slice()].concat());
    let mut even = bytes::decode(MODULUS).unwrap();
    *even.last_mut().unwrap() &= 0xfe;
    for n in [json!(padded), json!(bytes::encode(even)), json!(""), json!(null), json!(7), json!(format!("{MODULUS}="))]
    {
        assert!(rule(set(json!({"n": n}))).contains("`n`"), "{n}");
    }
    for e in ["Aw", "AAEAAQ", "AQAC", "AQ", "", "AQAB="] {
        assert!(rule(set(json!({"e": e}))).contains("65537"), "{e}");
    }
    for alg in ["RS512", "PS256", "RS1", "ES256", "none"] {
        assert!(rule(set(json!({"alg": alg}))).contains("`alg`"), "{alg}");
    }
    for member in ["d", "p", "q", "dp", "dq", "qi", "oth"] {
        assert!(rule(set(json!({member: "AQAB"}))).contains("private key"), "{member}");
    }
}

#[test]
fn a_key_of_an_algorithm_that_is_not_named_is_refused_by_its_name() {
    let text = json!({"keys": [jwk(MODULUS)]}).to_string();
    let refused = KeyError::NotListed { key_id: "rsa".to_owned(), algorithm: Algorithm::Rs256 };
    assert_eq!(KeySet::parse(&text).err(), Some(refused));
    let only = |algorithm| KeySet::parse_with(&published().to_string(), [algorithm].into_iter().collect()).err();
    assert!(matches!(only(Algorithm::EdDsa), Some(KeyError::NotListed { key_id, .. }) if key_id == "ec"));
    assert!(matches!(only(Algorithm::Es256), Some(KeyError::NotListed { key_id, .. }) if key_id == "ed"));
}

#[test]
fn rsa_keys_are_never_made_nor_read_for_signing() {
    assert_eq!(SigningKey::generate(Algorithm::Rs256, "k").err(), Some(KeyError::VerifyOnly));
    assert_eq!(SigningKey::from_pkcs8(Algorithm::Rs256, "k", &[]).err(), Some(KeyError::VerifyOnly));
}
