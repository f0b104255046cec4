use serde_json::json;

use super::*;
use crate::{
    SigningKey, TokenRefusal,
    fixture::{NOW, issuer, laid_over, signed},
};

const LOGIN: &str = "https://login.example";

fn keys(key: &SigningKey) -> KeySet {
    issuer(LOGIN, &[key]).keys.unwrap()
}

fn provider() -> IdentityProvider {
    IdentityProvider {
        iss: LOGIN.to_owned(),
        audience: "airlock-client".to_owned(),
        subject_claim: "sub".to_owned(),
        groups_claim: vec!["groups".to_owned()],
        age_max_s: 3_600,
        leeway_s: 5,
    }
}

fn key() -> SigningKey {
    SigningKey::generate(Algorithm::Es256, "idp-1").unwrap()
}

fn token(key: &SigningKey, header: serde_json::Value, claims: serde_json::Value) -> String {
    let good_header = json!({"alg": key.algorithm().as_str(), "typ": "JWT", "kid": key.key_id()});
    let good = json!({
        "iss": LOGIN, "aud": "airlock-client", "sub": "ada", "iat": NOW - 10, "exp": NOW + 600, "jti": "idp-7",
        "groups": ["payments", "staff"],
    });
    signed(key, &laid_over(good_header, header), &laid_over(good, claims))
}

#[test]
fn a_good_token_says_who_somebody_is() {
    let key = key();
    let identity = provider().verify(&token(&key, json!({}), json!({})), &keys(&key), NOW).unwrap();
    assert_eq!((identity.subject(), identity.issuer(), identity.token_id()), ("ada", LOGIN, "idp-7"));
    assert_eq!(identity.groups().iter().map(String::as_str).collect::<Vec<_>>(), ["payments", "staff"]);
    assert_eq!((identity.issued_at_unix_s(), identity.expires_at_unix_s()), (NOW - 10, NOW + 600));
    for (header, claims) in [
        (json!({"typ": null}), json!({"aud": ["airlock-client"]})),
        (json!({"typ": "at+jwt", "x5t": "abc"}), json!({"aud": ["other", "airlock-client"], "azp": "airlock-client"})),
        (json!({}), json!({"nbf": NOW, "jti": null, "name": "Ada"})),
    ] {
        assert!(provider().verify(&token(&key, header, claims), &keys(&key), NOW).is_ok());
    }
}

#[test]
fn everything_else_is_refused_for_its_own_reason() {
    let (key, stranger) = (key(), SigningKey::generate(Algorithm::Es256, "idp-1").unwrap());
    let judge = |token: &str| provider().verify(token, &keys(&key), NOW).err();
    let long = "g".repeat(256);
    let cases = [
        (json!({"typ": "airlock+jwt"}), json!({}), IdentityRefusal::Type),
        (json!({"typ": "logout+jwt"}), json!({}), IdentityRefusal::Type),
        (json!({"typ": 1}), json!({}), IdentityRefusal::Type),
        (json!({"crit": ["x"]}), json!({}), IdentityRefusal::HeaderMember("crit")),
        (json!({"jku": "https://x"}), json!({}), IdentityRefusal::HeaderMember("jku")),
        (json!({"jwk": {}}), json!({}), IdentityRefusal::HeaderMember("jwk")),
        (json!({"x5u": "https://x"}), json!({}), IdentityRefusal::HeaderMember("x5u")),
        (json!({"x5c": []}), json!({}), IdentityRefusal::HeaderMember("x5c")),
        (json!({"b64": false}), json!({}), IdentityRefusal::HeaderMember("b64")),
        (json!({"zip": "DEF"}), json!({}), IdentityRefusal::HeaderMember("zip")),
        (json!({"enc": "A128GCM"}), json!({}), IdentityRefusal::HeaderMember("enc")),
        (json!({"alg": "none"}), json!({}), TokenRefusal::Algorithm.into()),
        (json!({"alg": "HS256"}), json!({}), TokenRefusal::Algorithm.into()),
        (json!({"alg": "EdDSA"}), json!({}), TokenRefusal::AlgorithmMismatch.into()),
        (json!({"kid": null}), json!({}), TokenRefusal::KeyIdMissing.into()),
        (json!({"kid": "idp-2"}), json!({}), TokenRefusal::KeyUnknown.into()),
        (json!({}), json!({"iss": "https://login.example/"}), TokenRefusal::Issuer.into()),
        (json!({}), json!({"iss": null}), TokenRefusal::Issuer.into()),
        (json!({}), json!({"aud": "another-client"}), IdentityRefusal::Audience),
        (json!({}), json!({"aud": null}), IdentityRefusal::Audience),
        (json!({}), json!({"aud": [1, "airlock-client"]}), IdentityRefusal::Audience),
        (json!({}), json!({"aud": ["airlock-client", "another-client"]}), IdentityRefusal::Audience),
        (json!({}), json!({"azp": "another-client"}), IdentityRefusal::Audience),
        (json!({}), json!({"exp": NOW - 5}), TokenRefusal::Expired.into()),
        (json!({}), json!({"exp": null}), TokenRefusal::Expired.into()),
        (json!({}), json!({"exp": 1.5}), TokenRefusal::Expired.into()),
        (json!({}), json!({"iat": null}), TokenRefusal::Expired.into()),
        (json!({}), json!({"iat": NOW + 6}), TokenRefusal::IssuedInFuture.into()),
        (json!({}), json!({"iat": NOW - 3_606}), IdentityRefusal::Age),
        (json!({}), json!({"nbf": NOW + 6}), TokenRefusal::NotYetValid.into()),
        (json!({}), json!({"nbf": "soon"}), TokenRefusal::NotYetValid.into()),
        (json!({}), json!({"sub": null}), IdentityRefusal::Subject),
        (json!({}), json!({"sub": ""}), IdentityRefusal::Subject),
        (json!({}), json!({"sub": "a\u{202e}b"}), IdentityRefusal::Subject),
        (json!({}), json!({"groups": "payments"}), IdentityRefusal::Groups),
        (json!({}), json!({"groups": [1]}), IdentityRefusal::Groups),
        (json!({}), json!({"groups": [long]}), IdentityRefusal::Groups),
        (json!({}), json!({"groups": null, "_claim_names": {"groups": "src1"}}), IdentityRefusal::GroupsElsewhere),
        (json!({}), json!({"events": {}}), IdentityRefusal::OtherKind("events")),
        (json!({}), json!({"cnf": {"jkt": "x"}}), IdentityRefusal::OtherKind("cnf")),
    ];
    for (header, claims, expected) in cases {
        let text = token(&key, header.clone(), claims.clone());
        assert_eq!(judge(&text), Some(expected), "{header} {claims}");
    }
    assert_eq!(judge(&token(&stranger, json!({}), json!({}))), Some(TokenRefusal::Signature.into()));
    assert_eq!(judge(&"x".repeat(IDENTITY_BYTES_MAX + 1)), Some(TokenRefusal::Oversize.into()));
    assert_eq!(judge(""), Some(TokenRefusal::Missing.into()));
}

#[test]
fn subjects_and_groups_are_read_where_the_operator_says() {
    let key = key();
    let by_email = IdentityProvider { subject_claim: "email".to_owned(), ..provider() };
    let verified = |claims| by_email.verify(&token(&key, json!({}), claims), &keys(&key), NOW);
    let identity = verified(json!({"email": "ada@example.com", "email_verified": true})).unwrap();
    assert_eq!(identity.subject(), "ada@example.com");
    for unverified in
        [json!({"email": "ada@example.com"}), json!({"email": "ada@example.com", "email_verified": "true"})]
    {
        assert_eq!(verified(unverified).err(), Some(IdentityRefusal::EmailUnverified));
    }
    let deep = ["realm_access", "roles"].map(str::to_owned).to_vec();
    let deep = IdentityProvider { groups_claim: deep, ..provider() };
    let groups = |claims| deep.verify(&token(&key, json!({}), claims), &keys(&key), NOW).unwrap().groups().len();
    assert_eq!(groups(json!({"realm_access": {"roles": ["a", "b"]}})), 2);
    assert_eq!(groups(json!({"realm_access": {}})), 0);
    assert_eq!(groups(json!({})), 0);
}
