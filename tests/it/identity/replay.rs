//! Tokens that are good for so many calls, or for the effects of one.

use std::sync::Arc;

use airlock_proto::v1::AttenuateRequest;
use airlock_tests::{Harness, output, reason, times, tokens::TokenSpec, with_token};

const READ: &str = r#"{"op":"query","statement":"select 1"}"#;
const COUNT: &str = r#"{"op":"query","statement":"select total from orders where id = 1"}"#;
const WRITE: &str = r#"{"op":"execute","statement":"update orders set total = total + 1 where id = 1"}"#;

async fn single_use() -> Harness {
    let harness = Harness::start().await;
    let single = "[environments.dev]\nsingle_use_tokens = true\nwrites = \"allow\"";
    harness.set_config(&harness.config().replacen("[environments.dev]\nwrites = \"allow\"", single, 1));
    harness.reload().await.expect("read again");
    harness.deploy_built("sql-probe").await;
    harness
}

async fn probe(harness: &Harness, token: &str, call: &str) -> serde_json::Value {
    output(&harness.invoke_with(token, "dev", "sql-probe", call).await.expect("it runs"))
}

fn is_used(answer: &serde_json::Value) -> bool {
    answer.to_string().contains("token_used")
}

async fn total(harness: &Harness) -> f64 {
    let answer = harness.probe(&TokenSpec::everything(), COUNT).await;
    let rows = answer.to_string();
    let digits: String = rows.chars().filter(|c| c.is_ascii_digit() || *c == '.').collect();
    digits.parse().unwrap_or_else(|_| panic!("{rows}"))
}

#[tokio::test]
async fn the_effects_of_a_token_are_those_of_one_call_also_after_a_restart() {
    let mut harness = single_use().await;
    harness.keep_own_key().await;
    let token = harness.token(&TokenSpec::everything());
    assert!(!is_used(&probe(&harness, &token, READ).await), "reading uses nothing up");
    assert!(!is_used(&probe(&harness, &token, WRITE).await));
    let again = probe(&harness, &token, WRITE).await;
    assert!(is_used(&again) && again.to_string().contains("single_use_tokens (airlock.toml:"), "{again}");
    assert!(!is_used(&probe(&harness, &token, READ).await));
    let child = harness.tokens().attenuate(with_token(AttenuateRequest::default(), &token)).await.expect("narrowed");
    let child = child.into_inner().access_token;
    assert!(is_used(&probe(&harness, &child, WRITE).await), "a child is no second token");
    harness.restart().await;
    assert!(is_used(&probe(&harness, &token, WRITE).await));
    assert!(!is_used(&probe(&harness, &harness.token(&TokenSpec::everything()), WRITE).await));
}

/// `AIRLOCK_REPLAYS=10000` for the whole promise.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_many_replays_at_once_one_has_effects() {
    let harness = Arc::new(single_use().await);
    let token = harness.token(&TokenSpec::everything());
    let before = total(&harness).await;
    let (replays, at_once) = (times("AIRLOCK_REPLAYS", 300), 50);
    let mut refused = 0;
    for _ in 0..replays.div_ceil(at_once) {
        let calls: Vec<_> = (0..at_once)
            .map(|_| {
                let (harness, token) = (Arc::clone(&harness), token.clone());
                tokio::spawn(async move { is_used(&probe(&harness, &token, WRITE).await) })
            })
            .collect();
        for call in calls {
            refused += usize::from(call.await.expect("a call"));
        }
    }
    let ran = replays.div_ceil(at_once) * at_once;
    assert_eq!(refused, ran - 1);
    assert!((total(&harness).await - before - 1.0).abs() < 1e-9, "one update");
    println!("{ran} replays: {} had effects", ran - refused);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_for_so_many_calls_has_so_many_with_its_children() {
    let mut harness = Harness::start().await;
    harness.keep_own_key().await;
    harness.deploy_built("sql-probe").await;
    let everything = harness.token(&TokenSpec::everything());
    let narrowed = async |harness: &Harness, token: &str, calls: u32| {
        let request = AttenuateRequest { calls, ..AttenuateRequest::default() };
        let answer = harness.tokens().attenuate(with_token(request, token)).await.expect("narrowed");
        answer.into_inner().access_token
    };
    let five = narrowed(&harness, &everything, 5).await;
    let three = narrowed(&harness, &five, 3).await;
    let call = async |harness: &Harness, token: &str| harness.invoke_with(token, "dev", "sql-probe", READ).await;
    for _ in 0..3 {
        assert!(call(&harness, &three).await.is_ok());
    }
    assert_eq!(reason(&call(&harness, &three).await.expect_err("used up")), "token_used");
    harness.restart().await;
    for _ in 0..2 {
        assert!(call(&harness, &five).await.is_ok());
    }
    for token in [&five, &three] {
        assert_eq!(reason(&call(&harness, token).await.expect_err("used up")), "token_used");
    }
    assert!(call(&harness, &everything).await.is_ok());
}
