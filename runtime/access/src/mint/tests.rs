use std::collections::BTreeMap;

use jsonwebtoken as oracle;

use super::*;
use crate::fixture::{Fixture, INSTANCE, NOW, PLATFORM, claims, header};

fn principal() -> Principal {
    Principal {
        tenant: "acme".parse().unwrap(),
        app: "portal".parse().unwrap(),
        subject: "user-1".to_owned(),
        actor: Some("agent-7".to_owned()),
    }
}

fn full() -> Claims {
    let validity = Validity { issued_at_unix_s: NOW, lifetime_s: 60 };
    Claims::new(PLATFORM, principal(), INSTANCE, "dev".parse().unwrap(), validity)
        .functions(["a".parse().unwrap(), "b".parse().unwrap()])
        .scope(["orders-db:read".parse().unwrap(), "function:read".parse().unwrap()])
        .limits(serde_json::from_value(json!({"fuel": 1_000})).unwrap())
        .token_id("t-1")
}

#[test]
fn what_is_minted_is_what_is_verified() {
    let fixture = Fixture::new();
    for key in [&fixture.ed, &fixture.ec] {
        let token = fixture.judge(&mint(key, &full()).unwrap()).unwrap();
        assert_eq!(**token.principal(), principal());
        assert_eq!((&**token.token_id(), token.issuer(), token.environment().as_str()), ("t-1", PLATFORM, "dev"));
        assert_eq!(token.grants().iter().map(ToString::to_string).collect::<Vec<_>>(), ["orders-db:read"]);
        assert_eq!(token.control_scopes(), [airlock_model::ControlScope::FunctionRead]);
        assert_eq!(token.limit_caps().fuel.map(std::num::NonZero::get), Some(1_000));
        assert_eq!(token.expires_at_unix_s(), NOW + 60);
        assert!(token.covers(&"a".parse().unwrap()) && !token.covers(&"c".parse().unwrap()));
    }
}

#[test]
fn every_token_has_its_own_identifier() {
    let fixture = Fixture::new();
    let validity = Validity { issued_at_unix_s: NOW, lifetime_s: 60 };
    let claims = Claims::new(PLATFORM, principal(), INSTANCE, "dev".parse().unwrap(), validity);
    let identifier = || fixture.judge(&mint(&fixture.ed, &claims).unwrap()).unwrap().token_id().to_owned();
    assert_ne!(identifier(), identifier());
}

#[test]
fn another_implementation_accepts_what_is_minted() {
    let fixture = Fixture::new();
    for (key, algorithm) in [(&fixture.ed, oracle::Algorithm::EdDSA), (&fixture.ec, oracle::Algorithm::ES256)] {
        let jwk: oracle::jwk::Jwk = serde_json::from_value(key.public_jwk()).unwrap();
        let public = oracle::DecodingKey::from_jwk(&jwk).unwrap();
        let mut rules = oracle::Validation::new(algorithm);
        rules.set_audience(&[format!("{INSTANCE}/dev")]);
        rules.set_issuer(&[PLATFORM]);
        rules.validate_exp = false;
        let token = mint(key, &full()).unwrap();
        let read = oracle::decode::<BTreeMap<String, Value>>(&token, &public, &rules).unwrap();
        assert_eq!((read.claims["sub"].as_str(), read.header.kid.as_deref()), (Some("user-1"), Some(key.key_id())));
    }
}

#[test]
fn what_another_implementation_mints_is_accepted() {
    let fixture = Fixture::new();
    let private = |key: &SigningKey| key.to_pkcs8().unwrap();
    let keys = [
        (&fixture.ed, oracle::Algorithm::EdDSA, oracle::EncodingKey::from_ed_der(private(&fixture.ed).expose())),
        (&fixture.ec, oracle::Algorithm::ES256, oracle::EncodingKey::from_ec_der(private(&fixture.ec).expose())),
    ];
    for (key, algorithm, private) in keys {
        let mut head = oracle::Header::new(algorithm);
        head.typ = header(key)["typ"].as_str().map(str::to_owned);
        head.kid = Some(key.key_id().to_owned());
        let token = oracle::encode(&head, &claims(), &private).unwrap();
        assert_eq!(fixture.judge(&token).err(), None, "{algorithm:?}");
        head.typ = Some("JWT".to_owned());
        let token = oracle::encode(&head, &claims(), &private).unwrap();
        assert_eq!(fixture.judge(&token).err(), Some(crate::TokenRefusal::TokenType), "{algorithm:?}");
    }
}
