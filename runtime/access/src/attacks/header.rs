//! Confusions of algorithm, key, type and header members (RFC 8725 sections 2 and 3).

use aws_lc_rs::hmac;
use serde_json::{Value, json};

use super::{Case, all_accepted, all_refused};
use crate::{
    Algorithm, SigningKey, TokenRefusal, bytes,
    fixture::{Fixture, OTHER, claims, claims_but, header, laid_over, signed},
    public_jwks,
};

/// A token of `ed-1` whose header differs from the right one.
fn with_header(fixture: &Fixture, changes: Value) -> String {
    signed(&fixture.ed, &laid_over(header(&fixture.ed), changes), &claims())
}

/// A token authenticated with HMAC under some public text, the oldest confusion of all.
fn with_hmac(key_id: &str, secret: &[u8]) -> String {
    let header = json!({"alg": "HS256", "typ": "airlock+jwt", "kid": key_id});
    let signed = format!("{}.{}", bytes::encode(header.to_string()), bytes::encode(claims().to_string()));
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret), signed.as_bytes());
    format!("{signed}.{}", bytes::encode(tag))
}

fn unsigned(algorithm: &str) -> String {
    let header = json!({"alg": algorithm, "typ": "airlock+jwt", "kid": "ed-1"});
    format!("{}.{}.", bytes::encode(header.to_string()), bytes::encode(claims().to_string()))
}

fn algorithm_cases(fixture: &Fixture) -> Vec<Case> {
    let x = bytes::decode(fixture.ed.public_jwk()["x"].as_str().unwrap()).unwrap();
    let jwks = public_jwks(&[&fixture.ed, &fixture.ec]);
    let with = |changes| with_header(fixture, changes);
    let refusal = TokenRefusal::Algorithm;
    vec![
        ("alg none, unsigned", unsigned("none"), refusal),
        ("alg None, unsigned", unsigned("None"), refusal),
        ("alg NONE, unsigned", unsigned("NONE"), refusal),
        ("alg nOnE, unsigned", unsigned("nOnE"), refusal),
        ("right alg, unsigned", unsigned("EdDSA"), TokenRefusal::Signature),
        ("alg none, well signed", with(json!({"alg": "none"})), refusal),
        ("no alg", with(json!({"alg": null})), refusal),
        ("empty alg", with(json!({"alg": ""})), refusal),
        ("alg a number", with(json!({"alg": 8})), refusal),
        ("alg a list", with(json!({"alg": ["EdDSA"]})), refusal),
        ("alg in lower case", with(json!({"alg": "eddsa"})), refusal),
        ("alg by the name of RFC 9864", with(json!({"alg": "Ed25519"})), refusal),
        ("alg with a space", with(json!({"alg": "EdDSA "})), refusal),
        ("HS256 under the raw public key", with_hmac("ed-1", &x), refusal),
        ("HS256 under the key set's text", with_hmac("ed-1", jwks.as_bytes()), refusal),
        ("HS256 under the kid", with_hmac("ed-1", b"ed-1"), refusal),
        ("HS256 under nothing", with_hmac("ed-1", b""), refusal),
        ("RS256", with(json!({"alg": "RS256"})), refusal),
        ("PS256", with(json!({"alg": "PS256"})), refusal),
        ("ES384", with(json!({"alg": "ES384"})), refusal),
        ("ES256K", with(json!({"alg": "ES256K"})), refusal),
        ("ES256 on an Ed25519 key", with(json!({"alg": "ES256"})), TokenRefusal::AlgorithmMismatch),
        (
            "ES256 by the P-256 key under the Ed25519 key's kid",
            signed(&fixture.ec, &laid_over(header(&fixture.ec), json!({"kid": "ed-1"})), &claims()),
            TokenRefusal::AlgorithmMismatch,
        ),
        ("EdDSA under the P-256 key's kid", with(json!({"kid": "ec-1"})), TokenRefusal::AlgorithmMismatch),
    ]
}

fn key_cases(fixture: &Fixture) -> Vec<Case> {
    let with = |changes| with_header(fixture, changes);
    let impostor = SigningKey::generate(Algorithm::EdDsa, "ed-1").unwrap();
    let theirs = claims_but(json!({"iss": OTHER}));
    vec![
        ("no kid", with(json!({"kid": null})), TokenRefusal::KeyIdMissing),
        ("kid a number", with(json!({"kid": 1})), TokenRefusal::KeyIdMissing),
        ("kid a list", with(json!({"kid": ["ed-1"]})), TokenRefusal::KeyIdMissing),
        ("empty kid", with(json!({"kid": ""})), TokenRefusal::KeyUnknown),
        ("unknown kid", with(json!({"kid": "ed-2"})), TokenRefusal::KeyUnknown),
        ("kid in upper case", with(json!({"kid": "ED-1"})), TokenRefusal::KeyUnknown),
        ("kid with a NUL", with(json!({"kid": "ed-1\0"})), TokenRefusal::KeyUnknown),
        ("kid as a path", with(json!({"kid": "../../dev/null"})), TokenRefusal::KeyUnknown),
        ("kid as SQL", with(json!({"kid": "x' OR '1'='1"})), TokenRefusal::KeyUnknown),
        ("kid as a URL", with(json!({"kid": "https://evil.example/ed-1"})), TokenRefusal::KeyUnknown),
        ("kid of another key of the same issuer and type", with(json!({"kid": "other-1"})), TokenRefusal::Signature),
        ("a stranger's key under our kid", signed(&impostor, &header(&impostor), &claims()), TokenRefusal::Signature),
        (
            "other issuer's key, our iss",
            signed(&fixture.other, &header(&fixture.other), &claims()),
            TokenRefusal::Issuer,
        ),
        ("our key, other issuer's iss", signed(&fixture.ed, &header(&fixture.ed), &theirs), TokenRefusal::Issuer),
    ]
}

fn member_cases(fixture: &Fixture) -> Vec<Case> {
    let with = |changes| with_header(fixture, changes);
    let impostor = SigningKey::generate(Algorithm::EdDsa, "ed-1").unwrap();
    let embedded = laid_over(header(&impostor), json!({"jwk": impostor.public_jwk()}));
    let (member, kind) = (TokenRefusal::HeaderMember, TokenRefusal::TokenType);
    vec![
        ("jwk embedded, signed by it", signed(&impostor, &embedded, &claims()), member),
        ("jku", with(json!({"jku": "https://evil.example/jwks.json"})), member),
        ("x5u", with(json!({"x5u": "https://evil.example/cert.pem"})), member),
        ("x5c", with(json!({"x5c": ["MIIB"]})), member),
        ("x5t", with(json!({"x5t": "AAAA"})), member),
        ("crit of something unknown", with(json!({"crit": ["urn:x"], "urn:x": 1})), member),
        ("empty crit", with(json!({"crit": []})), member),
        ("crit of something known", with(json!({"crit": ["alg"]})), member),
        ("b64 false", with(json!({"b64": false, "crit": ["b64"]})), member),
        ("zip", with(json!({"zip": "DEF"})), member),
        ("cty", with(json!({"cty": "JWT"})), member),
        ("enc", with(json!({"enc": "A256GCM"})), member),
        ("claim replicated in the header", with(json!({"iss": "https://platform.example"})), member),
        ("member in other case", with(json!({"ALG": "none"})), member),
        ("member without a name", with(json!({"": "x"})), member),
        ("no typ", with(json!({"typ": null})), kind),
        ("typ JWT", with(json!({"typ": "JWT"})), kind),
        ("typ at+jwt", with(json!({"typ": "at+jwt"})), kind),
        ("typ in other case", with(json!({"typ": "airlock+JWT"})), kind),
        ("typ as a full media type", with(json!({"typ": "application/airlock+jwt"})), kind),
        ("typ a list", with(json!({"typ": ["airlock+jwt"]})), kind),
    ]
}

pub(super) fn cases(fixture: &Fixture) -> Vec<Case> {
    [algorithm_cases(fixture), key_cases(fixture), member_cases(fixture)].concat()
}

#[test]
fn every_header_confusion_is_refused() {
    let fixture = Fixture::new();
    all_refused(&fixture, &cases(&fixture));
}

#[test]
fn each_key_signs_for_its_own_issuer() {
    let fixture = Fixture::new();
    let theirs = claims_but(json!({"iss": OTHER}));
    all_accepted(
        &fixture,
        &[
            ("ed-1", signed(&fixture.ed, &header(&fixture.ed), &claims())),
            ("ec-1", signed(&fixture.ec, &header(&fixture.ec), &claims())),
            ("other-1", signed(&fixture.other, &header(&fixture.other), &theirs)),
            (
                "members in another order",
                signed(&fixture.ed, &json!({"kid": "ed-1", "typ": "airlock+jwt", "alg": "EdDSA"}), &claims()),
            ),
        ],
    );
}
