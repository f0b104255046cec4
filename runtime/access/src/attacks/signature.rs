//! Confusions of the signature itself.

use super::{Case, all_accepted, all_refused};
use crate::{
    Segment, SigningKey, TokenRefusal, bytes,
    fixture::{Fixture, claims, claims_but, header, signed},
};

/// Order of the group of P-256 (FIPS 186-5), big-endian.
const P256_ORDER: &str = "ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551";
/// Order of the group of Ed25519 (RFC 8032 section 5.1), little-endian.
const ED25519_ORDER: &str = "edd3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010";

fn order(hexadecimal: &str) -> Vec<u8> {
    hex::decode(hexadecimal).unwrap()
}

/// `left - right`, both big-endian and 32 bytes.
fn difference(left: &[u8], right: &[u8]) -> Vec<u8> {
    let mut borrow = 0i16;
    let mut result: Vec<u8> = left
        .iter()
        .zip(right)
        .rev()
        .map(|(l, r)| {
            let digit = i16::from(*l) - i16::from(*r) - borrow;
            borrow = i16::from(digit < 0);
            u8::try_from(digit.rem_euclid(256)).unwrap()
        })
        .collect();
    result.reverse();
    result
}

/// `left + right`, both little-endian and 32 bytes.
fn sum(left: &[u8], right: &[u8]) -> Vec<u8> {
    let mut carry = 0u16;
    left.iter()
        .zip(right)
        .map(|(l, r)| {
            let digit = u16::from(*l) + u16::from(*r) + carry;
            carry = digit >> 8;
            u8::try_from(digit & 0xff).unwrap()
        })
        .collect()
}

/// R and S as ASN.1 DER, as OpenSSL writes ECDSA signatures.
fn der(signature: &[u8]) -> Vec<u8> {
    let integer = |bytes: &[u8]| {
        let digits: Vec<u8> = bytes.iter().copied().skip_while(|byte| *byte == 0).collect();
        let sign: &[u8] = if digits[0] & 0x80 == 0 { &[] } else { &[0] };
        [&[2, u8::try_from(digits.len() + sign.len()).unwrap()], sign, &digits].concat()
    };
    let body = [integer(&signature[..32]), integer(&signature[32..])].concat();
    [&[0x30, u8::try_from(body.len()).unwrap()], body.as_slice()].concat()
}

/// The good token of `key` with its signature replaced.
fn resigned(key: &SigningKey, change: impl Fn(&[u8]) -> Vec<u8>) -> String {
    let token = signed(key, &header(key), &claims());
    let (text, signature) = token.rsplit_once('.').unwrap();
    format!("{text}.{}", bytes::encode(change(&bytes::decode(signature).unwrap())))
}

fn pair(r: &[u8], s: &[u8]) -> Vec<u8> {
    [r, s].concat()
}

fn one() -> Vec<u8> {
    let mut one = vec![0; 32];
    one[31] = 1;
    one
}

pub(super) fn cases(fixture: &Fixture) -> Vec<Case> {
    let (ed, ec, n) = (&fixture.ed, &fixture.ec, order(P256_ORDER));
    let richer = claims_but(serde_json::json!({"tenant": "globex"}));
    let (donor, target) = (signed(ed, &header(ed), &claims()), signed(ed, &header(ed), &richer));
    let transplanted = format!("{}.{}", target.rsplit_once('.').unwrap().0, donor.rsplit_once('.').unwrap().1);
    let payload_only = {
        let (text, _) = donor.rsplit_once('.').unwrap();
        let payload = text.split_once('.').unwrap().1;
        format!("{text}.{}", bytes::encode(ed.sign(payload.as_bytes()).unwrap()))
    };
    let refusal = TokenRefusal::Signature;
    vec![
        ("Ed25519, no signature", resigned(ed, |_| Vec::new()), refusal),
        ("P-256, no signature", resigned(ec, |_| Vec::new()), refusal),
        ("Ed25519, all zero", resigned(ed, |_| vec![0; 64]), refusal),
        ("P-256, all zero (CVE-2022-21449)", resigned(ec, |_| vec![0; 64]), refusal),
        ("P-256, r = 0", resigned(ec, |s| pair(&[0; 32], &s[32..])), refusal),
        ("P-256, s = 0", resigned(ec, |s| pair(&s[..32], &[0; 32])), refusal),
        ("P-256, r = s = 1", resigned(ec, |_| pair(&one(), &one())), refusal),
        ("P-256, r = s = order", resigned(ec, |_| pair(&n, &n)), refusal),
        ("P-256, r = order", resigned(ec, |s| pair(&n, &s[32..])), refusal),
        ("P-256, all ones", resigned(ec, |_| vec![0xff; 64]), refusal),
        ("P-256, r and s swapped", resigned(ec, |s| pair(&s[32..], &s[..32])), refusal),
        ("P-256 in DER", resigned(ec, der), refusal),
        ("P-256, one byte short", resigned(ec, |s| s[..63].to_vec()), refusal),
        ("P-256, one byte long", resigned(ec, |s| [s, &[0]].concat()), refusal),
        ("P-256, zero in front", resigned(ec, |s| [&[0], s].concat()), refusal),
        ("Ed25519, one byte short", resigned(ed, |s| s[..63].to_vec()), refusal),
        ("Ed25519, one byte long", resigned(ed, |s| [s, &[0]].concat()), refusal),
        ("Ed25519, twice", resigned(ed, |s| [s, s].concat()), refusal),
        ("Ed25519, S + order", resigned(ed, |s| pair(&s[..32], &sum(&s[32..], &order(ED25519_ORDER)))), refusal),
        (
            "Ed25519, R = identity, S = 0",
            resigned(ed, |_| {
                pair(
                    &{
                        let mut identity = one();
                        identity.reverse();
                        identity
                    },
                    &[0; 32],
                )
            }),
            refusal,
        ),
        ("signature of another token", transplanted, refusal),
        ("signature over the payload alone", payload_only, refusal),
        ("signature in hexadecimal", resigned(ed, |s| hex::encode(s).into_bytes()), refusal),
        (
            "signature that is no base64url",
            resigned(ed, <[u8]>::to_vec) + "!",
            TokenRefusal::Encoding(Segment::Signature),
        ),
    ]
}

#[test]
fn every_signature_confusion_is_refused() {
    let fixture = Fixture::new();
    all_refused(&fixture, &cases(&fixture));
}

#[test]
fn untouched_signatures_pass() {
    let fixture = Fixture::new();
    all_accepted(
        &fixture,
        &[("Ed25519", resigned(&fixture.ed, <[u8]>::to_vec)), ("P-256", resigned(&fixture.ec, <[u8]>::to_vec))],
    );
}

/// Documented choice: RFC 7518 does not ask for the smaller S, and half of all honest signatures have the larger one.
/// So a token has two texts, and nothing may take the text for its identity.
#[test]
fn both_values_of_s_pass_and_are_the_same_token() {
    let fixture = Fixture::new();
    let n = order(P256_ORDER);
    let token = signed(&fixture.ec, &header(&fixture.ec), &claims());
    let (text, signature) = token.rsplit_once('.').unwrap();
    let signature = bytes::decode(signature).unwrap();
    let flipped = pair(&signature[..32], &difference(&n, &signature[32..]));
    let twin = format!("{text}.{}", bytes::encode(flipped));
    assert_ne!(twin, token);
    let (first, second) = (fixture.judge(&token).unwrap(), fixture.judge(&twin).unwrap());
    assert_eq!(first.token_id(), second.token_id());
}
