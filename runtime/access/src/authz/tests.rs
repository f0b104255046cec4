use airlock_model::Reason;
use serde_json::{Value, json};

use super::*;
use crate::fixture::{Fixture, INSTANCE, claims_but};

fn invoke(claims: Value, function: &str, environment: &str) -> Result<Authorized<Invoke>, Failure> {
    let token = Fixture::new().verified(&claims_but(claims));
    authorize_invoke(&token, function.parse().unwrap(), environment.parse().unwrap())
}

fn control(claims: Value, scope: ControlScope, environment: &str) -> Result<Authorized<Control>, Failure> {
    let token = Fixture::new().verified(&claims_but(claims));
    authorize_control(&token, scope, environment.parse().unwrap())
}

#[test]
fn a_named_function_in_the_tokens_environment_is_allowed() {
    let allowed = invoke(json!({"functions": ["a", "order-summary"]}), "order-summary", "dev").unwrap();
    assert_eq!(allowed.call().function().as_str(), "order-summary");
    assert_eq!(allowed.call().environment().as_str(), "dev");
    assert_eq!(allowed.principal().subject, "user-1");
    assert_eq!(&**allowed.token().token_id(), "token-1");
    assert!(invoke(json!({"functions": ["*"]}), "anything", "dev").is_ok());
}

#[test]
fn anything_the_token_does_not_name_is_refused() {
    let refused = [
        (json!({"functions": ["a"]}), "b", "dev"),
        (json!({"functions": ["order"]}), "order-summary", "dev"),
        (json!({"functions": ["order-summary"]}), "order", "dev"),
        (json!({"functions": []}), "a", "dev"),
        (json!({"functions": null}), "a", "dev"),
        (json!({"functions": ["a"]}), "a", "prod"),
        (json!({"functions": ["*"]}), "a", "prod"),
        (json!({"functions": ["*"], "environment": "prod", "aud": format!("{INSTANCE}/prod")}), "a", "dev"),
    ];
    for (claims, function, environment) in refused {
        let failure = invoke(claims.clone(), function, environment).unwrap_err();
        assert_eq!(failure.reason, Reason::NotGranted, "{claims}");
        let message = format!("the token does not cover function `{function}` in environment `{environment}`");
        assert_eq!(failure.message, message, "{claims}");
    }
}

#[test]
fn control_scopes_allow_exactly_themselves() {
    for held in ControlScope::ALL {
        for asked in ControlScope::ALL {
            let claims = json!({"scope": held.as_str()});
            let outcome = control(claims.clone(), asked, "dev").map(|permit| permit.call().scope());
            assert_eq!(outcome.is_ok(), held == asked, "{held:?} {asked:?}");
            assert!(control(claims, asked, "prod").is_err(), "{held:?} {asked:?}");
        }
    }
}

#[test]
fn the_right_to_invoke_is_no_right_to_control_and_the_reverse() {
    let star = json!({"functions": ["*"], "scope": "orders-db:read"});
    assert_eq!(control(star, ControlScope::FunctionRead, "dev").unwrap_err().reason, Reason::NotGranted);
    let all = json!({"functions": [], "scope": "function:deploy function:read audit:read"});
    assert_eq!(invoke(all, "order-summary", "dev").unwrap_err().reason, Reason::NotGranted);
}
