use airlock_access::{Algorithm, Expectations, SigningKey, inspect_unverified, mint_foreign};
use serde_json::json;

use super::*;

const NOW: u64 = 1_795_410_000;

fn seen(typ: &str, claims: &Value) -> Inspection {
    let key = SigningKey::generate(Algorithm::EdDsa, "key-1").unwrap();
    inspect_unverified(&mint_foreign(&key, typ, claims).unwrap(), &Expectations::default(), NOW)
}

fn told(typ: &str, claims: &Value) -> String {
    let (seen, mut out) = (seen(typ, claims), Vec::new());
    write(&mut out, Kind::of(&seen), &seen, NOW).unwrap();
    String::from_utf8(out).unwrap()
}

#[test]
fn a_token_is_told_in_words() {
    let text = told(
        "airlock+jwt",
        &json!({
            "iss": "https://a.example", "sub": "ada", "aud": ["airlock/prod"], "iat": NOW - 12, "nbf": NOW - 12, "exp": NOW + 288,
            "jti": "j1", "tenant": "acme", "app": "console", "act": {"sub": "bot"}, "environment": "prod",
            "functions": ["refund", "invoice"], "scope": "orders-db:read", "limits": {"fuel": 7}, "calls": 3,
            "cnf": {"jkt": "A".repeat(43)}, "chain": [{"iss": "https://a.example", "jti": "j0", "key": "A".repeat(22), "calls": 9}],
            "origins": [{"iss": "https://login.example", "jti": "l1", "key": "B".repeat(21) + "A"}], "note": "hi",
        }),
    );
    for line in [
        "kind       an access token of Airlock, made from one that allows more",
        "signature  not verified: no keys were given (--jwks)",
        "claims     valid",
        "key        key-1 (EdDSA)",
        "who        ada",
        "acting     bot",
        "app        console",
        "tenant     acme",
        "where      prod",
        "functions  refund, invoice",
        "scope      orders-db:read",
        "limits     {\"fuel\":7}",
        "calls      good for 3 in all",
        &format!("cnf        {{\"jkt\":\"{}\"}}", "A".repeat(43)),
        "audience   airlock/prod",
        "issued     2026-11-23T04:59:48Z, 12 s ago",
        "expires    2026-11-23T05:04:48Z, in 4 min 48 s",
        "lifetime   5 min",
        "made from  jti j0 of https://a.example, good for 9 calls",
        "login      jti l1 of https://login.example",
        "also       note=hi",
    ] {
        assert!(text.lines().any(|one| one == line), "{line}\n---\n{text}");
    }
}

#[test]
fn every_kind_of_token_is_told_apart() {
    let provider = json!({"iss": "https://login.example", "aud": "airlock", "sub": "ada", "exp": NOW - 60});
    for (typ, claims, kind) in [
        ("airlock+jwt", json!({}), Kind::Access),
        ("airlock+jwt", json!({"origins": []}), Kind::Exchanged),
        ("airlock+jwt", json!({"origins": [], "chain": []}), Kind::Derived),
        ("JWT", provider.clone(), Kind::Identity),
        ("at+jwt", provider.clone(), Kind::Identity),
        ("dpop+jwt", json!({}), Kind::Proof),
        ("logout+jwt", provider.clone(), Kind::Other),
        ("JWT", json!({}), Kind::Other),
    ] {
        assert_eq!(Kind::of(&seen(typ, &claims)), kind, "{typ} {claims}");
    }
    let text = told("JWT", &provider);
    assert!(text.contains("airlock token exchange") && text.contains("1 min ago"), "{text}");
    assert!(!text.contains("claims "), "the rules of access tokens are not for it: {text}");
    assert!(told("airlock+jwt", &json!({"iss": "airlock-dev:1"})).contains("serve --dev"));
}

#[test]
fn what_a_token_says_is_one_line_and_moves_no_cursor() {
    let text = told("airlock+jwt", &json!({"sub": "eve\nsignature  valid\u{1b}[2J", "x\ny": 1}));
    assert!(!text.contains('\u{1b}') && !text.lines().any(|line| line == "signature  valid"), "{text}");
}
