//! Confusions of identity, audience and rights inside a well-signed token.

use serde_json::{Value, json};

use super::{Case, all_accepted, all_refused};
use crate::{
    Claim, ClaimFault, Thumbprint, TokenRefusal,
    fixture::{Fixture, INSTANCE, OTHER, claims_but},
};

/// How a token may name a key; nobody has this one.
const KEY: &str = "AAAAAAAAAAAAAAAAAAAAAA";

const fn missing(claim: Claim) -> TokenRefusal {
    TokenRefusal::Claim(claim, ClaimFault::Missing)
}

const fn wrong_type(claim: Claim) -> TokenRefusal {
    TokenRefusal::Claim(claim, ClaimFault::Type)
}

const fn wrong_value(claim: Claim) -> TokenRefusal {
    TokenRefusal::Claim(claim, ClaimFault::Value)
}

fn changed(fixture: &Fixture, changes: Vec<(&'static str, Value, TokenRefusal)>) -> Vec<Case> {
    let case = |(name, change, refusal)| (name, fixture.token(&claims_but(change)), refusal);
    changes.into_iter().map(case).collect()
}

fn identity_cases(fixture: &Fixture) -> Vec<Case> {
    changed(
        fixture,
        vec![
            ("no iss", json!({"iss": null}), missing(Claim::Iss)),
            ("iss a list", json!({"iss": ["https://platform.example"]}), wrong_type(Claim::Iss)),
            ("empty iss", json!({"iss": ""}), wrong_value(Claim::Iss)),
            ("iss with a slash more", json!({"iss": "https://platform.example/"}), TokenRefusal::Issuer),
            ("iss in other case", json!({"iss": "https://PLATFORM.example"}), TokenRefusal::Issuer),
            ("iss of the other issuer", json!({"iss": OTHER}), TokenRefusal::Issuer),
            ("iss of nobody", json!({"iss": "https://evil.example"}), TokenRefusal::Issuer),
            ("no sub", json!({"sub": null}), missing(Claim::Sub)),
            ("empty sub", json!({"sub": ""}), wrong_value(Claim::Sub)),
            ("sub a number", json!({"sub": 7}), wrong_type(Claim::Sub)),
            ("sub an object", json!({"sub": {"sub": "x"}}), wrong_type(Claim::Sub)),
            ("sub of 256 bytes", json!({"sub": "x".repeat(256)}), wrong_value(Claim::Sub)),
            ("sub with a NUL", json!({"sub": "user\0root"}), wrong_value(Claim::Sub)),
            ("sub with a newline", json!({"sub": "user\nroot"}), wrong_value(Claim::Sub)),
            ("sub with an escape sequence", json!({"sub": "\u{1b}[2J"}), wrong_value(Claim::Sub)),
            ("sub that reads backwards", json!({"sub": "\u{202e}toor"}), wrong_value(Claim::Sub)),
            ("no jti", json!({"jti": null}), missing(Claim::Jti)),
            ("empty jti", json!({"jti": ""}), wrong_value(Claim::Jti)),
            ("jti with a space", json!({"jti": "a b"}), wrong_value(Claim::Jti)),
            ("jti of 129 characters", json!({"jti": "x".repeat(129)}), wrong_value(Claim::Jti)),
            ("jti not ASCII", json!({"jti": "\u{e9}"}), wrong_value(Claim::Jti)),
            ("jti a number", json!({"jti": 1}), wrong_type(Claim::Jti)),
            ("no tenant", json!({"tenant": null}), missing(Claim::Tenant)),
            ("tenant in other case", json!({"tenant": "ACME"}), wrong_value(Claim::Tenant)),
            ("tenant as a path", json!({"tenant": "../globex"}), wrong_value(Claim::Tenant)),
            ("tenant a list", json!({"tenant": ["acme"]}), wrong_type(Claim::Tenant)),
            ("no app", json!({"app": null}), missing(Claim::App)),
            ("empty app", json!({"app": ""}), wrong_value(Claim::App)),
            ("calls a text", json!({"calls": "5"}), wrong_type(Claim::Calls)),
            ("no calls at all", json!({"calls": 0}), wrong_value(Claim::Calls)),
            ("calls below zero", json!({"calls": -1}), wrong_type(Claim::Calls)),
            ("calls beyond 32 bits", json!({"calls": 1u64 << 32}), wrong_value(Claim::Calls)),
            ("act a text", json!({"act": "agent"}), wrong_type(Claim::Act)),
            ("act without sub", json!({"act": {}}), wrong_value(Claim::Act)),
            ("act with a sub that is no text", json!({"act": {"sub": 1}}), wrong_value(Claim::Act)),
            ("act with an empty sub", json!({"act": {"sub": ""}}), wrong_value(Claim::Act)),
        ],
    )
}

fn lineage_cases(fixture: &Fixture) -> Vec<Case> {
    changed(
        fixture,
        vec![
            ("chain a text", json!({"chain": "x"}), wrong_type(Claim::Chain)),
            ("chain of a text", json!({"chain": ["x"]}), wrong_value(Claim::Chain)),
            (
                "chain without jti",
                json!({"chain": [{"iss": "https://platform.example", "key": KEY}]}),
                wrong_value(Claim::Chain),
            ),
            (
                "chain with an empty jti",
                json!({"chain": [{"iss": OTHER, "jti": "", "key": KEY}]}),
                wrong_value(Claim::Chain),
            ),
            ("chain without a key", json!({"chain": [{"iss": OTHER, "jti": "a"}]}), wrong_value(Claim::Chain)),
            (
                "chain with a longer key",
                json!({"chain": [{"iss": OTHER, "jti": "a", "key": format!("{KEY}AA")}]}),
                wrong_value(Claim::Chain),
            ),
            (
                "chain with a key in another spelling",
                json!({"chain": [{"iss": OTHER, "jti": "a", "key": "AAAAAAAAAAAAAAAAAAAAAB"}]}),
                wrong_value(Claim::Chain),
            ),
            (
                "chain with a key that nobody has",
                json!({"chain": [{"iss": OTHER, "jti": "a", "key": KEY}]}),
                TokenRefusal::ChainKey,
            ),
            (
                "chain with calls of zero",
                json!({"chain": [{"iss": OTHER, "jti": "a", "key": KEY, "calls": 0}]}),
                wrong_value(Claim::Chain),
            ),
            (
                "chain of nine",
                json!({"chain": vec![json!({"iss": OTHER, "jti": "a", "key": KEY}); 9]}),
                wrong_value(Claim::Chain),
            ),
            (
                "chain of nobody",
                json!({"chain": [{"iss": "https://evil.example", "jti": "a", "key": KEY}]}),
                TokenRefusal::ChainIssuer,
            ),
            ("origins an object", json!({"origins": {}}), wrong_type(Claim::Origins)),
            (
                "origins of three",
                json!({"origins": vec![json!({"iss": OTHER, "jti": "a", "key": KEY}); 3]}),
                wrong_value(Claim::Origins),
            ),
            (
                "origins of an issuer",
                json!({"origins": [{"iss": OTHER, "jti": "a", "key": KEY}]}),
                TokenRefusal::ChainIssuer,
            ),
        ],
    )
}

fn audience_cases(fixture: &Fixture) -> Vec<Case> {
    let full = format!("{INSTANCE}/dev");
    let many = vec![full.clone(); 17];
    let refusal = TokenRefusal::Audience;
    changed(
        fixture,
        vec![
            ("no aud", json!({"aud": null}), missing(Claim::Aud)),
            ("aud an empty list", json!({"aud": []}), wrong_value(Claim::Aud)),
            ("aud a list of 17", json!({"aud": many}), wrong_value(Claim::Aud)),
            ("aud with a number", json!({"aud": [full, 1]}), wrong_type(Claim::Aud)),
            ("aud an object", json!({"aud": {"x": full}}), wrong_type(Claim::Aud)),
            ("aud a number", json!({"aud": 1}), wrong_type(Claim::Aud)),
            ("aud empty", json!({"aud": ""}), refusal),
            ("aud without environment", json!({"aud": INSTANCE}), refusal),
            ("aud of another instance", json!({"aud": "other.example/dev"}), refusal),
            ("aud of another environment", json!({"aud": format!("{INSTANCE}/prod")}), refusal),
            ("aud that only begins so", json!({"aud": format!("{full}x")}), refusal),
            ("aud that only ends so", json!({"aud": format!("x{full}")}), refusal),
            ("aud with a slash more", json!({"aud": format!("{full}/")}), refusal),
            ("aud in other case", json!({"aud": full.to_uppercase()}), refusal),
            ("aud with a star", json!({"aud": "*/dev"}), refusal),
            ("two halves in two audiences", json!({"aud": [INSTANCE, "dev", "other.example/dev"]}), refusal),
            ("environment other than in aud", json!({"environment": "prod"}), refusal),
            ("no environment", json!({"environment": null}), missing(Claim::Environment)),
            ("empty environment", json!({"environment": ""}), wrong_value(Claim::Environment)),
            ("environment with a slash", json!({"environment": "a/dev"}), wrong_value(Claim::Environment)),
            ("environment a list", json!({"environment": ["dev"]}), wrong_type(Claim::Environment)),
        ],
    )
}

fn right_cases(fixture: &Fixture) -> Vec<Case> {
    let scopes = vec!["orders-db:read"; 129].join(" ");
    let functions = vec!["f"; 257];
    changed(
        fixture,
        vec![
            ("functions a text", json!({"functions": "order-summary"}), wrong_type(Claim::Functions)),
            ("functions a star outside a list", json!({"functions": "*"}), wrong_type(Claim::Functions)),
            ("functions an object", json!({"functions": {}}), wrong_type(Claim::Functions)),
            ("functions with a number", json!({"functions": ["a", 1]}), wrong_type(Claim::Functions)),
            ("star among names", json!({"functions": ["*", "a"]}), wrong_value(Claim::Functions)),
            ("two stars", json!({"functions": ["*", "*"]}), wrong_value(Claim::Functions)),
            ("pattern", json!({"functions": ["order-*"]}), wrong_value(Claim::Functions)),
            ("empty name", json!({"functions": [""]}), wrong_value(Claim::Functions)),
            ("257 functions", json!({"functions": functions}), wrong_value(Claim::Functions)),
            ("scope a list", json!({"scope": ["orders-db:read"]}), wrong_type(Claim::Scope)),
            ("scope with two spaces", json!({"scope": "orders-db:read  crm:GET"}), wrong_value(Claim::Scope)),
            ("scope with a space behind", json!({"scope": "orders-db:read "}), wrong_value(Claim::Scope)),
            ("scope with a tab", json!({"scope": "orders-db:read\tcrm:GET"}), wrong_value(Claim::Scope)),
            ("scope with a star", json!({"scope": "*:read"}), wrong_value(Claim::Scope)),
            ("unknown operation", json!({"scope": "orders-db:everything"}), wrong_value(Claim::Scope)),
            ("unknown control scope", json!({"scope": "function:*"}), wrong_value(Claim::Scope)),
            ("129 scopes", json!({"scope": scopes}), wrong_value(Claim::Scope)),
            ("limits a list", json!({"limits": []}), wrong_type(Claim::Limits)),
            ("unknown limit", json!({"limits": {"fule": 1}}), wrong_value(Claim::Limits)),
            ("limit of zero", json!({"limits": {"fuel": 0}}), wrong_value(Claim::Limits)),
            ("limit below zero", json!({"limits": {"fuel": -1}}), wrong_value(Claim::Limits)),
            ("limit with a fraction", json!({"limits": {"fuel": 1.5}}), wrong_value(Claim::Limits)),
            ("limit over 64 bits", json!({"limits": {"fuel": 1e300}}), wrong_value(Claim::Limits)),
        ],
    )
}

/// What binds a token to its holder in a way that is not understood never passes as no binding.
fn holder_cases(fixture: &Fixture) -> Vec<Case> {
    let good = Thumbprint::of_certificate(b"x").to_string();
    let refusal = TokenRefusal::Confirmation;
    changed(
        fixture,
        vec![
            ("cnf a text", json!({"cnf": good}), refusal),
            ("cnf a list", json!({"cnf": [{"jkt": good}]}), refusal),
            ("cnf empty", json!({"cnf": {}}), refusal),
            ("cnf with a whole key", json!({"cnf": {"jwk": {"kty": "OKP"}}}), refusal),
            ("cnf with a key id", json!({"cnf": {"kid": "x"}}), refusal),
            ("cnf with one more member", json!({"cnf": {"jkt": good, "kid": "x"}}), refusal),
            ("cnf with another hash", json!({"cnf": {"x5t": good}}), refusal),
            ("jkt in other case", json!({"cnf": {"JKT": good}}), refusal),
            ("jkt too short", json!({"cnf": {"jkt": "x"}}), refusal),
            ("jkt with padding", json!({"cnf": {"jkt": format!("{good}=")}}), refusal),
            ("jkt in hexadecimal", json!({"cnf": {"jkt": "ab".repeat(32)}}), refusal),
            ("jkt null", json!({"cnf": {"jkt": null}}), refusal),
            ("x5t#S256 a number", json!({"cnf": {"x5t#S256": 1}}), refusal),
            ("one right and one wrong", json!({"cnf": {"jkt": good, "x5t#S256": ""}}), refusal),
        ],
    )
}

pub(super) fn cases(fixture: &Fixture) -> Vec<Case> {
    let [identity, lineage] = [identity_cases(fixture), lineage_cases(fixture)];
    [identity, lineage, audience_cases(fixture), right_cases(fixture), holder_cases(fixture)].concat()
}

#[test]
fn every_claim_confusion_is_refused() {
    let fixture = Fixture::new();
    all_refused(&fixture, &cases(&fixture));
}

#[test]
fn right_claims_pass() {
    let fixture = Fixture::new();
    let full = format!("{INSTANCE}/dev");
    let accepted = [
        ("as they are", json!({})),
        ("aud one of several", json!({"aud": ["other.example/dev", full]})),
        ("sub of 255 bytes", json!({"sub": "x".repeat(255)})),
        ("sub with accents and spaces", json!({"sub": "Zo\u{eb} M\u{fc}ller"})),
        ("jti of 128 characters", json!({"jti": "~".repeat(128)})),
        ("act", json!({"act": {"sub": "agent-7", "act": {"sub": "earlier"}}})),
        ("no functions claim", json!({"functions": null})),
        ("no functions", json!({"functions": []})),
        ("every function", json!({"functions": ["*"]})),
        ("no scope claim", json!({"scope": null})),
        ("empty scope", json!({"scope": ""})),
        ("limits", json!({"limits": {"fuel": 1000, "memory_bytes": "1MiB"}})),
        ("bound to a certificate", json!({"cnf": {"x5t#S256": Thumbprint::of_certificate(b"x").to_string()}})),
        ("unknown claim", json!({"email": "a@b.example"})),
    ];
    all_accepted(&fixture, &accepted.map(|(name, change)| (name, fixture.token(&claims_but(change)))));
}
