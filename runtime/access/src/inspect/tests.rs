use serde_json::json;

use super::*;
use crate::{
    fixture::{Fixture, INSTANCE, NOW, PLATFORM, claims, claims_but, header, laid_over, signed},
    public_jwks,
};

fn keys(fixture: &Fixture) -> KeySet {
    KeySet::parse(&public_jwks(&[&fixture.ed, &fixture.ec])).unwrap()
}

fn verdicts(fixture: &Fixture, token: &str, expectations: &Expectations) -> (bool, bool) {
    let seen = inspect(token, &keys(fixture), expectations, NOW);
    (seen.signature.valid, seen.claims.valid)
}

#[test]
fn the_two_verdicts_are_independent() {
    let fixture = Fixture::new();
    let expectations = Expectations::default();
    let expired = claims_but(json!({"exp": NOW - 10, "iat": NOW - 60}));
    let stranger = laid_over(header(&fixture.ed), json!({"kid": "nobody"}));
    let cases = [
        (signed(&fixture.ed, &header(&fixture.ed), &claims()), (true, true)),
        (signed(&fixture.ed, &header(&fixture.ed), &expired), (true, false)),
        (signed(&fixture.ed, &stranger, &claims()), (false, true)),
        (signed(&fixture.ed, &stranger, &expired), (false, false)),
        ("nonsense".to_owned(), (false, false)),
        (String::new(), (false, false)),
    ];
    for (token, expected) in cases {
        assert_eq!(verdicts(&fixture, &token, &expectations), expected, "{token}");
    }
}

#[test]
fn issuer_and_instance_are_judged_when_they_are_expected() {
    let fixture = Fixture::new();
    let token = signed(&fixture.ed, &header(&fixture.ed), &claims());
    let expecting = |instance: &str, issuer: &str| Expectations {
        instance: Some(instance.to_owned()),
        issuer: Some(issuer.to_owned()),
        ..Expectations::default()
    };
    assert_eq!(verdicts(&fixture, &token, &expecting(INSTANCE, PLATFORM)), (true, true));
    assert_eq!(verdicts(&fixture, &token, &expecting("elsewhere", PLATFORM)), (true, false));
    assert_eq!(verdicts(&fixture, &token, &expecting(INSTANCE, "https://evil.example")), (true, false));
}

#[test]
fn without_an_instance_the_audience_must_still_have_its_shape() {
    let fixture = Fixture::new();
    let with = |aud: &str| signed(&fixture.ed, &header(&fixture.ed), &claims_but(json!({"aud": aud})));
    for (aud, valid) in
        [("anything.example/dev", true), ("dev", false), ("/dev", false), ("x/prod", false), ("x/", false)]
    {
        assert_eq!(verdicts(&fixture, &with(aud), &Expectations::default()), (true, valid), "{aud}");
    }
}

#[test]
fn the_report_shows_the_token_and_names_the_broken_rule() {
    let fixture = Fixture::new();
    let token = signed(&fixture.ed, &header(&fixture.ed), &claims_but(json!({"exp": "soon"})));
    let seen = serde_json::to_value(inspect(&token, &keys(&fixture), &Expectations::default(), NOW)).unwrap();
    assert_eq!(seen["signature"], json!({"valid": true, "reason": null}));
    assert_eq!(seen["claims"]["valid"], json!(false));
    assert!(seen["claims"]["reason"].as_str().unwrap().contains("`exp`"), "{seen}");
    assert_eq!(seen["claims_json"]["exp"], json!("soon"));
    assert_eq!(seen["header"]["kid"], json!("ed-1"));
}

#[test]
fn only_a_whole_token_passes_a_newline_does_not() {
    let fixture = Fixture::new();
    let token = signed(&fixture.ed, &header(&fixture.ed), &claims());
    assert_eq!(verdicts(&fixture, &format!("{token}\n"), &Expectations::default()), (false, true));
}

#[test]
fn without_keys_no_signature_is_valid_and_everything_is_shown() {
    let fixture = Fixture::new();
    let expectations = Expectations::default();
    for token in [
        signed(&fixture.ed, &header(&fixture.ed), &claims()),
        signed(&fixture.ed, &laid_over(header(&fixture.ed), json!({"kid": "nobody"})), &claims()),
    ] {
        let seen = inspect_unverified(&token, &expectations, NOW);
        assert!(!seen.signature.valid && seen.claims.valid, "{seen:?}");
        assert!(seen.signature.reason.is_some_and(|why| why.contains("not verified")));
        assert_eq!(seen.claims_json, Some(claims()));
    }
    assert_eq!(inspect_unverified("nonsense", &expectations, NOW).claims_json, None);
}
