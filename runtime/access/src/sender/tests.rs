use std::sync::Arc;

use airlock_model::Reason;

use super::*;
use crate::{
    Algorithm, Authenticator, Claims, ProofClaims, ProvenRequest, SigningKey, TokenRefusal, UsedProofs, Validity,
    fixture::{Fixture, INSTANCE, NOW, PLATFORM, issuer, policy},
    mint, prove,
};

const URL: &str = "https://airlock.example/airlock.v1.InvocationService/Invoke";

/// A token of the fixture's platform, bound like this.
fn token(fixture: &Fixture, bound: Option<Confirmation>) -> String {
    let principal = airlock_model::Principal {
        tenant: "acme".parse().unwrap(),
        app: "portal".parse().unwrap(),
        subject: "user-1".to_owned(),
        actor: None,
    };
    let validity = Validity { issued_at_unix_s: NOW - 10, lifetime_s: 120 };
    let claims = Claims::new(PLATFORM, principal, INSTANCE, "dev".parse().unwrap(), validity);
    mint(&fixture.ed, &claims.bound_to(bound)).unwrap()
}

fn key() -> SigningKey {
    SigningKey::generate(Algorithm::Es256, "holder").unwrap()
}

fn thumbprint(key: &SigningKey) -> Thumbprint {
    Thumbprint::of_public_key(&key.public_jwk().to_string()).unwrap()
}

fn certificate(name: &str) -> Thumbprint {
    Thumbprint::of_certificate(name.as_bytes())
}

/// A request over the scheme `DPoP` with a fresh proof by this key.
fn proven(key: &SigningKey, token: &str) -> Sender {
    let claims = ProofClaims { method: "POST", url: URL, token: Some(token), issued_at_unix_s: NOW };
    let request = ProvenRequest {
        method: "POST".to_owned(),
        over_tls: true,
        authority: "airlock.example".to_owned(),
        is_ours: true,
        path: "/airlock.v1.InvocationService/Invoke".to_owned(),
    };
    Sender { certificate: None, proof: Some(Arc::new(Proof::new(Some(&prove(key, &claims).unwrap()), request))) }
}

fn judge(fixture: &Fixture, token: &str, sender: &Sender) -> Option<TokenRefusal> {
    let presented = Presented { token: Some(token), sender: Some(sender) };
    fixture.authenticator.judge_presented(presented, NOW).err()
}

#[test]
fn a_token_bound_to_a_certificate_is_for_its_connection_alone() {
    let fixture = Fixture::new();
    let token = token(&fixture, Confirmation::new(Some(certificate("ours")), None));
    let shown = |name: &str| Sender { certificate: Some(certificate(name)), proof: None };
    assert_eq!(judge(&fixture, &token, &shown("ours")), None);
    // The token is remembered now, and asked about all the same.
    assert_eq!(judge(&fixture, &token, &shown("theirs")), Some(SenderRefusal::CertificateOther.into()));
    assert_eq!(judge(&fixture, &token, &Sender::default()), Some(SenderRefusal::CertificateMissing.into()));
    let failure = fixture.authenticator.verify(Presented::bearer(Some(&token)), NOW).unwrap_err();
    assert_eq!(failure.reason, Reason::TokenInvalid);
    assert_eq!(failure.log, Some(SenderRefusal::CertificateMissing.to_string()));
    assert_eq!(judge(&fixture, &token, &shown("ours")), None);
}

#[test]
fn a_token_bound_to_a_key_needs_a_proof_by_it() {
    let fixture = Fixture::new();
    let (ours, theirs) = (key(), key());
    let token = token(&fixture, Confirmation::new(None, Some(thumbprint(&ours))));
    assert_eq!(judge(&fixture, &token, &proven(&ours, &token)), None);
    assert_eq!(judge(&fixture, &token, &proven(&theirs, &token)), Some(other_key()));
    assert_eq!(judge(&fixture, &token, &Sender::default()), Some(SenderRefusal::ProofMissing.into()));
}

fn other_key() -> TokenRefusal {
    SenderRefusal::Proof(ProofRefusal::OtherKey).into()
}

#[test]
fn a_token_bound_to_both_needs_both() {
    let fixture = Fixture::new();
    let ours = key();
    let token = token(&fixture, Confirmation::new(Some(certificate("ours")), Some(thumbprint(&ours))));
    let with = |name: &str, sender: Sender| Sender { certificate: Some(certificate(name)), ..sender };
    assert_eq!(judge(&fixture, &token, &with("ours", proven(&ours, &token))), None);
    assert_eq!(
        judge(&fixture, &token, &with("theirs", proven(&ours, &token))),
        Some(SenderRefusal::CertificateOther.into())
    );
    assert_eq!(judge(&fixture, &token, &proven(&ours, &token)), Some(SenderRefusal::CertificateMissing.into()));
    assert_eq!(judge(&fixture, &token, &with("ours", Sender::default())), Some(SenderRefusal::ProofMissing.into()));
    assert_eq!(judge(&fixture, &token, &with("ours", proven(&key(), &token))), Some(other_key()));
}

#[test]
fn a_bearer_token_is_nobodys_unless_holders_are_required() {
    let fixture = Fixture::new();
    let (ours, bearer) = (key(), token(&fixture, None));
    assert_eq!(judge(&fixture, &bearer, &Sender::default()), None);
    let shown = Sender { certificate: Some(certificate("any")), proof: None };
    assert_eq!(judge(&fixture, &bearer, &shown), None, "a certificate takes nothing from a bearer token");
    assert_eq!(judge(&fixture, &bearer, &proven(&ours, &bearer)), Some(SenderRefusal::NoKey.into()));

    let strict = policy(vec![issuer(PLATFORM, &[&fixture.ed])]);
    let strict = Authenticator::new(crate::TokenPolicy { sender_bound: SenderPolicy::Require, ..strict }).unwrap();
    let judged = |token: &str, sender: &Sender| {
        strict.judge_presented(Presented { token: Some(token), sender: Some(sender) }, NOW).err()
    };
    assert_eq!(judged(&bearer, &Sender::default()), Some(SenderRefusal::Unbound.into()));
    assert_eq!(judged(&bearer, &shown), Some(SenderRefusal::Unbound.into()));
    let bound = token(&fixture, Confirmation::new(None, Some(thumbprint(&ours))));
    assert_eq!(judged(&bound, &proven(&ours, &bound)), None);
}

/// Its token is looked at before the body is read, and once more by the call itself.
#[test]
fn one_request_is_asked_twice_and_two_are_two() {
    let fixture = Fixture::new();
    let ours = key();
    let token = token(&fixture, Confirmation::new(None, Some(thumbprint(&ours))));
    let first = proven(&ours, &token);
    assert_eq!(judge(&fixture, &token, &first), None);
    let late = Presented { token: Some(&token), sender: Some(&first) };
    assert!(fixture.authenticator.judge_presented(late, NOW + 60).is_ok(), "the same request, after a long body");
    let proof = first.proof.as_ref().unwrap();
    let again = Sender { certificate: None, proof: Some(Arc::new(proof.copied())) };
    assert_eq!(judge(&fixture, &token, &again), Some(SenderRefusal::Proof(ProofRefusal::Replayed).into()));
}

#[test]
fn what_was_used_stays_used_when_the_policy_changes() {
    let fixture = Fixture::new();
    let ours = key();
    let token = token(&fixture, Confirmation::new(None, Some(thumbprint(&ours))));
    let first = proven(&ours, &token);
    assert_eq!(judge(&fixture, &token, &first), None);
    let again = Sender { certificate: None, proof: Some(Arc::new(first.proof.as_ref().unwrap().copied())) };
    let presented = Presented { token: Some(&token), sender: Some(&again) };
    let policy = || policy(vec![issuer(PLATFORM, &[&fixture.ed])]);
    let next = Authenticator::remembering(policy(), fixture.authenticator.used_proofs()).unwrap();
    let replayed = Some(SenderRefusal::Proof(ProofRefusal::Replayed).into());
    assert_eq!(next.judge_presented(presented, NOW).err(), replayed);
    let restarted = Authenticator::remembering(policy(), Arc::new(UsedProofs::since(NOW + 1))).unwrap();
    let before = Some(SenderRefusal::Proof(ProofRefusal::BeforeStart).into());
    assert_eq!(restarted.judge_presented(presented, NOW + 1).err(), before);
}

#[test]
fn what_is_minted_reads_back() {
    let fixture = Fixture::new();
    let (one, two) = (certificate("one"), thumbprint(&key()));
    for bound in [
        None,
        Confirmation::new(Some(one), None),
        Confirmation::new(None, Some(two)),
        Confirmation::new(Some(one), Some(two)),
    ] {
        let verified = fixture.judge(&token(&fixture, bound)).unwrap();
        assert_eq!(verified.confirmation(), bound);
    }
    assert_eq!(Confirmation::new(None, None), None);
}

/// RFC 8705 section 3.1 has no key to compute this from; RFC 7638 section 3.1 has one of RSA, RFC 8037 appendix A.3 this.
#[test]
fn a_thumbprint_is_the_published_one() {
    let jwk = r#"{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#;
    assert_eq!(Thumbprint::of_public_key(jwk).unwrap().to_string(), "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");
    // RFC 9449 section 4.1's key and section 6.1's thumbprint.
    let jwk = r#"{"kty":"EC","crv":"P-256","x":"l8tFrhx-34tV3hRICRDY9zCkDlpBhF42UQUfWVAWBFs",
                  "y":"9VE4jf_Ok_o64zbTTlcuNJajHmt6v9TDVrU0CdvGRDA"}"#;
    assert_eq!(Thumbprint::of_public_key(jwk).unwrap().to_string(), "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I");
    let private = key().to_pkcs8().unwrap();
    assert!(Thumbprint::of_public_key(&String::from_utf8_lossy(private.expose())).is_err());
    assert!(Thumbprint::of_public_key(r#"{"kty":"OKP","crv":"Ed25519","x":"AA","d":"AA"}"#).is_err());
}
