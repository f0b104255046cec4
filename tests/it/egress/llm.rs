//! Language models through the gate: models, caps, budgets, what comes back, and the record of each call.

use airlock_model::{AuditKind, Spent};
use airlock_service::AuditRecord;
use airlock_tests::{
    Harness, OTHER_KEY, Options,
    guests::root,
    models::{MODELS_SECRET, Models},
    output,
    tokens::TokenSpec,
};
use serde_json::{Value, json};

async fn start_with(models: &Models, config: String) -> Harness {
    let harness = Harness::start_with(Options { more_config: config }).await;
    harness.deploy_built("model-probe").await;
    assert_eq!(models.asked().len(), 0, "nothing is asked by itself");
    harness
}

async fn start(more: &str) -> (Models, Harness) {
    let models = Models::start().await;
    let config = models.binding("dev", more);
    let harness = start_with(&models, config).await;
    (models, harness)
}

fn complete(text: &str) -> Value {
    json!({ "to": "llm", "op": "complete", "text": text })
}

fn stream(text: &str) -> Value {
    json!({ "to": "llm", "op": "stream", "text": text })
}

async fn ask_as(harness: &Harness, spec: &TokenSpec, call: &Value) -> Value {
    output(&harness.invoke_as(spec, "model-probe", &call.to_string()).await.expect("the probe answers"))
}

async fn ask(harness: &Harness, call: &Value) -> Value {
    ask_as(harness, &TokenSpec::everything(), call).await
}

/// What the trail says of host calls, the oldest first.
async fn outcomes(harness: &Harness) -> Vec<AuditRecord> {
    let trail = harness.trail().await;
    trail.into_iter().filter(|record| record.event.kind == AuditKind::HostCallOutcome).collect()
}

#[tokio::test]
async fn both_protocols_give_the_same_completion_and_the_key_stays() {
    let models = Models::start().await;
    for (config, key) in [
        (models.binding("dev", ""), format!("Bearer {MODELS_SECRET}")),
        (models.anthropic("dev", ""), MODELS_SECRET.to_owned()),
    ] {
        let harness = Harness::start_with(Options { more_config: config }).await;
        harness.deploy_built("model-probe").await;
        let usage = json!({ "input_tokens": 10, "output_tokens": 5 });
        let wanted =
            json!({ "text": "good day", "tool_calls": [], "finish": "stop", "model": "small-2026", "usage": usage });
        assert_eq!(ask(&harness, &complete("say good day")).await, wanted);
        let streamed = ask(&harness, &stream("say good day")).await;
        let text: String = streamed["texts"].as_array().expect("texts").iter().filter_map(Value::as_str).collect();
        assert_eq!((text.as_str(), &streamed["done"], &streamed["failed"]), ("good day", &wanted, &Value::Null));
        let tool = ask(&harness, &complete("tool")).await;
        let call = json!({ "id": "call-1", "name": "weather", "arguments": { "city": "Paris" } });
        assert_eq!((&tool["finish"], &tool["tool_calls"]), (&json!("tool_calls"), &json!([call])));
        assert_eq!(models.keys().last(), Some(&key));
        let trail = format!("{:?}", harness.trail().await);
        assert!(!trail.contains(MODELS_SECRET) && !trail.contains("good day"), "neither key nor text");
    }
}

#[tokio::test]
async fn only_listed_models_and_no_more_tokens_than_allowed() {
    let (models, harness) = start("output_tokens_max = 50\ninput_tokens_max = 2_000").await;
    let mut other = complete("say x");
    other["model"] = json!("large");
    let refused = ask(&harness, &other).await;
    assert_eq!(refused["error"]["reason"], "model_denied", "{refused}");
    assert_eq!(ask(&harness, &complete(&"x".repeat(4_000))).await["error"]["kind"], "bad_request");
    let unscoped = ask_as(&harness, &TokenSpec::only("model-probe", &["shop:query"]), &complete("say x")).await;
    assert_eq!(unscoped["error"]["reason"], "not_granted", "{unscoped}");
    assert_eq!(models.asked().len(), 0, "none of it was sent");
    for (asked, sent) in [(None, 50), (Some(7), 7), (Some(1_000), 50)] {
        let mut call = complete("say x");
        call["max_tokens"] = json!(asked);
        assert_eq!(ask(&harness, &call).await["text"], "x");
        assert_eq!(models.asked().last().expect("asked")["max_tokens"], sent);
    }
}

#[tokio::test]
async fn a_provider_s_trouble_has_names_and_none_of_its_words() {
    let models = Models::start().await;
    for config in [models.binding("dev", "timeout_ms = 2000"), models.anthropic("dev", "timeout_ms = 2000")] {
        let harness = Harness::start_with(Options { more_config: config }).await;
        harness.deploy_built("model-probe").await;
        for (text, kind, code) in [
            ("limit", "backend", "LLM_RATE_LIMITED"),
            ("break", "unavailable", ""),
            ("wrong", "backend", "LLM_REQUEST_REFUSED"),
            ("html", "backend", "LLM_ANSWER_MALFORMED"),
            ("refuse", "backend", "LLM_REFUSED"),
            ("slow", "timeout", ""),
        ] {
            let answer = ask(&harness, &complete(text)).await;
            let error = &answer["error"];
            assert_eq!(
                (&error["kind"], error["code"].as_str().unwrap_or("")),
                (&json!(kind), code),
                "{text}: {answer}"
            );
            let told = answer.to_string();
            assert!(!told.contains("internal.example") && !told.contains(MODELS_SECRET), "{told}");
            assert!(text != "limit" || told.contains("in 12 s"), "{told}");
        }
        let cut = ask(&harness, &stream("cut")).await;
        assert_eq!(
            (&cut["texts"], &cut["failed"]["code"]),
            (&json!(["hello"]), &json!("LLM_ANSWER_TRUNCATED")),
            "{cut}"
        );
        assert_eq!(ask(&harness, &stream("limit")).await["error"]["code"], "LLM_RATE_LIMITED");
        assert_eq!(ask(&harness, &stream("html")).await["failed"]["code"], "LLM_ANSWER_TRUNCATED");
    }
}

#[tokio::test]
async fn an_echoed_key_is_redacted() {
    let (_models, harness) = start("").await;
    assert_eq!(ask(&harness, &complete("echo")).await["text"], "Bearer [redacted]");
    let streamed = ask(&harness, &stream("echo")).await;
    assert!(!streamed.to_string().contains(MODELS_SECRET), "{streamed}");
}

#[tokio::test]
async fn a_daily_budget_is_reserved_settled_and_survives_a_restart() {
    let models = Models::start().await;
    let config = models.binding("dev", "app_tokens_per_day = 2_000\noutput_tokens_max = 100");
    let mut harness = start_with(&models, config).await;
    for _ in 0..3 {
        assert_eq!(ask(&harness, &complete("say x")).await["text"], "x");
    }
    let settled: Vec<_> = outcomes(&harness).await.into_iter().filter_map(|record| record.event.spending).collect();
    assert_eq!(settled.len(), 3);
    for spending in &settled {
        assert_eq!(spending.settled, Some(Spent { tokens: 15, cost_micros: 20 }), "10 for 1 and 5 for 2 a million");
        assert!(spending.reserved.tokens > 100, "{spending:?}");
    }
    // Not turned away by the provider, so what it took is not known: the reservation stays.
    let mut taken = 45;
    while taken < 1_500 {
        let cut = ask(&harness, &stream("cut")).await;
        assert_eq!(cut["failed"]["code"], "LLM_ANSWER_TRUNCATED", "{cut}");
        taken += settled[0].reserved.tokens;
    }
    let mut refusal = ask(&harness, &complete("say x")).await;
    while refusal.get("error").is_none() {
        ask(&harness, &stream("cut")).await;
        refusal = ask(&harness, &complete("say x")).await;
    }
    assert_eq!(refusal["error"]["reason"], "spending_exhausted", "{refusal}");
    let asked = models.asked().len();
    harness.restart().await;
    let after = ask(&harness, &complete("say x")).await;
    assert_eq!(after["error"]["reason"], "spending_exhausted", "{after}");
    assert_eq!(models.asked().len(), asked, "nothing was sent");
    let other_app = TokenSpec::everything().app("another");
    assert_eq!(ask_as(&harness, &other_app, &complete("say x")).await["text"], "x", "each app has its own");
}

#[tokio::test]
async fn a_completion_that_is_let_go_of_stays_on_record() {
    let (_models, harness) = start("").await;
    let mut call = stream("say one two three");
    call["pieces"] = json!(1);
    let taken = ask(&harness, &call).await;
    assert_eq!(taken["texts"].as_array().map(Vec::len), Some(1), "{taken}");
    let records = outcomes(&harness).await;
    let record = records.iter().find(|record| record.event.operation.as_deref() == Some("complete-stream"));
    let event = &record.expect("an outcome").event;
    assert_eq!(event.reason.as_deref(), Some("outcome_unknown"));
    assert_eq!(event.spending.as_ref().expect("spending").settled, None);
}

#[tokio::test]
async fn the_trail_keeps_texts_where_the_operator_says_so() {
    for (policy, prompt, answer) in [
        ("hash", None, None),
        ("redacted", Some("system: [..] brief.\nuser: say hello [..]"), Some("hello [..]")),
        ("full", Some("system: Be brief.\nuser: say hello 4711"), Some("hello 4711")),
    ] {
        let (_models, harness) = start(&format!("record = \"{policy}\"")).await;
        for call in [complete("say hello 4711"), stream("say hello 4711")] {
            ask(&harness, &call).await;
            let trail = harness.trail().await;
            let last =
                |kind| trail.iter().rev().find(|record| record.event.kind == kind).expect("a record").event.clone();
            let (intent, outcome) = (last(AuditKind::HostCallIntent), last(AuditKind::HostCallOutcome));
            assert_eq!((intent.message.as_deref(), outcome.message.as_deref()), (prompt, answer), "{policy} {call}");
            assert_eq!((intent.target.as_deref(), outcome.reason.as_deref()), (Some("small"), Some("ok")));
        }
    }
}

/// "Use your own key": a resource per tenant, each with its own credential, which only that tenant's tokens name.
#[tokio::test]
async fn a_tenant_can_bring_its_own_key() {
    let models = Models::start().await;
    let own = "{ kind = \"bearer\", value = { file = \"other-key\" } }";
    let config = models.binding("dev", "")
        + "[resources.model-of-globex]\nkind = \"llm\"\n"
        + &models.bound("model-of-globex", "dev", ("openai", own), "");
    let harness = Harness::start_with(Options { more_config: config }).await;
    let (manifest, component) = airlock_tests::guests::built("own-key");
    harness.deploy(&manifest, component).await.expect("deployed");
    let globex = TokenSpec::only("own-key", &["model-of-globex:complete"]).tenant("globex");
    let answer = harness.invoke_as(&globex, "own-key", "null").await.expect("answers");
    assert_eq!(output(&answer), json!("hello"));
    assert_eq!(models.keys(), [format!("Bearer {OTHER_KEY}")]);
    let acme = TokenSpec::only("own-key", &["model:complete"]);
    let (code, details) =
        airlock_tests::function_error(&harness.invoke_as(&acme, "own-key", "null").await.expect("answers"));
    assert_eq!((code.as_str(), &details["reason"]), ("host_error.denied", &json!("not_granted")));
    assert_eq!(models.keys().len(), 1, "nothing was sent for acme");
}

#[tokio::test]
async fn the_example_answers_as_its_readme_says() {
    let (_models, harness) = start("").await;
    harness.deploy_built("llm").await;
    let expected = std::fs::read_to_string(root().join("examples/llm/expected-output.json")).expect("a file");
    let expected: Value = serde_json::from_str(&expected).expect("JSON");
    assert_eq!(output(&harness.invoke("llm", r#"{"question":"How are you?"}"#).await.expect("answers")), expected);
    let asked = output(&harness.invoke("llm", r#"{"question":"tool"}"#).await.expect("answers"));
    assert_eq!(asked["tools"], json!(["sunny in Paris"]));
}
