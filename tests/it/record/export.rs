//! Exports: every record reaches every sink, whatever that sink does, and nobody else waits for it.

mod cli;
mod collector;
mod crash;

use std::{collections::BTreeMap, path::Path, time::Duration};

use airlock_model::AuditKind;
use airlock_tests::{
    CRM_SECRET, Harness, command::airlock_command, command::outcome, guests::WatGuest, tokens::TokenSpec,
};
use serde_json::Value;

pub(super) use collector::wait_until;
use collector::{Collector, Mood};

const PATIENCE: Duration = Duration::from_secs(60);
/// What the collector wants to be shown.
const COLLECTOR_SECRET: &str = "Bearer canary-collector-secret-55c1";

fn otlp(collector: &Collector, more: &str) -> String {
    format!(
        "[[audit.export]]\nname = \"siem\"\nto = \"otlp\"\notlp = {{ url = \"http://{}/v1/logs\", \
         allow_private = [\"127.0.0.1/32\"], headers = {{ authorization = {{ file = \"collector-secret\" }} }} }}\n{more}\n",
        collector.address
    )
}

/// Starts with the secret of the collector in its file, and a function to call.
async fn start(config: String) -> Harness {
    // The secret has to be there before the server is.
    let mut harness = Harness::start().await;
    std::fs::write(harness.dir().join("collector-secret"), COLLECTOR_SECRET).expect("written");
    std::fs::create_dir(harness.dir().join("exported")).expect("made");
    harness.set_config(&format!("{}\n{config}", harness.config()));
    harness.restart().await;
    harness.deploy_wat("one", &WatGuest::returning("1"), "").await;
    harness
}

async fn calls(harness: &Harness, count: usize) {
    for _ in 0..count {
        harness.invoke("one", "null").await.expect("it runs");
    }
}

async fn head(harness: &Harness) -> u64 {
    harness.trail().await.last().expect("a record").seq
}

/// Number and hash of every line.
fn lines_of(text: &str) -> Vec<(u64, String)> {
    let read = |line: &str| {
        let record: Value = serde_json::from_str(line).unwrap_or_else(|why| panic!("{why}: {line}"));
        (record["seq"].as_u64().expect("a number"), record["hash"].as_str().expect("a hash").to_owned())
    };
    text.lines().map(read).collect()
}

fn standings(state: &Path) -> Vec<Value> {
    let mut command = airlock_command(&["audit", "exports", "--json", "--state"]);
    command.arg(state);
    let (code, out, said) = outcome(command);
    assert_eq!(code, Some(0), "{said}");
    serde_json::from_str(&out).expect("JSON")
}

fn standing(state: &Path, name: &str) -> Value {
    standings(state).into_iter().find(|one| one["name"] == name).expect("an export of that name")
}

#[tokio::test]
async fn a_collector_gets_every_record_whatever_it_does_and_delays_only_itself() {
    let mut collector = Collector::start(COLLECTOR_SECRET).await;
    let file = "[[audit.export]]\nname = \"files\"\nto = \"file\"\nfile = { path = \"exported/audit.jsonl\" }\n";
    let harness = start(otlp(&collector, file)).await;
    let (state, exported) = (harness.dir().join("state"), harness.dir().join("exported/audit.jsonl"));
    let moods = [
        Mood::Status(503),
        Mood::Status(401),
        Mood::Busy(1),
        Mood::Page,
        Mood::Small(3_000),
        Mood::Partly(2),
        Mood::Hang,
    ];
    for mood in moods {
        collector.set(mood);
        calls(&harness, 20).await;
        collector.asked_again().await;
        let written = head(&harness).await;
        let file_has = || {
            std::fs::read_to_string(&exported).is_ok_and(|text| lines_of(&text).iter().any(|(seq, _)| *seq >= written))
        };
        wait_until("the other export", file_has).await;
        if !matches!(mood, Mood::Hang) {
            collector.set(Mood::Take);
            collector.has_all(written).await;
        }
    }
    collector.die().await;
    calls(&harness, 5).await;
    let written = head(&harness).await;
    let is_behind = || {
        let siem = standing(&state, "siem");
        siem["error"].is_string() && siem["lag_records"].as_u64() >= Some(5)
    };
    wait_until("the failure to be said", is_behind).await;
    collector.set(Mood::Take);
    collector.revive().await;
    collector.has_all(written).await;
    wait_until("no lag", || standing(&state, "siem")["lag_records"] == 0).await;
    let siem = standing(&state, "siem");
    assert_eq!((&siem["error"], &siem["lag_s"]), (&Value::Null, &0.into()), "{siem}");

    let trail: BTreeMap<u64, String> =
        harness.trail().await.into_iter().map(|record| (record.seq, record.hash.to_string())).collect();
    let taken: BTreeMap<u64, String> = collector.records().into_iter().map(|(seq, (hash, _))| (seq, hash)).collect();
    assert_eq!(taken, trail);
    let in_file: BTreeMap<u64, String> =
        lines_of(&std::fs::read_to_string(&exported).expect("read")).into_iter().collect();
    assert_eq!(in_file, trail);
    assert!(collector.was_authorized(), "the secret is shown to the collector");
}

#[tokio::test]
async fn an_export_goes_on_where_it_stopped_and_says_nothing_twice_that_was_taken() {
    let collector = Collector::start(COLLECTOR_SECRET).await;
    let mut harness = start(otlp(&collector, "")).await;
    for _ in 0..3 {
        calls(&harness, 10).await;
        collector.has_all(head(&harness).await).await;
        let state = harness.dir().join("state");
        wait_until("no lag", || standing(&state, "siem")["lag_records"] == 0).await;
        harness.restart().await;
    }
    let written = head(&harness).await;
    collector.has_all(written).await;
    let records = collector.records();
    assert_eq!(records.len() as u64, written);
    assert!(records.values().all(|(_, times)| *times == 1), "{records:?}");
}

#[tokio::test]
async fn an_export_is_given_what_it_asks_for_and_its_cursor_passes_the_rest() {
    let collector = Collector::start("").await;
    let config = format!(
        "[[audit.export]]\nname = \"calls\"\nto = \"http\"\nformat = \"ocsf\"\nkinds = [\"invocation_finished\"]\n\
         environments = [\"dev\"]\ntenants = [\"acme\"]\nhttp = {{ url = \"http://{}/lines\", allow_private = [\"127.0.0.1/32\"] }}\n",
        collector.address
    );
    let harness = start(config).await;
    calls(&harness, 3).await;
    harness.invoke_as(&TokenSpec::everything().tenant("globex"), "one", "null").await.expect("another tenant's call");
    let state = harness.dir().join("state");
    wait_until("no lag", || standing(&state, "calls")["lag_records"] == 0).await;
    let finished =
        harness.trail().await.iter().filter(|record| record.event.kind == AuditKind::InvocationFinished).count();
    let lines = collector.lines();
    assert_eq!((finished, lines.len()), (4, 3), "{lines:#?}");
    for line in lines {
        let event: Value = serde_json::from_str(&line).expect("JSON");
        assert_eq!(
            (&event["class_uid"], &event["metadata"]["event_code"]),
            (&6003.into(), &"invocation_finished".into())
        );
    }
}

#[tokio::test]
async fn no_secret_leaves_with_the_records() {
    let collector = Collector::start(COLLECTOR_SECRET).await;
    let exports = ["airlock", "ocsf", "datadog"].map(|format| {
        format!("[[audit.export]]\nname = \"{format}\"\nto = \"file\"\nformat = \"{format}\"\nfile = {{ path = \"exported/{format}.jsonl\" }}\n")
    });
    let harness = start(otlp(&collector, &exports.concat())).await;
    harness.deploy_built("sql-probe").await;
    let spec = TokenSpec::everything();
    let token = harness.token(&spec);
    let call = r#"{"query":{"resource":"orders-db","statement":"SELECT ?1","parameters":["canary-parameter-91ab"]}}"#;
    // Whatever the probe makes of it, its arguments pass the gate.
    let _answer = harness.invoke_with(&token, "dev", "sql-probe", call).await;
    harness
        .invoke_with("canary-token-that-is-none", "dev", "one", "\"canary-payload-2f\"")
        .await
        .expect_err("no token");
    let written = head(&harness).await;
    collector.has_all(written).await;
    let state = harness.dir().join("state");
    wait_until("no lag", || standings(&state).iter().all(|one| one["lag_records"] == 0)).await;
    let files = ["airlock", "ocsf", "datadog"]
        .map(|format| std::fs::read_to_string(harness.dir().join(format!("exported/{format}.jsonl"))).expect("read"));
    let everything = format!("{}{}{:?}", collector.bodies(), files.concat(), standings(&state));
    assert!(everything.contains("invocation_refused"), "there is something to look at");
    for secret in [
        COLLECTOR_SECRET,
        CRM_SECRET,
        token.as_str(),
        "canary-parameter-91ab",
        "canary-token-that-is-none",
        "canary-payload-2f",
    ] {
        assert!(!everything.contains(secret), "{secret}");
    }
}

#[tokio::test]
async fn a_configuration_that_cannot_export_is_refused_with_its_line() {
    let place = airlock_tests::process::Place::make(None).await;
    let export = |rest: &str| format!("[[audit.export]]\nname = \"one\"\n{rest}");
    for (more, named) in [
        (export("to = \"file\""), "audit.export[0].file"),
        (export("to = \"stdout\"\nfile = { path = \"a\" }"), "audit.export[0].file"),
        (export("to = \"stdout\"\n[[audit.export]]\nname = \"one\"\nto = \"stdout\""), "twice"),
        (export("to = \"file\"\nfile = { path = \"nowhere/a.jsonl\" }"), "nowhere/a.jsonl"),
        (
            export("to = \"otlp\"\nformat = \"ocsf\"\notlp = { url = \"https://c.example/v1/logs\" }"),
            "records of its own",
        ),
        (export("to = \"otlp\"\notlp = { url = \"http://c.example/v1/logs\" }"), "allow_plaintext"),
        (
            export("to = \"http\"\nhttp = { url = \"https://c.example/\", headers = { a = { env = \"NOT_SET_4\" } } }"),
            "NOT_SET_4",
        ),
        (
            export("to = \"http\"\nhttp = { url = \"https://c.example/\", headers = { a = \"canary-inline\" } }"),
            "stands in the configuration itself",
        ),
        (
            export("to = \"http\"\nhttp = { url = \"https://c.example/\", headers = { host = { env = \"HOME\" } } }"),
            "no header",
        ),
        (export("to = \"stdout\"\nkinds = [\"everything\"]"), "everything"),
        ("[[audit.export]]\nname = \"Two Words\"\nto = \"stdout\"".to_owned(), "audit.export[0].name"),
    ] {
        let text = std::fs::read_to_string(place.path("airlock.toml")).expect("readable");
        let text = text.replace("\"L1\"", "\"L0\"");
        std::fs::write(place.path("other.toml"), format!("{text}\n{more}\n")).expect("written");
        let mut command = place.command(&airlock_tests::airlock_binary());
        command.args(["serve", "--config", "other.toml"]);
        let (code, _, said) = outcome(command);
        assert_eq!(code, Some(1), "{more}: {said}");
        assert!(said.contains(named) && said.contains("other.toml"), "{more}: {said}");
        assert!(!said.contains("canary"), "{said}");
    }
}
