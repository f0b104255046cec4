//! What the trail keeps of parameters and statements by policy, who sees it, what proves it, and how it is erased.

use std::{fs, path::Path};

use airlock_model::{AuditEvent, AuditKind, ValueField};
use airlock_proto::v1::{
    AuditRecord, AuditServiceEraseRequest, AuditServiceEraseResponse, AuditServiceQueryRequest,
    AuditServiceTailRequest, AuditServiceVerifyRequest,
};
use airlock_tests::{
    Harness, Options,
    command::{airlock_command, outcome},
    guests, reason,
    tokens::TokenSpec,
    with_token,
};
use serde_json::{Value, json};

/// One environment for each policy.
const POLICIES: &str = "[environments.qa.audit]\nparameters = \"redacted\"\nstatements = \"fingerprint\"\n\
                        [environments.prod.audit]\nparameters = \"plain\"\nstatements = \"erasable\"\n";
const STATEMENT: &str = "select count(*) as n from orders where customer = ?1";

/// A secret in every place where a function can put a value, and another one for each environment.
fn canary(environment: &str) -> String {
    format!("canary-{environment}-5d1e")
}

fn query(environment: &str) -> String {
    json!({ "op": "query", "statement": STATEMENT, "params": [canary(environment)] }).to_string()
}

fn request(environment: &str) -> String {
    let secret = canary(environment);
    json!({
        "op": "http", "method": "POST", "path": "/echo", "body": secret, "query": [["page", secret]],
        "headers": [["x-note", secret], ["x-auth-note", format!("{secret}-header")]],
    })
    .to_string()
}

/// The same calls in each environment, by two people.
async fn house() -> Harness {
    let harness = Harness::start_with(Options { more_config: POLICIES.to_owned() }).await;
    let (manifest, component) = guests::built("sql-probe");
    for environment in ["dev", "qa", "prod"] {
        harness.deploy_to(environment, &manifest, component.clone()).await.expect("deployed");
        for subject in ["ada", "bob"] {
            let spec = TokenSpec::everything().environment(environment).subject(subject);
            harness.probe(&spec, &query(environment)).await;
            harness.probe(&spec, &request(environment)).await;
        }
    }
    harness
}

fn privacy(environment: &str) -> TokenSpec {
    TokenSpec::control_with(&["audit:read", "audit:values", "audit:erase"]).environment(environment)
}

/// The intents and outcomes of an environment, with what is kept beside them.
async fn kept(harness: &Harness, environment: &str) -> Vec<(AuditEvent, AuditRecord)> {
    let asked = AuditServiceQueryRequest {
        environment: environment.to_owned(),
        with_values: true,
        ..AuditServiceQueryRequest::default()
    };
    let token = harness.token(&privacy(environment));
    let answer = harness.audit_service().query(with_token(asked, &token)).await.expect("an answer").into_inner();
    let read = |record: AuditRecord| (serde_json::from_slice(&record.event).expect("an event"), record);
    let records = answer.records.into_iter().map(read);
    records.filter(|(event, _): &(AuditEvent, _)| event.resource.is_some()).collect()
}

/// Of a call, for one resource.
fn arguments(records: &[(AuditEvent, AuditRecord)], resource: &str) -> (String, u64, String) {
    let of = |(event, _): &&(AuditEvent, AuditRecord)| event.resource.as_deref() == Some(resource);
    let (event, record) = records.iter().find(of).unwrap_or_else(|| panic!("{resource} in {records:?}"));
    assert!(event.arguments_commitment.is_some() && event.arguments_sha256.is_none(), "{event:?}");
    let value = record.values.iter().find(|value| value.field == "arguments").expect("a value");
    (value.policy.clone(), value.bytes, value.value.clone())
}

/// Whether any file of the state directory has a text, the log of the database too.
fn holds(dir: &Path, text: &str) -> bool {
    fs::read_dir(dir).expect("a directory").any(|entry| {
        let path = entry.expect("an entry").path();
        let bytes = if path.is_dir() { Vec::new() } else { fs::read(&path).unwrap_or_default() };
        if path.is_dir() { holds(&path, text) } else { bytes.windows(text.len()).any(|part| part == text.as_bytes()) }
    })
}

#[tokio::test]
async fn each_environment_keeps_of_parameters_what_its_policy_says() {
    let harness = house().await;
    let (dev, qa, prod) = (kept(&harness, "dev").await, kept(&harness, "qa").await, kept(&harness, "prod").await);
    let bytes = |environment: &str| json!([canary(environment)]).to_string().len() as u64;
    assert_eq!(arguments(&dev, "orders-db"), ("hash".to_owned(), bytes("dev"), String::new()));
    let redacted = format!("[\"<text of {}>\"]", canary("qa").len());
    assert_eq!(arguments(&qa, "orders-db"), ("redacted".to_owned(), bytes("qa"), redacted));
    let plain = json!([canary("prod")]).to_string();
    assert_eq!(arguments(&prod, "orders-db"), ("plain".to_owned(), bytes("prod"), plain));
    let (_, _, asked) = arguments(&prod, "crm");
    let asked: Value = serde_json::from_str(&asked).expect("JSON");
    assert_eq!(asked["body"], json!(canary("prod")));
    assert_eq!(asked["query"], json!([["page", canary("prod")]]));
    assert!(!asked.to_string().contains("5d1e-header"), "a header that may be a credential: {asked}");

    let state = harness.dir().join("state");
    assert!(holds(&state, &canary("prod")), "the twin: plain keeps it");
    for environment in ["dev", "qa"] {
        assert!(!holds(&state, &canary(environment)), "{environment}");
    }
    assert!(!holds(&state, "5d1e-header"));
}

#[tokio::test]
async fn texts_of_statements_are_where_the_policy_says_and_equal_ones_are_found_by_fingerprint() {
    let harness = house().await;
    let of = |records: &[(AuditEvent, AuditRecord)]| {
        let is = |(event, _): &&(AuditEvent, AuditRecord)| event.resource.as_deref() == Some("orders-db");
        let (event, record) = records.iter().find(is).expect("a query").clone();
        let text = record.values.iter().find(|value| value.field == "statement").map(|value| value.value.clone());
        (event.target, text, event.statement_commitment.is_some(), event.statement_fingerprint)
    };
    let wanted =
        airlock_model::fingerprint(&"orders-db".parse().unwrap(), airlock_model::StatementLanguage::Sql, STATEMENT);
    let (dev, qa, prod) = (kept(&harness, "dev").await, kept(&harness, "qa").await, kept(&harness, "prod").await);
    assert_eq!(of(&dev), (Some(STATEMENT.to_owned()), None, false, Some(wanted)));
    assert_eq!(of(&qa), (None, None, false, Some(wanted)));
    assert_eq!(of(&prod), (None, Some(STATEMENT.to_owned()), true, Some(wanted)));
}

#[tokio::test]
async fn kept_values_are_seen_with_a_scope_of_their_own() {
    let harness = house().await;
    let reader = harness.token(&TokenSpec::control_with(&["audit:read"]).environment("prod"));
    let asked = |with_values| AuditServiceQueryRequest {
        environment: "prod".to_owned(),
        with_values,
        ..AuditServiceQueryRequest::default()
    };
    let refused = harness.audit_service().query(with_token(asked(true), &reader)).await.expect_err("refused");
    assert_eq!(reason(&refused), "not_granted");
    let seen = harness.audit_service().query(with_token(asked(false), &reader)).await.expect("the twin").into_inner();
    assert!(seen.records.iter().all(|record| record.values.is_empty()) && !seen.records.is_empty());
    let tail = |with_values| AuditServiceTailRequest {
        environment: "prod".to_owned(),
        with_values,
        ..AuditServiceTailRequest::default()
    };
    let refused = harness.audit_service().tail(with_token(tail(true), &reader)).await.expect_err("refused");
    assert_eq!(reason(&refused), "not_granted");
    harness.audit_service().tail(with_token(tail(false), &reader)).await.expect("the twin");
    let values_alone = harness.token(&TokenSpec::control_with(&["audit:values"]).environment("prod"));
    let refused = harness.audit_service().query(with_token(asked(true), &values_alone)).await.expect_err("refused");
    assert_eq!(reason(&refused), "not_granted", "and not without the right to the records");
    // Refusals are queued; what waits for the disk waits for them.
    harness.app().announce_checkpoint().await.expect("announced");
    let refusals = harness.trail().await;
    let refusals = refusals.iter().filter(|record| record.event.kind == AuditKind::ControlRefused);
    assert_eq!(refusals.count(), 3, "who asked for values is on record");
}

fn is_by(event: &AuditEvent, who: &str) -> bool {
    event.principal.as_ref().is_some_and(|principal| principal.subject == who)
}

/// How many values those events are committed to.
fn commitments(trail: &[airlock_store::AuditRecord], of: impl Fn(&AuditEvent) -> bool) -> u64 {
    let events = trail.iter().map(|record| &record.event).filter(|event| of(event));
    let committed =
        |event: &AuditEvent| ValueField::ALL.into_iter().filter(|field| event.commitment(*field).is_some()).count();
    events.map(|event| committed(event) as u64).sum()
}

async fn erase(
    harness: &Harness,
    spec: &TokenSpec,
    change: impl FnOnce(&mut AuditServiceEraseRequest),
) -> Result<AuditServiceEraseResponse, tonic::Status> {
    let mut asked = AuditServiceEraseRequest {
        environment: spec.environment_name().to_owned(),
        principal: "ada".to_owned(),
        reason: "she asked".to_owned(),
        ..AuditServiceEraseRequest::default()
    };
    change(&mut asked);
    let answer = harness.audit_service().erase(with_token(asked, &harness.token(spec))).await;
    answer.map(tonic::Response::into_inner)
}

#[tokio::test]
async fn who_may_erases_values_of_the_own_tenant_and_environment_and_the_trail_says_so() {
    let harness = house().await;
    for scopes in [&["audit:read", "audit:values"][..], &["audit:read", "function:read", "approval:read"]] {
        let spec = TokenSpec::control_with(scopes).environment("prod");
        assert_eq!(reason(&erase(&harness, &spec, |_| ()).await.expect_err("refused")), "not_granted");
    }
    let elsewhere =
        erase(&harness, &privacy("prod").tenant("globex"), |_| ()).await.expect("nothing of another tenant");
    assert_eq!((elsewhere.values, elsewhere.sequence), (0, 0));
    let foreign = erase(&harness, &privacy("qa"), |asked| asked.environment = "prod".to_owned()).await;
    assert_eq!(reason(&foreign.expect_err("refused")), "not_granted");
    assert_eq!(
        reason(&erase(&harness, &privacy("prod"), |asked| asked.reason.clear()).await.expect_err("no reason")),
        "request_malformed"
    );

    let before = harness.trail().await;
    let values = commitments(&before, |event| event.environment.as_deref() == Some("prod") && is_by(event, "ada"));
    let erased = erase(&harness, &privacy("prod"), |_| ()).await.expect("erased");
    assert!(erased.values == values && values >= 5, "{erased:?}, {values}");
    let after = harness.trail().await;
    let same = before.iter().filter(|record| record.event.kind != AuditKind::ControlRefused);
    assert!(same.clone().count() > 20 && same.clone().all(|record| after.contains(record)), "no record is another");
    let said = after.iter().find(|record| record.seq == erased.sequence).expect("a record");
    assert_eq!((said.event.kind, said.event.message.as_deref()), (AuditKind::ValuesErased, Some("she asked")));
    let about = said.event.erasure.clone().expect("what it is about");
    assert_eq!(
        (about.principal.as_deref(), about.tenant.as_deref(), about.values),
        (Some("ada"), Some("acme"), values)
    );
    assert!(!format!("{:?}", said.event).contains("canary"), "never what");

    let left = kept(&harness, "prod").await;
    let of = |who: &str| {
        let by = left.iter().filter(|(event, _)| is_by(event, who));
        by.map(|(_, record)| record.values.len() as u64).sum::<u64>()
    };
    assert_eq!((of("ada"), of("bob")), (0, values));
    let asked = AuditServiceVerifyRequest { environment: "prod".to_owned(), checkpoints: Vec::new() };
    let report = harness.audit_service().verify(with_token(asked, &harness.token(&privacy("prod")))).await;
    let report = report.expect("verified").into_inner();
    assert!(report.integrity && report.complete, "{report:?}");
    assert_eq!(report.values_erased, values);

    let rest = erase(&harness, &privacy("prod"), |asked| asked.principal = "bob".to_owned()).await.expect("erased");
    assert!(rest.values == values && rest.log_is_cut, "{rest:?}");
    assert!(!holds(&harness.dir().join("state"), &canary("prod")), "no byte of it is left, in the log neither");
}

#[tokio::test]
async fn a_policy_that_is_reloaded_holds_from_the_next_call_on() {
    let harness = Harness::start().await;
    harness.deploy_built("sql-probe").await;
    harness.probe(&TokenSpec::everything(), &query("dev")).await;
    harness.set_config(&format!("{}\n[audit]\nparameters = \"plain\"\n", harness.config()));
    assert_eq!(harness.reload().await.expect("read again"), ["audit.parameters: \"hash\" -> \"plain\""]);
    harness.probe(&TokenSpec::everything(), &query("dev")).await;
    let kept = kept(&harness, "dev").await;
    let policies: Vec<_> = kept.iter().map(|(_, record)| record.values[0].policy.as_str()).collect();
    assert_eq!(policies, ["hash", "hash", "plain", "plain"]);
}

/// What the command says, as JSON, and how it ended.
fn airlock(arguments: &[&str]) -> (Option<i32>, Value, String) {
    let (code, out, err) = outcome(airlock_command(arguments));
    (code, serde_json::from_str(&out).unwrap_or_default(), err)
}

#[tokio::test]
async fn the_command_shows_proves_and_erases_on_a_directory_and_over_the_wire() {
    let mut harness = house().await;
    let all = commitments(&harness.trail().await, |event| is_by(event, "ada"));
    let (state, server) = (harness.dir().join("state"), format!("http://{}", harness.server().control_addr()));
    let (state, token) = (state.to_str().expect("UTF-8").to_owned(), harness.token(&privacy("prod")));
    let about = ["--principal", "ada", "--resource", "orders-db"];
    let here = ["audit", "query", "--values", "--json", "--tenant", "acme", "-e", "prod", "--state", &state];
    let there = ["audit", "query", "--values", "--json", "--server", &server, "--token", &token];
    let (of_directory, of_server) = (airlock(&[&here[..], &about].concat()), airlock(&[&there[..], &about].concat()));
    assert_eq!(of_directory, of_server);
    let records = of_directory.1;
    assert_eq!(records[0]["arguments"]["value"], json!(json!([canary("prod")]).to_string()), "{records}");
    assert_eq!(records[0]["statement"]["value"], STATEMENT);

    let seq = records[0]["seq"].to_string();
    let prove = |more: &[&str]| {
        let (code, said, err) =
            airlock(&[&["audit", "prove", "--json", "--state", &state, "--seq", &seq], more].concat());
        (code, said["verdict"].as_str().unwrap_or(&err).to_owned())
    };
    let file = harness.dir().join("value");
    fs::write(&file, json!([canary("prod")]).to_string()).expect("written");
    assert_eq!(prove(&["--value", &format!("@{}", file.display())]), (Some(0), "proven".to_owned()));
    assert_eq!(prove(&["--value", "[\"a guess\"]"]), (Some(1), "another".to_owned()));
    assert_eq!(prove(&["--field", "statement", "--value", STATEMENT]), (Some(0), "proven".to_owned()));

    let erase = ["audit", "erase", "--json", "--principal", "ada", "--reason", "she asked"];
    let (code, _, err) = airlock(&[&erase[..], &["--state", &state]].concat());
    assert!(code == Some(1) && err.contains("is in use by process"), "a server runs: {err}");
    let wire = ["--server", &server, "--token", &token, "--field", "statement"];
    let (code, said, err) = airlock(&[&erase[..], &wire].concat());
    assert_eq!((code, &said["values"]), (Some(0), &json!(2)), "{err}");
    assert_eq!(prove(&["--field", "statement", "--value", STATEMENT]), (Some(1), "erased".to_owned()));

    harness.drain(std::time::Duration::from_secs(10)).await;
    let (code, said, err) = airlock(&[&erase[..], &["--state", &state]].concat());
    // What is left of ada in all three environments.
    assert_eq!((code, &said["values"], &said["log_is_cut"]), (Some(0), &json!(all - 2), &json!(true)), "{err}");
    assert_eq!(prove(&["--value", "[]"]), (Some(1), "erased".to_owned()));
    let (code, report, err) = airlock(&["audit", "verify", "--json", "--state", &state]);
    assert_eq!((code, &report["values_erased"], &report["integrity"]), (Some(0), &json!(all), &json!(true)), "{err}");
    let rest = ["audit", "erase", "--json", "--seq", "1..100000", "--reason", "all of it", "--state", &state];
    assert_eq!(airlock(&rest).0, Some(0));
    assert!(!holds(Path::new(&state), &canary("prod")));

    let database = rusqlite::Connection::open(Path::new(&state).join("airlock.db")).expect("opened");
    let planted = "INSERT INTO audit_values VALUES (?1, 'plain', zeroblob(32), 2, zeroblob(32), '[]')";
    database.execute(planted, [2 * seq.parse::<i64>().expect("a number")]).expect("planted");
    drop(database);
    assert_eq!(prove(&["--value", "[]"]), (Some(2), "tampered".to_owned()));
    let (code, report, _) = airlock(&["audit", "verify", "--json", "--state", &state]);
    assert_eq!((code, &report["first_bad"]["seq"]), (Some(2), &records[0]["seq"]), "{report}");
}

#[tokio::test]
async fn the_command_says_what_is_wrong_with_an_erasure() {
    for (arguments, told) in [
        (&["--principal", "ada"][..], "--reason"),
        (&["--principal", "ada", "--reason", ""], "a value is required"),
        (&["--reason", "x"], "--principal"),
        (&["--until", "1d", "--reason", "x"], "--principal"),
        (&["--seq", "9..3", "--reason", "x"], "17..40"),
        (&["--seq", "1", "--reason", "x", "--state", "/nonexistent"], "/nonexistent"),
        (&["--seq", "1", "--reason", "x", "--server", "http://127.0.0.1:1"], "a server wants a token"),
    ] {
        let mut command = airlock_command(&[&["audit", "erase"], arguments].concat());
        command.env_remove("AIRLOCK_TOKEN");
        let (code, _, said) = outcome(command);
        assert!(code != Some(0) && said.contains(told), "{arguments:?}: {said}");
    }
}
