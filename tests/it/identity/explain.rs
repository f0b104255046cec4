//! `Explain`: what it says, to whom, and that it changes nothing. That it agrees with real calls: `agreement`.

mod agreement;

use std::process::Output;

use airlock_proto::v1::{
    AliasShare, ExplainRequest, ExplainResponse, ExplainStep, ListCandidatesRequest, SetAliasRequest, StoreOperation,
    explain_request::Asks,
};
use airlock_tests::{
    Harness, Options, airlock_binary,
    approvals::{approval_in, approver},
    guests::WatGuest,
    hint, output, reason,
    tokens::TokenSpec,
    with_token,
};
use serde_json::{Value, json};
use tonic::Status;

/// A call of the probe that reads.
const SELECT: &str = r#"{"op":"query","statement":"select 1"}"#;

/// A statement that nobody sends.
const UNHEARD: &str = "select id from orders where total > 17";

/// A question about a function alone.
fn about(function: &str) -> ExplainRequest {
    ExplainRequest { function: function.to_owned(), ..ExplainRequest::default() }
}

/// A question about one statement of the probe.
fn statement(text: &str) -> ExplainRequest {
    asking("sql-probe", "orders-db", Asks::Sql(text.to_owned()))
}

fn asking(function: &str, resource: &str, asks: Asks) -> ExplainRequest {
    ExplainRequest { resource: resource.to_owned(), asks: Some(asks), ..about(function) }
}

/// Asks with a token, in the environment that it names.
async fn explain(harness: &Harness, spec: &TokenSpec, request: ExplainRequest) -> Result<ExplainResponse, Status> {
    explain_with(harness, &harness.token(spec), spec.environment_name(), request).await
}

async fn explain_with(
    harness: &Harness,
    token: &str,
    environment: &str,
    request: ExplainRequest,
) -> Result<ExplainResponse, Status> {
    let request = ExplainRequest { environment: environment.to_owned(), ..request };
    Ok(harness.invocations().explain(with_token(request, token)).await?.into_inner())
}

fn step<'a>(answer: &'a ExplainResponse, name: &str) -> &'a ExplainStep {
    let found = answer.steps.iter().find(|step| step.name == name);
    found.unwrap_or_else(|| panic!("no step `{name}`: {answer:#?}"))
}

fn verdicts(answer: &ExplainResponse) -> Vec<(&str, &str)> {
    let decides = answer.steps.iter().filter(|step| step.verdict != "info");
    decides.map(|step| (step.name.as_str(), step.verdict.as_str())).collect()
}

/// Asking takes none of the calls that a token is good for, nor the effects of one that has those of one call.
#[tokio::test]
async fn what_a_token_is_still_good_for_is_told_and_not_taken() {
    let harness = Harness::start().await;
    let single = "[environments.dev]\nsingle_use_tokens = true\nwrites = \"allow\"";
    harness.set_config(&harness.config().replacen("[environments.dev]\nwrites = \"allow\"", single, 1));
    harness.reload().await.expect("read again");
    harness.deploy_built("sql-probe").await;
    let (text, token) = ("update orders set total = total", harness.token(&TokenSpec::everything().calls(2)));
    let asked = async |text: &str| explain_with(&harness, &token, "dev", statement(text)).await.expect("explained");
    let write = json!({ "op": "execute", "statement": text }).to_string();
    let called = async || harness.invoke_with(&token, "dev", "sql-probe", &write).await.map(|answer| output(&answer));
    for _ in 0..3 {
        let answer = asked(text).await;
        assert_eq!(answer.decision, "permit", "{answer:#?}");
        assert_eq!(
            (step(&answer, "calls").verdict.as_str(), step(&answer, "effects").verdict.as_str()),
            ("permit", "permit")
        );
    }
    assert!(called().await.expect("the first")["error"].is_null());
    let answer = asked(text).await;
    assert_eq!((answer.decision.as_str(), answer.reason.as_str()), ("deny", "token_used"));
    let no = step(&answer, "effects");
    assert!(no.verdict == "deny" && no.place.contains("single_use_tokens (airlock.toml:"), "{answer:#?}");
    assert_eq!(step(&answer, "approval").verdict, "not_reached");
    assert_eq!(asked("select 1").await.decision, "permit", "reading needs no effects");
    assert!(called().await.expect("the second").to_string().contains("token_used"));
    let answer = asked("select 1").await;
    assert_eq!((answer.reason.as_str(), step(&answer, "calls").verdict.as_str()), ("token_used", "deny"));
    assert_eq!(step(&answer, "grants").verdict, "not_reached");
    assert_eq!(reason(&called().await.expect_err("the third")), "token_used");
}

#[tokio::test]
async fn a_call_and_a_statement_are_explained_step_by_step() {
    let harness = Harness::start().await;
    harness.deploy_built("sql-probe").await;
    let everything = TokenSpec::everything();
    let answer = explain(&harness, &everything, about("sql-probe")).await.expect("explained");
    assert_eq!((answer.decision.as_str(), answer.reason.as_str()), ("permit", ""));
    let of_call = [
        ("token", "permit"),
        ("function", "permit"),
        ("environment", "permit"),
        ("revision", "permit"),
        ("admission", "permit"),
    ];
    assert_eq!(verdicts(&answer), of_call);
    assert!(step(&answer, "environment").place.starts_with("[environments.dev] (airlock.toml:"), "{answer:#?}");
    let answer = explain(&harness, &everything, statement("update orders set total = 1 where id = 1")).await;
    let answer = answer.expect("explained");
    assert_eq!(answer.decision, "permit", "{answer:#?}");
    let of_statement = ["scope", "revocation", "budget", "resource", "analysis", "grants", "statements", "writes"];
    let expected: Vec<_> = of_call.into_iter().chain(of_statement.map(|name| (name, "permit"))).collect();
    assert_eq!(verdicts(&answer), expected);
    assert!(step(&answer, "analysis").rule.contains("class `write` that names `orders`"), "{answer:#?}");
    let places = &step(&answer, "grants").place;
    for place in ["`scope` claim", "[resources.orders-db] operations (function.toml:", "operations (airlock.toml:"] {
        assert!(places.contains(place), "{places}");
    }
    assert!(step(&answer, "writes").place.starts_with("[environments.dev] writes (airlock.toml:"), "{answer:#?}");
}

#[tokio::test]
async fn what_decides_is_named_with_its_place_and_nothing_after_it_is_asked() {
    let harness = Harness::start().await;
    harness.deploy_built("sql-probe").await;
    let (manifest, component) = airlock_tests::guests::built("sql-probe");
    harness.deploy_to("prod", &manifest, component).await.expect("deployed");
    let prod = TokenSpec::everything().environment("prod");
    let answer = explain(&harness, &prod, statement("delete from orders where id = 1")).await.expect("explained");
    assert_eq!((answer.decision.as_str(), answer.reason.as_str()), ("deny", "writes_denied"));
    let tail = [("statements", "permit"), ("writes", "deny"), ("approval", "not_reached")];
    assert!(verdicts(&answer).ends_with(&tail), "{answer:#?}");
    let decided = step(&answer, "writes");
    assert!(decided.place.starts_with("[environments.prod] writes (airlock.toml:"), "{decided:?}");
    assert!(decided.rule.contains("writes = \"deny\"") && !decided.hint.is_empty(), "{decided:?}");

    let reads = TokenSpec::only("sql-probe", &["orders-db:read"]);
    let answer = explain(&harness, &reads, statement("delete from orders where id = 1")).await.expect("explained");
    assert_eq!(answer.reason, "not_granted");
    assert_eq!(step(&answer, "grants").place, "the `scope` claim of the token");
    let answer = explain(&harness, &TokenSpec::everything(), statement("drop table orders")).await.expect("explained");
    assert_eq!((answer.reason.as_str(), step(&answer, "analysis").verdict.as_str()), ("statement_refused", "deny"));
    assert_eq!(step(&answer, "grants").verdict, "not_reached");
    let url = Asks::Url("/customers/../admin".to_owned());
    let answer = explain(&harness, &TokenSpec::everything(), asking("sql-probe", "crm", url)).await.expect("explained");
    assert_eq!((answer.reason.as_str(), step(&answer, "egress").verdict.as_str()), ("egress_denied", "deny"));
    let unknown = explain(&harness, &TokenSpec::everything(), about("nobody")).await.expect("explained");
    let expected = [
        ("token", "permit"),
        ("function", "permit"),
        ("environment", "permit"),
        ("revision", "deny"),
        ("admission", "not_reached"),
    ];
    assert_eq!((verdicts(&unknown).as_slice(), unknown.reason.as_str()), (&expected[..], "function_unknown"));
}

#[tokio::test]
async fn whoever_may_not_call_a_function_learns_what_a_call_would_have_said() {
    let harness = Harness::start().await;
    harness.deploy_built("sql-probe").await;
    let stranger = TokenSpec::only("other", &["orders-db:read"]);
    let mut told = Vec::new();
    for function in ["sql-probe", "nobody"] {
        for request in [about(function), ExplainRequest { function: function.to_owned(), ..statement("select 1") }] {
            let asked = explain(&harness, &stranger, request).await.expect_err("not covered");
            let called = harness.invoke_as(&stranger, function, "null").await.expect_err("not covered");
            assert_eq!(
                (asked.code(), asked.message(), reason(&asked)),
                (called.code(), called.message(), reason(&called))
            );
            assert_eq!(hint(&asked), hint(&called));
            told.push(asked.message().replace(function, "*"));
        }
    }
    told.dedup();
    assert_eq!(told.len(), 1, "the same whether or not there is one: {told:?}");
    // What was queued before a call is on disk when the call is answered.
    harness.invoke("sql-probe", SELECT).await.expect("an answer");
    let trail = harness.trail().await;
    let refused = trail.iter().filter(|record| record.event.kind == airlock_model::AuditKind::ControlRefused);
    assert_eq!(refused.count(), 4, "refusals are on record");
    let expired = TokenSpec::everything().age_s(7_200);
    assert_eq!(reason(&explain(&harness, &expired, about("sql-probe")).await.expect_err("expired")), "token_invalid");
}

/// A token that does not name a resource is told the same of one that is bound and used, one that is bound, and none at all.
#[tokio::test]
async fn whoever_may_not_use_a_resource_is_not_told_whether_there_is_one() {
    let harness = Harness::start().await;
    harness.deploy_built("sql-probe").await;
    let spec = TokenSpec::only("sql-probe", &["crm:GET"]);
    let mut told = Vec::new();
    for resource in ["orders-db", "cache", "nothing-like-it"] {
        for text in ["select 1", "drop table orders", "not sql"] {
            let asks = Asks::Sql(text.to_owned());
            let answer = explain(&harness, &spec, asking("sql-probe", resource, asks)).await.expect("explained");
            assert_eq!((answer.decision.as_str(), answer.reason.as_str()), ("deny", "not_granted"));
            let steps: Vec<_> =
                answer.steps.iter().filter(|step| step.verdict != "info" && step.name != "token").collect();
            told.push(format!("{steps:?}").replace(resource, "*"));
        }
    }
    told.dedup();
    assert_eq!(told.len(), 1, "{told:#?}");
    // The twin: named, it is told of.
    let named = TokenSpec::only("sql-probe", &["orders-db:read"]);
    let answer = explain(&harness, &named, statement("select 1")).await.expect("explained");
    assert_eq!(answer.decision, "permit");
    let named = TokenSpec::only("sql-probe", &["cache:read"]);
    let asks = Asks::Store(StoreOperation::Read.into());
    let answer = explain(&harness, &named, asking("sql-probe", "cache", asks)).await.expect("explained");
    assert_eq!(step(&answer, "scope").place, "[resources] in function.toml", "what the function does not declare");
}

/// Calls, money, candidates, approvals, shares of revisions, requests: nothing is taken and nothing is asked.
#[tokio::test]
async fn an_explanation_leaves_no_trace() {
    let more_config = "[limits.tenant.acme]\ncalls_per_day = 5\n".to_owned();
    let harness = Harness::start_with(Options { more_config }).await;
    harness.deploy_built("sql-probe").await;
    let (manifest, component) = airlock_tests::guests::built("sql-probe");
    harness.deploy_to("qa", &manifest, component).await.expect("deployed");
    let (dev, qa) = (TokenSpec::everything(), TokenSpec::everything().environment("qa"));
    // What was queued before a call is on disk when the call is answered.
    let recorded = async || {
        harness.invoke("sql-probe", SELECT).await.expect("within the budget");
        harness.trail().await.len()
    };
    let (first, second) = (recorded().await, recorded().await);
    for _ in 0..10 {
        explain(&harness, &dev, statement(UNHEARD)).await.expect("explained");
        let asked =
            explain(&harness, &qa, statement("update orders set total = 1 where id = 1")).await.expect("explained");
        assert_eq!((asked.decision.as_str(), asked.reason.as_str()), ("needs_approval", "approval_pending"));
        assert!(step(&asked, "approval").rule.contains("nobody was asked yet"), "{asked:#?}");
        let url = Asks::Url("/customers/ada".to_owned());
        let sent = explain(&harness, &dev, asking("sql-probe", "crm", url)).await.expect("explained");
        assert_eq!(sent.decision, "permit", "{sent:#?}");
    }
    assert_eq!(recorded().await - second, second - first, "only the call between is on record");
    assert!(harness.approvals_in(&approver("qa"), "pending").await.is_empty(), "nobody was asked");
    assert_eq!(harness.crm.request_count(), 0, "nothing was sent");
    let request = ListCandidatesRequest { environment: "dev".to_owned(), function: "sql-probe".to_owned() };
    let token = harness.token(&TokenSpec::control());
    let kept = harness.functions().list_candidates(with_token(request, &token)).await.expect("listed").into_inner();
    let kept: Vec<_> = kept.statements.iter().map(|one| one.text.as_str()).collect();
    assert!(!kept.contains(&UNHEARD), "only what was sent is kept: {kept:?}");

    // The budget of the day is whole, and when it is spent the explanation says so as the call does.
    for _ in 0..2 {
        harness.invoke("sql-probe", SELECT).await.expect("within the budget");
    }
    let spent = harness.invoke("sql-probe", SELECT).await.expect_err("beyond it");
    let told = explain(&harness, &dev, statement("select 1")).await.expect("explained");
    assert_eq!((told.reason.clone(), told.decision.as_str()), (reason(&spent), "deny"));
    let decided = step(&told, "admission");
    assert!(decided.place.starts_with("[limits.tenant.acme] calls_per_day (airlock.toml:"), "{decided:?}");
    assert_eq!(step(&told, "grants").verdict, "not_reached");
    let quota = told.steps.iter().find(|step| step.name == "quota" && step.rule.contains("calls_per_day"));
    assert!(quota.is_some_and(|quota| quota.rule.contains("5 taken today")), "{told:#?}");
}

#[tokio::test]
async fn shares_of_revisions_stay_exact_beside_explanations() {
    let harness = Harness::start().await;
    harness.deploy_wat("one", &WatGuest::returning("1"), "").await;
    let first = explain(&harness, &TokenSpec::everything(), about("one")).await.expect("explained").revision;
    harness.deploy_wat("one", &WatGuest::returning("2"), "").await;
    let second = explain(&harness, &TokenSpec::everything(), about("one")).await.expect("explained").revision;
    let token = harness.token(&TokenSpec::control_with(&["function:promote"]));
    let share = |revision: String, percent| AliasShare { revision, percent };
    let shares = vec![share(first, 25), share(second, 75)];
    let (environment, function, alias) = ("dev".to_owned(), "one".to_owned(), "canary".to_owned());
    let request = SetAliasRequest { environment, function, alias: alias.clone(), shares };
    harness.functions().set_alias(with_token(request, &token)).await.expect("an alias");
    let everything = TokenSpec::everything();
    let token = harness.token(&everything);
    let mut ones = 0;
    for _ in 0..100 {
        let foreseen = explain(&harness, &everything, ExplainRequest { alias: alias.clone(), ..about("one") }).await;
        let foreseen = foreseen.expect("explained").revision;
        let request = airlock_proto::v1::InvokeRequest {
            function: "one".to_owned(),
            environment: "dev".to_owned(),
            alias: alias.clone(),
            ..Default::default()
        };
        let answer = harness.invocations().invoke(with_token(request, &token)).await.expect("an answer").into_inner();
        assert_eq!(answer.revision, foreseen, "what was foreseen came");
        ones += u32::from(output(&answer) == json!(1));
    }
    assert_eq!(ones, 25);
    let unknown = ExplainRequest { alias: "nobody".to_owned(), ..about("one") };
    let answer = explain(&harness, &everything, unknown).await.expect("explained");
    assert_eq!(answer.reason, "function_unknown");
}

#[tokio::test]
async fn an_approval_is_found_in_every_state() {
    let harness = Harness::start().await;
    let (manifest, component) = airlock_tests::guests::built("sql-probe");
    harness.deploy_to("qa", &manifest, component).await.expect("deployed");
    let qa = TokenSpec::everything().environment("qa");
    let text = "update orders set status = 'open' where id = 1";
    let call = json!({ "op": "execute", "statement": text }).to_string();
    let id = approval_in(&harness.probe(&qa, &call).await);
    let told = explain(&harness, &qa, statement(text)).await.expect("explained");
    assert_eq!((told.decision.as_str(), told.reason.as_str()), ("needs_approval", "approval_pending"));
    assert!(step(&told, "approval").rule.contains(&id), "{told:#?}");
    harness.approve(&approver("qa"), &id).await.expect("approved");
    let told = explain(&harness, &qa, statement(text)).await.expect("explained");
    assert_eq!(told.decision, "permit", "{told:#?}");
    assert!(step(&told, "approval").rule.contains(&id), "{told:#?}");
    assert_eq!(harness.probe(&qa, &call).await["affected"], 1, "and so it is");
    harness.revoke(&approver("qa"), &id).await.expect("revoked");
    let other = "update orders set status = 'open' where id = 2";
    let id = approval_in(&harness.probe(&qa, &json!({ "op": "execute", "statement": other }).to_string()).await);
    harness.reject(&approver("qa"), &id, "not this one").await.expect("rejected");
    let told = explain(&harness, &qa, statement(other)).await.expect("explained");
    assert_eq!((told.decision.as_str(), told.reason.as_str()), ("deny", "approval_rejected"));
    assert!(step(&told, "approval").rule.contains("not this one"), "{told:#?}");
}

#[tokio::test]
async fn limits_come_with_their_places() {
    let harness = Harness::start().await;
    harness.deploy_wat("one", &WatGuest::returning("1"), "memory_bytes = 1000000").await;
    let spec = TokenSpec::everything().limits("fuel = 5000000");
    let answer = explain(&harness, &spec, about("one")).await.expect("explained");
    let limit = |name: &str| {
        let found = answer.limits.iter().find(|limit| limit.limit == name).expect("a limit");
        (found.value, found.source.as_str(), found.place.as_str())
    };
    assert_eq!(limit("fuel"), (5_000_000, "token", "the `limits` claim of the token"));
    assert_eq!(limit("memory_bytes").2, "[limits] memory_bytes (function.toml:4)");
    assert_eq!(limit("wall_time_ms").2, "built-in default");
    assert_eq!(answer.limits.len(), airlock_model::Limit::ALL.len());
}

async fn command(harness: &Harness, spec: &TokenSpec, arguments: &[&str]) -> Output {
    let server = format!("http://{}", harness.server().data_addr());
    let mut command = tokio::process::Command::new(airlock_binary());
    command.arg("explain").args(arguments).args(["--environment", spec.environment_name(), "--server", &server]);
    command.env("AIRLOCK_TOKEN", harness.token(spec)).output().await.expect("it runs")
}

#[tokio::test]
async fn the_command_shows_the_tree_and_has_an_exit_code() {
    let harness = Harness::start().await;
    harness.deploy_built("sql-probe").await;
    let everything = TokenSpec::everything();
    let sql = ["sql-probe", "--resource", "orders-db", "--sql"];
    let shown = command(&harness, &everything, &[&sql[..], &["select 1"]].concat()).await;
    assert_eq!(shown.status.code(), Some(0), "{shown:?}");
    let text = String::from_utf8(shown.stdout).expect("UTF-8");
    assert!(text.contains("✓ grants") && text.trim_end().ends_with("permit"), "{text}");
    let shown = command(&harness, &everything, &[&sql[..], &["vacuum"]].concat()).await;
    assert_eq!(shown.status.code(), Some(3), "{shown:?}");
    let text = String::from_utf8(shown.stdout).expect("UTF-8");
    assert!(
        text.contains("✗ analysis") && text.contains("· grants") && text.contains("deny (statement_refused)"),
        "{text}"
    );
    let request = ["sql-probe", "--resource", "crm", "--request", "GET /customers/ada", "--json"];
    let shown = command(&harness, &everything, &request).await;
    let document: Value = serde_json::from_slice(&shown.stdout).expect("JSON");
    assert_eq!((document["decision"].as_str(), shown.status.code()), (Some("permit"), Some(0)), "{document}");
    let refused = command(&harness, &TokenSpec::only("other", &[]), &["sql-probe"]).await;
    assert_eq!(refused.status.code(), Some(3), "{refused:?}");
    let unclear = command(&harness, &everything, &["sql-probe", "--sql", "select 1"]).await;
    assert_eq!(unclear.status.code(), Some(2), "a statement goes to a resource: {unclear:?}");
    assert_eq!(harness.crm.request_count(), 0);
}
