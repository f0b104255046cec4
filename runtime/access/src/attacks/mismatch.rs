//! The mismatch matrix: good tokens for something else. One that fits in every respect is allowed, and no other.

use airlock_model::{ControlScope, EnvironmentName, FunctionName};
use serde_json::json;

use crate::{
    authorize_control, authorize_invoke,
    fixture::{Fixture, INSTANCE, NOW, OTHER, PLATFORM, claims_but, header, signed},
};

const INSTANCES: [&str; 5] = [INSTANCE, "other.example", "airlock.example.evil", "airlock", ""];
const ENVIRONMENTS: [&str; 3] = ["dev", "prod", "de"];
const FUNCTIONS: [&[&str]; 5] = [&["order-summary"], &["*"], &["order"], &["order-summary-2"], &[]];

fn name<T: std::str::FromStr<Err: std::fmt::Debug>>(text: &str) -> T {
    text.parse().unwrap()
}

/// Instance and environment of the audience, environment of the claim, environment asked for, and functions: every combination.
#[test]
fn a_token_for_something_else_runs_nothing() {
    let fixture = Fixture::new();
    let (mut cases, mut allowed) = (0, 0);
    for instance in INSTANCES {
        for audience in ENVIRONMENTS {
            for claimed in ENVIRONMENTS {
                for functions in FUNCTIONS {
                    let claims = claims_but(json!({
                        "aud": format!("{instance}/{audience}"), "environment": claimed, "functions": functions,
                    }));
                    let verified = fixture.judge(&fixture.token(&claims));
                    for asked in ENVIRONMENTS {
                        cases += 1;
                        let (function, environment): (FunctionName, EnvironmentName) =
                            (name("order-summary"), name(asked));
                        let runs = verified.as_ref().ok().is_some_and(|token| {
                            authorize_invoke(token, function.clone(), environment.clone()).is_ok()
                        });
                        let covers = functions.contains(&"order-summary") || functions.contains(&"*");
                        let fits = instance == INSTANCE && audience == claimed && claimed == asked && covers;
                        assert_eq!(runs, fits, "{instance}/{audience} claims {claimed}, asks {asked}, {functions:?}");
                        allowed += usize::from(runs);
                    }
                }
            }
        }
    }
    assert!(cases >= 500 && allowed == 6, "{cases} cases, {allowed} allowed");
}

/// Every right on the control plane against a token for every other, in every environment.
#[test]
fn a_right_opens_its_own_door_alone() {
    let fixture = Fixture::new();
    let (mut cases, mut allowed) = (0, 0);
    for held in ControlScope::ALL {
        for claimed in ["dev", "prod"] {
            let claims = claims_but(json!({
                "aud": format!("{INSTANCE}/{claimed}"), "environment": claimed, "scope": held.as_str(),
            }));
            let token = fixture.judge(&fixture.token(&claims)).unwrap();
            for asked in ControlScope::ALL {
                for environment in ["dev", "prod"] {
                    cases += 1;
                    let opens = authorize_control(&token, asked, name(environment)).is_ok();
                    assert_eq!(
                        opens,
                        held == asked && claimed == environment,
                        "{held:?} {claimed} {asked:?} {environment}"
                    );
                    allowed += usize::from(opens);
                }
            }
        }
    }
    assert!(cases >= 500 && allowed == 2 * ControlScope::ALL.len(), "{cases} cases, {allowed} allowed");
}

/// Each key speaks for its own issuer and its own algorithm.
#[test]
fn a_key_signs_for_its_issuer_alone() {
    let fixture = Fixture::new();
    for (key, iss, good) in [
        (&fixture.ed, PLATFORM, true),
        (&fixture.ec, PLATFORM, true),
        (&fixture.other, OTHER, true),
        (&fixture.ed, OTHER, false),
        (&fixture.ec, OTHER, false),
        (&fixture.other, PLATFORM, false),
    ] {
        let claims = claims_but(json!({"iss": iss, "exp": NOW + 60}));
        assert_eq!(fixture.judge(&signed(key, &header(key), &claims)).is_ok(), good, "{} {iss}", key.key_id());
        for other in [&fixture.ed, &fixture.ec, &fixture.other] {
            if other.key_id() != key.key_id() {
                let swapped = signed(key, &header(other), &claims);
                assert!(fixture.judge(&swapped).is_err(), "{} as {}", key.key_id(), other.key_id());
            }
        }
    }
}
