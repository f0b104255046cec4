//! The configuration of a running server is read again: all of it or nothing, on record, and without a failed call.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst},
};

use airlock_access::{Algorithm, SigningKey, public_jwks};
use airlock_model::{AuditEvent, AuditKind, Decision};
use airlock_store::{AuditFilter, AuditOrder, Store};
use airlock_tests::{Harness, guests::WatGuest, output, reason, tokens::TokenSpec};
use serde_json::json;
use tonic_types::StatusExt;

/// What the trail says of the newest reloads, newest first.
async fn recorded(harness: &Harness) -> Vec<AuditEvent> {
    let reader = Store::open_read_only(&harness.dir().join("state")).expect("readable state");
    let filter = AuditFilter {
        kind: Some(AuditKind::ConfigReloaded),
        order: AuditOrder::NewestFirst,
        limit: Some(1_000),
        ..AuditFilter::default()
    };
    reader.query(filter).await.expect("a trail").into_iter().map(|record| record.event).collect()
}

/// A call that is inside the sample API until it is released.
async fn held_call(harness: &Arc<Harness>) -> tokio::task::JoinHandle<serde_json::Value> {
    let before = harness.crm.request_count();
    let call = tokio::spawn({
        let harness = harness.clone();
        async move { harness.probe(&TokenSpec::everything(), r#"{"op":"http","method":"GET","path":"/held"}"#).await }
    });
    while harness.crm.request_count() == before {
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    call
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reloads_under_load_fail_no_call() {
    let reloads: usize = airlock_service::config::process_environment("AIRLOCK_RELOADS")
        .and_then(|text| text.parse().ok())
        .unwrap_or(50);
    let harness = Arc::new(Harness::start().await);
    harness.deploy_wat("one", &WatGuest::returning("1"), "").await;
    harness.deploy_built("sql-probe").await;
    let (stop, calls) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let inputs = [
        ("one", "null"),
        ("one", "null"),
        ("sql-probe", r#"{"op":"query","statement":"select count(*) as n from orders"}"#),
        ("sql-probe", r#"{"op":"http","method":"GET","path":"/customers/ada"}"#),
    ];
    let load = inputs.map(|(function, payload)| {
        let (harness, stop, calls) = (harness.clone(), stop.clone(), calls.clone());
        tokio::spawn(async move {
            while !stop.load(SeqCst) {
                let answer =
                    harness.invoke(function, payload).await.unwrap_or_else(|why| panic!("{function}: {why:?}"));
                assert!(output(&answer).get("error").is_none(), "{function}: {:?}", output(&answer));
                calls.fetch_add(1, SeqCst);
            }
        })
    });
    let usual = harness.config();
    let other_key = SigningKey::generate(Algorithm::Es256, "other").expect("a key");
    for round in 0..reloads {
        // Limits, bindings and keys: something of every kind comes and goes.
        let fuel = 10_000_000_000u64 + round as u64;
        let mut config = format!("{usual}\n[limits.default]\nfuel = {fuel}\n[limits.tenant.acme]\nin_flight = 100\n");
        let mut keys = vec![harness.key()];
        if round % 2 == 0 {
            config = config.replace(r#"operations = ["GET", "POST:/echo"]"#, r#"operations = ["POST:/echo", "GET"]"#);
            keys.push(&other_key);
        }
        std::fs::write(harness.dir().join("keys.json"), public_jwks(&keys)).expect("write keys");
        harness.set_config(&config);
        let changes = harness.reload().await.unwrap_or_else(|why| panic!("reload {round}: {why:?}"));
        assert!(changes.iter().any(|change| change.ends_with(&format!(" -> {fuel}"))), "{changes:?}");
        assert!(load.iter().all(|task| !task.is_finished()), "a call failed at reload {round}");
    }
    stop.store(true, SeqCst);
    for task in load {
        task.await.expect("no call failed");
    }
    assert!(calls.load(SeqCst) > 0);
    println!("{reloads} reloads, {} calls, 0 failed", calls.load(SeqCst));
    let events = recorded(&harness).await;
    assert_eq!(events.len(), reloads.min(1_000));
    assert!(events.iter().all(|event| event.decision == Some(Decision::Permit)));
}

/// Under the one configuration the call is too large, under the other it may not write: a call that took its limits from
/// the second and its policy from the first would write.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_sees_one_configuration() {
    let harness = Arc::new(Harness::start().await);
    harness.deploy_built("sql-probe").await;
    let usual = harness.config();
    let small = format!("{usual}\n[limits.default]\npayload_bytes = 20\n");
    let read_only = usual.replace("writes = \"allow\"", "writes = \"deny\"");
    harness.set_config(&read_only);
    harness.reload().await.expect("valid");
    let stop = Arc::new(AtomicBool::new(false));
    let writers = [0, 1].map(|_| {
        let (harness, stop) = (harness.clone(), stop.clone());
        tokio::spawn(async move {
            let update = r#"{"op":"execute","statement":"update orders set total = 987654"}"#;
            let (mut too_large, mut denied) = (0, 0);
            while !stop.load(SeqCst) {
                match harness.invoke("sql-probe", update).await {
                    Ok(answer) => {
                        assert_eq!(output(&answer)["error"]["reason"], "writes_denied");
                        denied += 1;
                    }
                    Err(status) => {
                        assert_eq!(reason(&status), "payload_too_large");
                        too_large += 1;
                    }
                }
            }
            (too_large, denied)
        })
    });
    for _ in 0..30 {
        for config in [&small, &read_only] {
            harness.set_config(config);
            harness.reload().await.expect("valid");
            // Calls of each kind get their turn.
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
    }
    stop.store(true, SeqCst);
    for writer in writers {
        let (too_large, denied) = writer.await.expect("no call wrote");
        assert!(too_large > 0 && denied > 0, "{too_large} {denied}");
    }
}

#[tokio::test]
async fn what_is_not_valid_is_refused_with_its_line_and_the_old_one_serves() {
    let harness = Harness::start().await;
    harness.deploy_wat("one", &WatGuest::returning("1"), "").await;
    let usual = harness.config();
    let line_of = |text: &str, start: &str| {
        text.lines().position(|line| line.starts_with(start)).map(|at| at + 1).expect("the line is there")
    };
    let canary = "canary-inline-5b1e";
    let cases = [
        ("not TOML", format!("{usual}\nthis is = = not\n"), "this is"),
        ("unknown section", format!("{usual}\n[limitz]\nfuel = 1\n"), "[limitz"),
        ("unknown key", format!("{usual}\n[limits.default]\nfule = 1\n"), "fule"),
        ("value of the wrong shape", usual.replace("writes = \"deny\"", "writes = \"maybe\""), "writes = \"maybe"),
        (
            "no such environment",
            usual.replace("[resources.crm.qa]", "[resources.crm.nowhere]"),
            "[resources.crm.nowhere",
        ),
        ("missing JWKS", usual.replace("keys.json", "absent.json"), "jwks"),
        ("missing secret file", usual.replace("{ file = \"crm-token\" }", "{ file = \"absent\" }"), "credential"),
        ("inline secret", usual.replace("{ file = \"crm-token\" }", &format!("\"{canary}\"")), "credential"),
        (
            "a secret where a table should be",
            usual.replace("{ kind = \"bearer\", value = { file = \"crm-token\" } }", &format!("\"{canary}\"")),
            "credential",
        ),
        (
            "a secret in a broken line",
            usual.replace("{ kind = \"bearer\", value = { file = \"crm-token\" } }", &format!("\"{canary}")),
            "credential",
        ),
        ("no such engine", usual.replace("engine = \"sqlite\"", "engine = \"oracle\""), "engine = \"oracle"),
        ("a key of another engine", usual.replace("engine = \"sqlite\"", "engine = \"http\""), "path"),
        ("another kind", usual.replacen("kind = \"sql\"", "kind = \"http\"", 1), "engine"),
        ("unknown key of a binding", usual.replace("path = \"orders.db\"", "paht = \"orders.db\""), "paht"),
    ];
    for (name, config, at) in cases {
        assert_ne!(config, usual, "{name}");
        harness.set_config(&config);
        let refused = harness.reload().await.expect_err(name);
        assert_eq!(reason(&refused), "config_invalid", "{name}: {refused:?}");
        let place = format!("airlock.toml:{}", line_of(&config, at));
        assert!(refused.message().contains(&place), "{name} at {place}: {}", refused.message());
        let event = recorded(&harness).await.remove(0);
        assert_eq!((event.decision, event.reason.as_deref()), (Some(Decision::Deny), Some("config_invalid")), "{name}");
        assert_eq!(event.message.as_deref(), Some(refused.message()), "{name}");
        assert!(!format!("{refused:?}{event:?}").contains(canary), "{name}: {refused:?}");
        assert_eq!(output(&harness.invoke("one", "null").await.expect(name)), json!(1), "{name}");
    }
    std::fs::write(harness.dir().join("keys.json"), r#"{"keys":[{"kty":"RSA","kid":"x"}]}"#).expect("write keys");
    harness.set_config(&usual);
    let refused = harness.reload().await.expect_err("a bad JWKS");
    let place = format!("airlock.toml:{}", line_of(&usual, "jwks"));
    assert!(refused.message().contains(&place) && refused.message().contains("keys.json"), "{}", refused.message());
    assert!(harness.invoke("one", "null").await.is_ok());
}

#[tokio::test]
async fn a_key_that_is_rotated_out_is_not_accepted_any_more() {
    let harness = Harness::start().await;
    harness.deploy_wat("one", &WatGuest::returning("1"), "").await;
    let next = SigningKey::generate(Algorithm::EdDsa, "next").expect("a key");
    let (old_token, new_token) = (harness.token(&TokenSpec::everything()), TokenSpec::everything().mint(&next));
    let operator = TokenSpec::operator();
    let invoke = |token: String| {
        let request = airlock_proto::v1::InvokeRequest {
            function: "one".to_owned(),
            environment: "dev".to_owned(),
            payload: b"null".to_vec(),
            request_id: String::new(),
            alias: String::new(),
        };
        let mut service = harness.invocations();
        async move { service.invoke(airlock_tests::with_token(request, &token)).await }
    };
    let set_keys = |keys: &[&SigningKey]| {
        std::fs::write(harness.dir().join("keys.json"), public_jwks(keys)).expect("write keys");
    };
    assert!(invoke(old_token.clone()).await.is_ok(), "and now it is remembered");
    assert_eq!(reason(&invoke(new_token.clone()).await.expect_err("not yet")), "token_invalid");
    set_keys(&[harness.key(), &next]);
    let changes = harness.reload().await.expect("both");
    assert!(changes.len() == 1 && changes[0].starts_with("tokens.issuer[0].keys: test ("), "{changes:?}");
    assert!(invoke(old_token.clone()).await.is_ok() && invoke(new_token.clone()).await.is_ok());
    set_keys(&[&next]);
    harness.reload().await.expect("the new one");
    assert_eq!(reason(&invoke(old_token).await.expect_err("rotated out")), "token_invalid");
    assert!(invoke(new_token).await.is_ok());
    let request = airlock_proto::v1::ReloadRequest { environment: "dev".to_owned() };
    let old_operator = airlock_tests::with_token(request.clone(), &harness.token(&operator));
    assert_eq!(reason(&harness.operator().reload(old_operator).await.expect_err("rotated out")), "token_invalid");
    assert!(harness.operator().reload(airlock_tests::with_token(request, &operator.mint(&next))).await.is_ok());
}

#[tokio::test]
async fn a_tightened_limit_holds_for_the_next_call_and_not_for_the_one_in_flight() {
    let harness = Arc::new(Harness::start().await);
    harness.deploy_built("sql-probe").await;
    let call = held_call(&harness).await;
    harness.set_config(&format!("{}\n[limits.tenant.acme]\npayload_bytes = 10\negress_bytes = 1\n", harness.config()));
    harness.reload().await.expect("valid");
    harness.crm.release.add_permits(1);
    assert_eq!(call.await.expect("it ends")["body"], "held");
    let refused = harness.invoke("sql-probe", r#"{"op":"http","method":"GET","path":"/held"}"#).await;
    let refused = refused.expect_err("the new limit holds");
    assert_eq!(reason(&refused), "payload_too_large");
    assert_eq!(refused.get_error_details().error_info().expect("facts").metadata["configured"], "10");
}

#[tokio::test]
async fn what_is_revoked_ends_for_new_calls_only() {
    let harness = Arc::new(Harness::start().await);
    harness.deploy_built("sql-probe").await;
    let usual = harness.config();
    // A binding goes: host calls of new calls are denied, one in flight finishes.
    let call = held_call(&harness).await;
    let without: String = usual.split("[resources.crm]").next().expect("the first half").to_owned();
    harness.set_config(&without);
    let changes = harness.reload().await.expect("valid");
    assert!(changes.iter().any(|change| change.starts_with("resources.crm.dev.base_url: ")), "{changes:?}");
    harness.crm.release.add_permits(1);
    assert_eq!(call.await.expect("it ends")["body"], "held");
    let http = r#"{"op":"http","method":"GET","path":"/customers/ada"}"#;
    let denied = harness.probe(&TokenSpec::everything(), http).await;
    assert_eq!(denied["error"]["reason"], "resource_unbound", "{denied}");
    // It comes back, without a deploy.
    harness.set_config(&usual);
    harness.reload().await.expect("valid");
    assert!(harness.probe(&TokenSpec::everything(), http).await.get("error").is_none());
    // The policy for writes follows as well.
    let update = r#"{"op":"execute","statement":"update orders set total = total"}"#;
    assert!(harness.probe(&TokenSpec::everything(), update).await.get("error").is_none());
    harness.set_config(&usual.replace("writes = \"allow\"", "writes = \"deny\""));
    harness.reload().await.expect("valid");
    let denied = harness.probe(&TokenSpec::everything(), update).await;
    assert_eq!(denied["error"]["reason"], "writes_denied", "{denied}");
    // The environment goes.
    harness.set_config(&usual);
    harness.reload().await.expect("valid");
    let call = held_call(&harness).await;
    harness.set_config(&usual.replace(".dev]", ".stage]"));
    harness.reload().await.expect("valid");
    harness.crm.release.add_permits(1);
    assert_eq!(call.await.expect("it ends")["body"], "held");
    assert_eq!(reason(&harness.invoke("sql-probe", http).await.expect_err("revoked")), "environment_unknown");
    let deploy = harness.deploy("name = \"one\"\nlanguage = \"component\"\n", WatGuest::returning("1").component());
    assert_eq!(reason(&deploy.await.expect_err("revoked")), "environment_unknown");
}

#[tokio::test]
async fn what_needs_a_restart_refuses_the_whole_reload() {
    let harness = Harness::start().await;
    harness.deploy_wat("one", &WatGuest::returning("1"), "").await;
    let usual = harness.config();
    let cases = [
        ("server.workers", usual.replace("workers = 1", "workers = 2")),
        ("server.in_flight_max", usual.replace("workers = 1", "workers = 1\nin_flight_max = 7")),
        ("state.sync", usual.replace("dir = \"state\"", "dir = \"state\"\nsync = false")),
        ("sandbox.instances_max", usual.replace("instances_max = 64", "instances_max = 65")),
    ];
    for (key, config) in cases {
        assert_ne!(config, usual, "{key}");
        harness.set_config(&format!("{config}\n[limits.default]\npayload_bytes = 1\n"));
        let refused = harness.reload().await.expect_err(key);
        assert_eq!(reason(&refused), "restart_needed", "{refused:?}");
        assert!(refused.message().contains(key), "{}", refused.message());
        assert!(harness.invoke("one", "null").await.is_ok(), "the limit beside it is not in force");
        let event = recorded(&harness).await.remove(0);
        assert_eq!((event.decision, event.reason.as_deref()), (Some(Decision::Deny), Some("restart_needed")));
    }
    harness.set_config(&usual.replace("workers = 1", "workers = 1\ndrain_ms = 5_000"));
    assert_eq!(harness.reload().await.expect("valid"), ["server.drain_ms: 10000 -> 5000"]);
}

#[tokio::test]
async fn the_trail_keeps_the_difference_and_no_secret() {
    let harness = Harness::start().await;
    let (first, second) = (airlock_tests::CRM_SECRET, "canary-crm-secret-second-90aa");
    std::fs::write(harness.dir().join("crm-token"), second).expect("write secret");
    harness.set_config(&format!("{}\n[limits.tenant.acme]\nin_flight = 9\n", harness.config()));
    let changes = harness.reload().await.expect("valid");
    let wanted =
        ["limits.tenant.acme.in_flight: (none) -> 9", "resources.crm.dev.credential: (secret) -> (another secret)"];
    assert_eq!(changes, wanted);
    let event = recorded(&harness).await.remove(0);
    assert_eq!((event.decision, event.operation.as_deref()), (Some(Decision::Permit), Some("rpc")));
    assert_eq!(event.message.as_deref(), Some(wanted.join("; ").as_str()));
    assert_eq!(event.principal.expect("who").subject, "ada@example.com");
    let token = harness.token(&TokenSpec::operator());
    let request = airlock_proto::v1::GetConfigRequest { environment: "dev".to_owned() };
    let shown = harness.operator().get_config(airlock_tests::with_token(request, &token)).await.expect("allowed");
    let shown = shown.into_inner().settings;
    let one = |key: &str| shown.iter().find(|one| one.key == key).unwrap_or_else(|| panic!("no {key}: {shown:?}"));
    assert_eq!(one("resources.crm.dev.credential").value, "(secret)");
    assert_eq!(
        (one("limits.tenant.acme.in_flight").value.as_str(), one("limits.default.fuel").source.as_str()),
        ("9", "built-in default")
    );
    assert!(one("server.workers").source.starts_with("airlock.toml:"));
    let state = std::fs::read(harness.dir().join("state/airlock.db")).expect("the trail");
    for secret in [first, second] {
        assert!(!format!("{changes:?}{shown:?}").contains(secret));
        assert!(!state.windows(secret.len()).any(|window| window == secret.as_bytes()));
    }
    // Nothing changed is a reload too.
    assert!(harness.reload().await.expect("valid").is_empty());
    assert_eq!(recorded(&harness).await.remove(0).message.as_deref(), Some("nothing changed"));
}

/// A tenant's auditor must not learn what is set for other tenants.
#[tokio::test]
async fn a_reload_is_not_in_the_trail_that_tenants_see() {
    let harness = Harness::start().await;
    harness.set_config(&format!("{}\n[limits.tenant.rival]\nin_flight = 9\n", harness.config()));
    harness.reload().await.expect("valid");
    let request = airlock_proto::v1::AuditServiceQueryRequest { environment: "dev".to_owned(), ..Default::default() };
    let token = harness.token(&TokenSpec::control());
    let found = harness.audit_service().query(airlock_tests::with_token(request, &token)).await.expect("allowed");
    assert!(found.into_inner().records.iter().all(|record| record.kind != "config_reloaded"));
    assert_eq!(recorded(&harness).await.len(), 1);
}
