use serde_json::json;

use super::*;
use crate::fixture::{NOW, laid_over, signed, signed_text};

const TOKEN: &str = "a.b.c";
const URL: &str = "https://airlock.example/airlock.v1.InvocationService/Invoke";

fn request() -> ProvenRequest {
    ProvenRequest {
        method: "POST".to_owned(),
        over_tls: true,
        authority: "airlock.example".to_owned(),
        is_ours: true,
        path: "/airlock.v1.InvocationService/Invoke".to_owned(),
    }
}

pub(super) fn somebody(tenant: &str, subject: &str) -> Principal {
    let (tenant, app) = (tenant.parse().unwrap(), "portal".parse().unwrap());
    Principal { tenant, app, subject: subject.to_owned(), actor: None }
}

struct Bench {
    key: SigningKey,
    used: UsedProofs,
}

impl Bench {
    fn new(algorithm: Algorithm) -> Self {
        Self { key: SigningKey::generate(algorithm, "holder").unwrap(), used: UsedProofs::since(0) }
    }

    fn bound(&self) -> (Thumbprint, Thumbprint) {
        let jwk = self.key.public_jwk().to_string();
        (Thumbprint::of_public_key(&jwk).unwrap(), Thumbprint::of(TOKEN))
    }

    fn jwk(&self) -> Value {
        laid_over(self.key.public_jwk(), json!({"kid": null, "alg": null, "use": null}))
    }

    fn header(&self) -> Value {
        json!({"typ": "dpop+jwt", "alg": self.key.algorithm().as_str(), "jwk": self.jwk()})
    }

    /// The good proof with changes in header and claims; a `null` removes a member. Each has an identifier of its own.
    fn proof(&self, header: Value, claims: Value) -> String {
        signed(&self.key, &laid_over(self.header(), header), &laid_over(good_claims(), claims))
    }

    fn check_at(&self, proof: Option<&str>, request: ProvenRequest, now_unix_s: u64) -> Result<(), ProofRefusal> {
        let moment = Moment { now_unix_s, leeway_s: 5, used: &self.used };
        Proof::new(proof, request).check(self.bound(), &somebody("acme", "ada"), &moment)
    }

    fn check(&self, proof: &str) -> Result<(), ProofRefusal> {
        self.check_at(Some(proof), request(), NOW)
    }
}

fn good_claims() -> Value {
    let ath = Thumbprint::of(TOKEN).to_string();
    json!({"htm": "POST", "htu": URL, "iat": NOW, "jti": mint::random_token_id().unwrap(), "ath": ath})
}

#[test]
fn a_proof_passes_once_with_either_algorithm() {
    for algorithm in [Algorithm::EdDsa, Algorithm::Es256] {
        let bench = Bench::new(algorithm);
        let proof = bench.proof(json!({}), json!({}));
        assert_eq!(bench.check(&proof), Ok(()));
        assert_eq!(bench.check(&proof), Err(ProofRefusal::Replayed));
        let made = ProofClaims { method: "POST", url: URL, token: Some(TOKEN), issued_at_unix_s: NOW };
        assert_eq!(bench.check(&prove(&bench.key, &made).unwrap()), Ok(()));
    }
}

/// An ECDSA signature has a twin that verifies as well, so the text of a proof does not say whether it was used.
#[test]
fn the_same_identifier_in_another_text_was_used_too() {
    let bench = Bench::new(Algorithm::Es256);
    let claims = json!({"jti": "once"});
    assert_eq!(bench.check(&bench.proof(json!({}), claims.clone())), Ok(()));
    assert_eq!(
        bench.check(&bench.proof(json!({}), laid_over(claims, json!({"iat": NOW - 1})))),
        Err(ProofRefusal::Replayed)
    );
    let other = Bench::new(Algorithm::Es256);
    assert_eq!(other.check(&other.proof(json!({}), json!({"jti": "once"}))), Ok(()));
}

#[test]
fn every_confusion_of_a_header_is_refused() {
    let (bench, stranger) = (Bench::new(Algorithm::EdDsa), Bench::new(Algorithm::EdDsa));
    let ec = Bench::new(Algorithm::Es256);
    let mut private = bench.jwk();
    private["d"] = json!("AA");
    let cases = [
        ("no typ", json!({"typ": null}), ProofRefusal::Header),
        ("the typ of a token", json!({"typ": "airlock+jwt"}), ProofRefusal::Header),
        ("typ in other case", json!({"typ": "DPoP+JWT"}), ProofRefusal::Header),
        ("no key", json!({"jwk": null}), ProofRefusal::Header),
        ("a key as text", json!({"jwk": "x"}), ProofRefusal::Header),
        ("crit", json!({"crit": ["b64"]}), ProofRefusal::Header),
        ("kid", json!({"kid": "holder"}), ProofRefusal::Header),
        ("x5c", json!({"x5c": []}), ProofRefusal::Header),
        ("no alg", json!({"alg": null}), ProofRefusal::Algorithm),
        ("none", json!({"alg": "none"}), ProofRefusal::Algorithm),
        ("an HMAC", json!({"alg": "HS256"}), ProofRefusal::Algorithm),
        ("the algorithm of another key", json!({"alg": "ES256"}), ProofRefusal::Algorithm),
        ("a private key", json!({"jwk": private}), ProofRefusal::Key),
        ("a shared key", json!({"jwk": {"kty": "oct", "k": "AA"}}), ProofRefusal::Key),
        ("another key", json!({"jwk": stranger.jwk()}), ProofRefusal::OtherKey),
        ("a key of the other type", json!({"alg": "ES256", "jwk": ec.jwk()}), ProofRefusal::OtherKey),
    ];
    for (name, header, refusal) in cases {
        assert_eq!(bench.check(&bench.proof(header, json!({}))), Err(refusal), "{name}");
    }
    let forged = signed(&stranger.key, &bench.header(), &good_claims());
    assert_eq!(bench.check(&forged), Err(ProofRefusal::Signature));
}

#[test]
fn every_confusion_of_what_is_proven_is_refused() {
    let bench = Bench::new(Algorithm::Es256);
    let other_token = Thumbprint::of("a.b.d").to_string();
    let cases = [
        ("no htm", json!({"htm": null}), ProofRefusal::Claims),
        ("no htu", json!({"htu": null}), ProofRefusal::Claims),
        ("no iat", json!({"iat": null}), ProofRefusal::Claims),
        ("no jti", json!({"jti": null}), ProofRefusal::Claims),
        ("no ath", json!({"ath": null}), ProofRefusal::Claims),
        ("iat a text", json!({"iat": NOW.to_string()}), ProofRefusal::Claims),
        ("iat with a fraction", json!({"iat": 1.5}), ProofRefusal::Claims),
        ("an empty jti", json!({"jti": ""}), ProofRefusal::Claims),
        ("a long jti", json!({"jti": "x".repeat(129)}), ProofRefusal::Claims),
        ("ath not base64url", json!({"ath": "="}), ProofRefusal::Claims),
        ("another method", json!({"htm": "GET"}), ProofRefusal::Method),
        ("the method in other case", json!({"htm": "post"}), ProofRefusal::Method),
        ("another RPC", json!({"htu": URL.replace("Invoke", "Cancel")}), ProofRefusal::Url),
        ("another host", json!({"htu": URL.replace("airlock.example", "evil.example")}), ProofRefusal::Url),
        ("another port", json!({"htu": URL.replace(".example/", ".example:8443/")}), ProofRefusal::Url),
        ("in clear text", json!({"htu": URL.replace("https", "http")}), ProofRefusal::Url),
        ("a user in front", json!({"htu": URL.replace("//", "//x@")}), ProofRefusal::Url),
        ("a path alone", json!({"htu": "/airlock.v1.InvocationService/Invoke"}), ProofRefusal::Url),
        ("a slash more", json!({"htu": format!("{URL}/")}), ProofRefusal::Url),
        ("another token", json!({"ath": other_token}), ProofRefusal::Token),
        ("too old", json!({"iat": NOW - PROOF_AGE_MAX_S - 1}), ProofRefusal::Time),
        ("from the future", json!({"iat": NOW + 6}), ProofRefusal::Time),
    ];
    for (name, claims, refusal) in cases {
        assert_eq!(bench.check(&bench.proof(json!({}), claims)), Err(refusal), "{name}");
    }
    let passes = [
        ("as old as allowed", json!({"iat": NOW - PROOF_AGE_MAX_S})),
        ("a clock that is ahead", json!({"iat": NOW + 5})),
        ("a query", json!({"htu": format!("{URL}?x=1")})),
        ("a fragment", json!({"htu": format!("{URL}#x?y")})),
        ("the port of the scheme", json!({"htu": URL.replace(".example/", ".example:443/")})),
        ("scheme and host in other case", json!({"htu": URL.replace("https://airlock", "HTTPS://Airlock")})),
        ("a jti of 128 characters", json!({"jti": "~".repeat(128)})),
        ("unknown claims", json!({"nonce": "x", "exp": 1})),
    ];
    for (name, claims) in passes {
        assert_eq!(bench.check(&bench.proof(json!({}), claims)), Ok(()), "{name}");
    }
}

/// What a client with a fast clock had used before a restart is not good again.
#[test]
fn what_may_have_been_used_before_a_restart_is_refused() {
    let bench = Bench::new(Algorithm::EdDsa);
    let at = |issued: u64| bench.check_at(Some(&bench.proof(json!({}), json!({"iat": issued}))), request(), NOW + 1);
    assert_eq!(at(NOW), Ok(()), "nothing was served before");
    bench.used.served_until(NOW);
    for issued in [NOW - 1, NOW, NOW + LEEWAY_MAX_S] {
        assert_eq!(at(issued), Err(ProofRefusal::BeforeStart), "{issued}");
    }
    assert_eq!(at(NOW + LEEWAY_MAX_S + 1), Ok(()));
    let failure = ProofRefusal::BeforeStart.as_failure().unwrap();
    assert!(failure.reason == Reason::TokenInvalid && failure.hint.contains("make a new proof"), "{failure:?}");
}

/// The proof of a request for a token names none, and is good once as well. Neither kind passes for the other.
#[test]
fn whoever_asks_for_a_token_proves_any_key_without_one() {
    let bench = Bench::new(Algorithm::Es256);
    let moment = Moment { now_unix_s: NOW, leeway_s: 5, used: &bench.used };
    let holder = |proof: &str, request: ProvenRequest| {
        Proof::new(Some(proof), request).holder(&somebody("acme", "ada"), &moment)
    };
    let asking = ProofClaims { method: "POST", url: URL, token: None, issued_at_unix_s: NOW };
    let proof = prove(&bench.key, &asking).unwrap();
    assert_eq!(bench.check(&proof), Err(ProofRefusal::Claims), "with a token it has to name it");
    assert_eq!(holder(&proof, request()), Ok(bench.bound().0));
    assert_eq!(holder(&proof, request()), Err(ProofRefusal::Replayed));
    let with_token = bench.proof(json!({}), json!({}));
    assert_eq!(holder(&with_token, request()), Err(ProofRefusal::Token));
    assert_eq!(bench.check(&with_token), Ok(()));
    let fresh = |claims: Value| bench.proof(json!({}), laid_over(json!({"ath": null}), claims));
    for (claims, why) in [
        (json!({"htu": URL.replace("Invoke", "Cancel")}), ProofRefusal::Url),
        (json!({"htm": "GET"}), ProofRefusal::Method),
        (json!({"iat": NOW - PROOF_AGE_MAX_S - 1}), ProofRefusal::Time),
        (json!({"ath": "="}), ProofRefusal::Claims),
    ] {
        assert_eq!(holder(&fresh(claims), request()), Err(why));
    }
    let elsewhere = ProvenRequest { is_ours: false, ..request() };
    assert_eq!(holder(&fresh(json!({})), elsewhere), Err(ProofRefusal::Host));
    assert_eq!(holder(&fresh(json!({})), request()), Ok(bench.bound().0));
}

#[test]
fn what_is_no_strict_jwt_is_no_proof() {
    let bench = Bench::new(Algorithm::EdDsa);
    assert_eq!(bench.check_at(None, request(), NOW), Err(ProofRefusal::Shape));
    let good = bench.proof(json!({}), json!({}));
    let twice = signed_text(&bench.key, &bench.header().to_string().replacen('{', r#"{"typ":"dpop+jwt","#, 1), "{}");
    let huge = bench.proof(json!({}), json!({"x": "y".repeat(9_000)}));
    for text in ["", ".", "..", "a.b", "a.b.c.d", &format!(" {good}"), &twice, &huge] {
        assert_eq!(bench.check(text), Err(ProofRefusal::Shape), "{text:.40}");
    }
    for text in [&good[..good.len() - 2], &format!("{good}=")] {
        assert_eq!(bench.check(text), Err(ProofRefusal::Signature), "{text}");
    }
    assert_eq!(bench.check(&good), Ok(()), "a refused proof is not used up");
}

#[test]
fn behind_a_proxy_that_ends_tls_the_url_may_be_either() {
    let bench = Bench::new(Algorithm::EdDsa);
    let plain = || ProvenRequest { over_tls: false, ..request() };
    for url in [URL.to_owned(), URL.replace("https", "http")] {
        let proof = bench.proof(json!({}), json!({"htu": url}));
        assert_eq!(bench.check_at(Some(&proof), plain(), NOW), Ok(()), "{url}");
    }
    for odd in ["", "a b", "x@airlock.example", "airlock.example/airlock.v1.InvocationService", "[::1"] {
        let request = ProvenRequest { authority: odd.to_owned(), ..plain() };
        let proof = bench.proof(json!({}), json!({}));
        assert_eq!(bench.check_at(Some(&proof), request, NOW), Err(ProofRefusal::Url), "{odd}");
    }
}

/// Whoever was sent a proof for its own host can send it on with that host in the request.
#[test]
fn a_proof_for_another_server_is_refused_although_the_request_agrees() {
    let bench = Bench::new(Algorithm::EdDsa);
    let proof = bench.proof(json!({}), json!({}));
    let elsewhere = ProvenRequest { is_ours: false, ..request() };
    assert_eq!(bench.check_at(Some(&proof), elsewhere, NOW), Err(ProofRefusal::Host));
    assert_eq!(bench.check(&proof), Ok(()), "where it was made for");
}

#[test]
fn ports_and_addresses_are_part_of_the_url() {
    let bench = Bench::new(Algorithm::EdDsa);
    for authority in ["127.0.0.1:7070", "[::1]:7070", "airlock.internal:443"] {
        let request = || ProvenRequest { authority: authority.to_owned(), ..request() };
        let url = format!("https://{authority}/airlock.v1.InvocationService/Invoke");
        let proof = |url: &str| bench.proof(json!({}), json!({"htu": url}));
        assert_eq!(bench.check_at(Some(&proof(&url)), request(), NOW), Ok(()), "{authority}");
        let other = url.replace("7070", "7071").replace(":443", ":444");
        assert_eq!(bench.check_at(Some(&proof(&other)), request(), NOW), Err(ProofRefusal::Url), "{authority}");
    }
}

impl Proof {
    /// The same text in another request.
    pub(crate) fn copied(&self) -> Self {
        Self::new(self.text.as_deref(), self.request.clone())
    }
}

/// Another implementation makes what passes here, and reads what is made here.
#[test]
fn another_implementation_agrees() {
    use jsonwebtoken as oracle;
    let bench = Bench::new(Algorithm::Es256);
    let private = bench.key.to_pkcs8().unwrap();
    let mut header = oracle::Header::new(oracle::Algorithm::ES256);
    header.typ = Some("dpop+jwt".to_owned());
    header.jwk = serde_json::from_value(bench.jwk()).ok();
    let made = oracle::encode(&header, &good_claims(), &oracle::EncodingKey::from_ec_der(private.expose())).unwrap();
    assert_eq!(bench.check(&made), Ok(()));
}
