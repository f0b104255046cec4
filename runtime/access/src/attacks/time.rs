//! Confusions of times and lifetimes (RFC 7519 sections 4.1.4 to 4.1.6).

use serde_json::{Value, json};

use super::{Case, all_accepted, all_refused};
use crate::{
    Claim, ClaimFault, TokenRefusal,
    fixture::{Fixture, NOW, claims, claims_but, header, signed_text},
};

/// `exp`, `nbf` and `iat` relative to now.
fn times(expires: i64, not_before: i64, issued: i64) -> Value {
    let at = |offset: i64| NOW.saturating_add_signed(offset);
    json!({"exp": at(expires), "nbf": at(not_before), "iat": at(issued)})
}

pub(super) fn cases(fixture: &Fixture) -> Vec<Case> {
    let wrong = |claim| TokenRefusal::Claim(claim, ClaimFault::Type);
    let missing = |claim| TokenRefusal::Claim(claim, ClaimFault::Missing);
    let text = |from: &str, to: &str| {
        signed_text(&fixture.ed, &header(&fixture.ed).to_string(), &claims().to_string().replace(from, to))
    };
    let exp = format!("\"exp\":{}", NOW + 120);
    let mut cases = vec![
        ("exp as a float", text(&exp, "\"exp\":1800000120.0"), wrong(Claim::Exp)),
        ("exp with an exponent", text(&exp, "\"exp\":18e8"), wrong(Claim::Exp)),
        ("exp minus zero", text(&exp, "\"exp\":-0"), wrong(Claim::Exp)),
        ("exp over 64 bits", text(&exp, "\"exp\":18446744073709551616"), wrong(Claim::Exp)),
        ("exp of a thousand digits", text(&exp, &format!("\"exp\":{}", "9".repeat(300))), wrong(Claim::Exp)),
    ];
    let changes = [
        ("no exp", json!({"exp": null}), missing(Claim::Exp)),
        ("exp as a text", json!({"exp": "1800000120"}), wrong(Claim::Exp)),
        ("exp below zero", json!({"exp": -1}), wrong(Claim::Exp)),
        ("exp a list", json!({"exp": [NOW + 120]}), wrong(Claim::Exp)),
        ("exp true", json!({"exp": true}), wrong(Claim::Exp)),
        ("exp the largest integer", json!({"exp": u64::MAX}), TokenRefusal::Lifetime),
        ("exp in milliseconds", json!({"exp": (NOW + 120) * 1_000}), TokenRefusal::Lifetime),
        ("no nbf", json!({"nbf": null}), missing(Claim::Nbf)),
        ("nbf as a text", json!({"nbf": "0"}), wrong(Claim::Nbf)),
        ("nbf as a float", json!({"nbf": 1.5}), wrong(Claim::Nbf)),
        ("no iat", json!({"iat": null}), missing(Claim::Iat)),
        ("iat as a text", json!({"iat": "0"}), wrong(Claim::Iat)),
        ("iat below zero", json!({"iat": -1}), wrong(Claim::Iat)),
        ("iat zero, to stretch the lifetime", json!({"iat": 0}), TokenRefusal::Lifetime),
        ("expired at the leeway", times(-5, -60, -60), TokenRefusal::Expired),
        ("expired long ago", times(-100_000, -100_100, -100_100), TokenRefusal::Expired),
        ("nbf past the leeway", times(120, 6, -60), TokenRefusal::NotYetValid),
        ("nbf the largest integer", json!({"nbf": u64::MAX}), TokenRefusal::NotYetValid),
        ("iat past the leeway", times(120, -60, 6), TokenRefusal::IssuedInFuture),
        ("exp equal to iat", times(3, 3, 3), TokenRefusal::Inverted),
        ("exp before iat", times(1, -60, 3), TokenRefusal::Inverted),
        ("lifetime one second over the cap", times(241, -60, -60), TokenRefusal::Lifetime),
        ("lifetime of a year", times(31_536_000, -60, -60), TokenRefusal::Lifetime),
    ];
    cases.extend(changes.map(|(name, change, refusal)| (name, fixture.token(&claims_but(change)), refusal)));
    cases
}

#[test]
fn every_time_confusion_is_refused() {
    let fixture = Fixture::new();
    all_refused(&fixture, &cases(&fixture));
}

#[test]
fn times_at_the_edge_pass() {
    let fixture = Fixture::new();
    let accepted = [
        ("expired within the leeway", times(-4, -60, -60)),
        ("nbf within the leeway", times(120, 5, -60)),
        ("iat within the leeway", times(120, 0, 5)),
        ("lifetime exactly the cap", times(240, -60, -60)),
        ("lifetime of one second", times(1, 0, 0)),
        ("nbf long before iat", json!({"nbf": 0})),
    ];
    all_accepted(&fixture, &accepted.map(|(name, change)| (name, fixture.token(&claims_but(change)))));
}

#[test]
fn times_are_judged_again_when_the_token_is_remembered() {
    let fixture = Fixture::new();
    let token = fixture.token(&claims_but(times(120, 0, 0)));
    let at = |now| fixture.authenticator.judge(&token, now).err();
    assert_eq!(at(NOW), None);
    assert_eq!(at(NOW + 124), None);
    assert_eq!(at(NOW + 125), Some(TokenRefusal::Expired));
    assert_eq!(at(NOW - 6), Some(TokenRefusal::NotYetValid));
    assert_eq!(at(NOW), None);
}

#[test]
fn no_clock_overflows() {
    let fixture = Fixture::new();
    let token = fixture.token(&claims());
    assert_eq!(fixture.authenticator.judge(&token, u64::MAX).err(), Some(TokenRefusal::Expired));
    assert_eq!(fixture.authenticator.judge(&token, 0).err(), Some(TokenRefusal::NotYetValid));
}
