//! Stores through the gate, with guests in both languages: grants, policy, budgets, and the record of each.

use airlock_model::{AuditKind, Decision};
use airlock_tests::{
    Harness, Options, output,
    process::{NOBODY, Place},
    redis::{REDIS_SECRET, Redis},
    s3::{S3, S3_SECRET},
    tokens::TokenSpec,
};
use serde_json::{Value, json};

async fn with_probe() -> Harness {
    let harness = Harness::start().await;
    harness.deploy_built("store-probe").await;
    harness
}

fn set(key: &str, value: &Value) -> String {
    json!({ "to": "kv", "op": "set", "key": key, "value": value }).to_string()
}

fn get(key: &str) -> String {
    json!({ "to": "kv", "op": "get", "key": key }).to_string()
}

fn reason(answer: &Value) -> &str {
    answer["error"]["reason"].as_str().unwrap_or_default()
}

/// What `tests/guests/store-script` sees of any engine.
fn expected_of_kv() -> Value {
    let order = json!({ "id": 7, "note": "grüße 漢字 \u{0}", "nested": [1, null, true] });
    json!({
        "missing": null,
        "order": order,
        "text": "{\"id\":7,\"note\":\"grüße 漢字 \\u0000\",\"nested\":[1,null,true]}",
        "plain": "not JSON",
        "notJson": "SyntaxError",
        "null": [null, "null"],
        "brief": null,
        "sums": [1, 42, 42],
        "swaps": [true, false, true],
        "page": { "keys": ["lock"], "cursor": null },
        "keys": ["counter", "lock", "null", "order", "plain"],
        "deleted": [true, false],
        "typeErrors": vec!["TypeError"; 6],
        "hostErrors": [
            "HostError bad_request",
            "HostError bad_request",
            "HostError bad_request",
            "HostError bad_request",
            "HostError backend KV_NOT_A_NUMBER",
        ],
    })
}

#[tokio::test]
async fn a_script_uses_every_function_of_the_store() {
    let harness = Harness::start().await;
    harness.deploy_built("store-script").await;
    let answer = harness.invoke("store-script", r#"{"run":"kv"}"#).await.expect("answers");
    assert_eq!(output(&answer), expected_of_kv());
}

#[tokio::test]
async fn a_script_sees_no_difference_between_the_engines() {
    let server = Redis::start();
    let files = "[resources.files.rd]\nengine = \"directory\"\npath = \"files\"\noperations = [\"read\"]\n";
    let cache = server.binding("");
    let more_config = format!("[environments.rd]\nwrites = \"allow\"\n{files}[resources.cache.rd]\n{cache}");
    let harness = Harness::start_with(Options { more_config }).await;
    let (manifest, component) = airlock_tests::guests::built("store-script");
    harness.deploy_to("rd", &manifest, component).await.expect("deployed");
    let spec = TokenSpec::everything().environment("rd");
    let answer = harness.invoke_as(&spec, "store-script", r#"{"run":"kv"}"#).await.expect("answers");
    assert_eq!(output(&answer), expected_of_kv());
    let trail = format!("{:?}", harness.trail().await);
    assert!(!trail.contains(REDIS_SECRET) && !trail.contains("127.0.0.1"), "{trail}");
}

#[tokio::test]
async fn a_token_reads_or_writes_by_its_scope() {
    let harness = with_probe().await;
    let (reader, writer) =
        (TokenSpec::only("store-probe", &["cache:read"]), TokenSpec::only("store-probe", &["cache:write"]));
    assert_eq!(harness.probe_stores(&writer, &set("k", &json!(1))).await, json!({ "set": null }));
    assert_eq!(reason(&harness.probe_stores(&writer, &get("k")).await), "not_granted");
    assert_eq!(harness.probe_stores(&reader, &get("k")).await, json!({ "value": 1 }));
    assert_eq!(reason(&harness.probe_stores(&reader, &set("k", &json!(2))).await), "not_granted");
    assert_eq!(harness.probe_stores(&reader, &get("k")).await, json!({ "value": 1 }), "it is what it was");
}

#[tokio::test]
async fn an_environment_decides_about_changes() {
    let harness = with_probe().await;
    let (manifest, component) = airlock_tests::guests::built("store-probe");
    for (environment, wanted) in [("prod", "writes_denied"), ("qa", "approval_pending")] {
        harness.deploy_to(environment, &manifest, component.clone()).await.expect("deployed");
        let all = TokenSpec::everything().environment(environment);
        for op in [
            json!({ "op": "set", "key": "k", "value": 1 }),
            json!({ "op": "delete", "key": "k" }),
            json!({ "op": "increment", "key": "k", "by": 1 }),
            json!({ "op": "compare_and_set", "key": "k", "value": 1 }),
        ] {
            let mut call = op;
            call["to"] = json!("kv");
            assert_eq!(reason(&harness.probe_stores(&all, &call.to_string()).await), wanted, "{environment} {call}");
        }
        assert_eq!(harness.probe_stores(&all, &get("k")).await, json!({ "value": null }), "{environment}");
    }
}

#[tokio::test]
async fn tenants_and_environments_have_keys_of_their_own() {
    let harness = with_probe().await;
    let (manifest, component) = airlock_tests::guests::built("store-probe");
    harness.deploy_to("prod", &manifest, component).await.expect("deployed");
    let globex = || TokenSpec::everything().tenant("globex");
    harness.probe_stores(&TokenSpec::everything(), &set("k", &json!("acme"))).await;
    harness.probe_stores(&globex(), &set("k", &json!("globex"))).await;
    assert_eq!(harness.probe_stores(&TokenSpec::everything(), &get("k")).await, json!({ "value": "acme" }));
    assert_eq!(harness.probe_stores(&globex(), &get("k")).await, json!({ "value": "globex" }));
    let prod = TokenSpec::everything().environment("prod");
    assert_eq!(harness.probe_stores(&prod, &get("k")).await, json!({ "value": null }));
}

#[tokio::test]
async fn budgets_bind_calls_to_stores_too() {
    let harness = with_probe().await;
    let calls: Vec<Value> = (0..5).map(|_| serde_json::from_str(&get("k")).unwrap()).collect();
    let few = TokenSpec::everything().limits("host_calls = 3");
    let answer = harness.probe_stores(&few, &json!({ "calls": calls }).to_string()).await;
    let spent =
        answer["answers"].as_array().expect("answers").iter().filter(|one| one["error"]["limit"] == "host_calls");
    assert_eq!(spent.count(), 2, "{answer}");
    let large = json!({ "to": "kv", "op": "set_text", "key": "k", "text": "x", "times": 200_000 }).to_string();
    let little = TokenSpec::everything().limits("host_bytes = 100_000");
    assert_eq!(harness.probe_stores(&little, &large).await["error"]["limit"], "host_bytes");
    assert_eq!(harness.probe_stores(&TokenSpec::everything(), &large).await, json!({ "set": null }));
    let read = json!({ "to": "kv", "op": "get_text", "key": "k" }).to_string();
    assert_eq!(harness.probe_stores(&little, &read).await["error"]["limit"], "host_bytes", "what comes back counts");
}

#[tokio::test]
async fn every_change_leaves_its_intent_and_its_outcome() {
    let harness = with_probe().await;
    harness.probe_stores(&TokenSpec::everything(), &set("orders/7", &json!("canary-value"))).await;
    harness.probe_stores(&TokenSpec::only("store-probe", &["cache:read"]), &set("orders/7", &json!(1))).await;
    harness.probe_stores(&TokenSpec::everything(), &get("a\u{0}b")).await;
    let trail = harness.trail().await;
    let events: Vec<_> = trail.iter().map(|record| &record.event).filter(|event| event.resource.is_some()).collect();
    let kinds: Vec<_> = events.iter().map(|event| (event.kind, event.decision, event.reason.as_deref())).collect();
    assert_eq!(
        kinds,
        [
            (AuditKind::HostCallIntent, None, None),
            (AuditKind::HostCallOutcome, Some(Decision::Permit), Some("ok")),
            (AuditKind::HostCallOutcome, Some(Decision::Deny), Some("not_granted")),
            (AuditKind::HostCallOutcome, Some(Decision::Deny), Some("host_call_malformed")),
        ]
    );
    let done = events[1];
    let shown = (done.resource.as_deref(), done.operation.as_deref(), done.target.as_deref(), done.bytes);
    assert_eq!(shown, (Some("cache"), Some("set"), Some("orders/7"), Some(14)));
    assert!(
        done.arguments_commitment.is_some() && !format!("{trail:?}").contains("canary-value"),
        "values are committed to"
    );
}

/// What `tests/guests/store-script` sees of any engine.
fn expected_of_blob() -> Value {
    json!({
        "missing": [null, null, null],
        "noPieces": "Error",
        "head": [14, "text/plain; charset=utf-8", true],
        "text": "grüße 漢字",
        "json": ["{\"a\":[1,null]}", "application/json"],
        "bytes": [[0, 255, 13, 10], "image/x-own"],
        "ranges": [[255, 13], [10], []],
        "empty": [0, 0],
        "large": [[1_048_576, 1_048_576, 402_848], 2_500_000, true],
        "page": [
            [{ "key": "reports/2026/größe.txt", "size": 14 }, { "key": "reports/data.json", "size": 14 }],
            null,
        ],
        "keys": ["bytes", "empty", "reports/2026/größe.txt", "reports/data.json"],
        "typeErrors": vec!["TypeError"; 5],
        "hostErrors": vec!["HostError bad_request"; 6],
    })
}

#[tokio::test]
async fn a_script_uses_every_function_of_the_object_store() {
    let harness = Harness::start().await;
    harness.deploy_built("store-script").await;
    let answer = harness.invoke("store-script", r#"{"run":"blob"}"#).await.expect("answers");
    assert_eq!(output(&answer), expected_of_blob());
}

#[tokio::test]
async fn a_script_sees_no_difference_between_the_object_stores() {
    let server = S3::start();
    let cache = "[resources.cache.os]\nengine = \"embedded\"\noperations = [\"read\"]\n";
    let files = server.binding("");
    let more_config = format!("[environments.os]\nwrites = \"allow\"\n{cache}[resources.files.os]\n{files}");
    let harness = Harness::start_with(Options { more_config }).await;
    let (manifest, component) = airlock_tests::guests::built("store-script");
    harness.deploy_to("os", &manifest, component).await.expect("deployed");
    let spec = TokenSpec::everything().environment("os");
    let answer = harness.invoke_as(&spec, "store-script", r#"{"run":"blob"}"#).await.expect("answers");
    assert_eq!(output(&answer), expected_of_blob());
    let trail = format!("{:?}", harness.trail().await);
    assert!(!trail.contains(S3_SECRET) && !trail.contains("127.0.0.1"), "{trail}");
}

fn put_object(key: &str, text: &str) -> String {
    json!({ "to": "blob", "op": "put", "key": key, "text": text }).to_string()
}

#[tokio::test]
async fn objects_obey_scopes_policies_and_budgets_and_leave_records() {
    let harness = with_probe().await;
    let (manifest, component) = airlock_tests::guests::built("store-probe");
    let get = json!({ "to": "blob", "op": "get", "key": "a/b" }).to_string();
    let (reader, writer) =
        (TokenSpec::only("store-probe", &["files:read"]), TokenSpec::only("store-probe", &["files:write"]));
    assert!(harness.probe_stores(&writer, &put_object("a/b", "canary-text")).await["etag"].is_string());
    assert_eq!(reason(&harness.probe_stores(&writer, &get).await), "not_granted");
    assert_eq!(harness.probe_stores(&reader, &get).await["text"], "canary-text");
    assert_eq!(reason(&harness.probe_stores(&reader, &put_object("a/b", "x")).await), "not_granted");
    let globex = TokenSpec::everything().tenant("globex");
    assert_eq!(harness.probe_stores(&globex, &get).await, Value::Null, "tenants have objects of their own");
    let few = TokenSpec::everything().limits("host_bytes = 1000");
    let large = json!({ "to": "blob", "op": "put", "key": "k", "text": "x", "times": 2_000 }).to_string();
    assert_eq!(harness.probe_stores(&few, &large).await["error"]["limit"], "host_bytes");
    for (environment, wanted) in [("prod", "writes_denied"), ("qa", "approval_pending")] {
        harness.deploy_to(environment, &manifest, component.clone()).await.expect("deployed");
        let all = TokenSpec::everything().environment(environment);
        let delete = json!({ "to": "blob", "op": "delete", "key": "a/b" }).to_string();
        for call in [put_object("a/b", "x"), delete] {
            assert_eq!(reason(&harness.probe_stores(&all, &call).await), wanted, "{environment} {call}");
        }
    }
    let trail = harness.trail().await;
    let first: Vec<_> = trail.iter().map(|record| &record.event).filter(|event| event.resource.is_some()).collect();
    let kinds: Vec<_> = first.iter().take(2).map(|event| event.kind).collect();
    assert_eq!(kinds, [AuditKind::HostCallIntent, AuditKind::HostCallOutcome]);
    let shown = (first[1].operation.as_deref(), first[1].target.as_deref(), first[1].decision);
    assert_eq!(shown, (Some("put"), Some("a/b"), Some(Decision::Permit)));
    assert!(first[1].bytes >= Some(11) && first[1].arguments_commitment.is_some(), "{:?}", first[1]);
    assert!(!format!("{trail:?}").contains("canary-text"), "contents are hashed");
}

/// At L1 the kernel lets the server keep what functions store, and reach the ports of servers.
#[tokio::test]
async fn stores_are_reached_from_behind_the_wall() {
    let (redis, s3) = (Redis::start(), S3::start());
    let place = Place::make(rustix::process::getuid().is_root().then_some(NOBODY)).await;
    let probe = airlock_tests::guests::built("store-probe");
    let calls =
        [set("k", &json!(7)), get("k"), put_object("a/b", "seven"), json!({ "to": "blob", "op": "list" }).to_string()];
    let embedded = "[resources.cache.dev]\nengine = \"embedded\"\noperations = [\"read\", \"write\"]\n";
    let directory =
        "[resources.files.dev]\nengine = \"directory\"\npath = \"files\"\noperations = [\"read\", \"write\"]\n";
    for is_remote in [false, true] {
        if is_remote {
            place.configure(embedded, &format!("[resources.cache.dev]\n{}", redis.binding("host = \"localhost\"")));
            place.configure(directory, &format!("[resources.files.dev]\n{}", s3.binding("")));
        }
        let served = place.serve().await;
        served.deploy(&probe.0, probe.1.clone()).await.expect("deployed");
        let mut answers = Vec::new();
        for call in &calls {
            answers.push(output(&served.invoke("store-probe", call).await.expect("answers")));
        }
        assert_eq!(answers[1], json!({ "value": 7 }), "{answers:?}");
        assert_eq!(answers[3]["entries"], json!([{ "key": "a/b", "size": 5 }]), "{answers:?}");
    }
}

#[tokio::test]
async fn a_listing_of_the_configuration_shows_no_secret_of_a_store() {
    let dir = tempfile::tempdir().expect("a directory");
    let stores = format!(
        "[resources.lock]\nkind = \"kv\"\n[resources.lock.desk]\nengine = \"redis\"\nhost = \"redis.example\"\n\
         operations = [\"read\"]\nlogin = {{ user = \"app\", password = \"{REDIS_SECRET}\" }}\n\
         [resources.docs]\nkind = \"blob\"\n[resources.docs.desk]\nengine = \"s3\"\n\
         base_url = \"https://s3.example.com\"\nbucket = \"b\"\noperations = [\"read\"]\n\
         credential = {{ access_key_id = \"AKIA\", secret = \"{S3_SECRET}\" }}\n"
    );
    let config = |development: bool| {
        let harness = include_str!("../../harness/airlock.toml").replace("{{crm}}", "127.0.0.1:9");
        format!("{harness}\n[environments.desk]\ndevelopment = {development}\n{stores}")
    };
    let key = airlock_access::SigningKey::generate(airlock_access::Algorithm::EdDsa, "test").expect("a key");
    std::fs::write(dir.path().join("keys.json"), airlock_access::public_jwks(&[&key])).expect("written");
    std::fs::write(dir.path().join("crm-token"), "a-token-of-the-test").expect("written");
    let check = |development: bool| {
        std::fs::write(dir.path().join("airlock.toml"), config(development)).expect("written");
        let mut command = std::process::Command::new(airlock_tests::airlock_binary());
        command.args(["config", "check", "--explain", "--config"]).arg(dir.path().join("airlock.toml"));
        let listed = command.output().expect("airlock runs");
        (listed.status.success(), String::from_utf8_lossy(&[listed.stdout, listed.stderr].concat()).into_owned())
    };
    let (is_valid, text) = check(true);
    assert!(is_valid && text.contains("resources.lock.desk.login.password"), "{text}");
    assert!(text.contains("resources.docs.desk.bucket"), "{text}");
    assert!(!text.contains(REDIS_SECRET) && !text.contains(S3_SECRET), "{text}");
    let (is_valid, text) = check(false);
    assert!(!is_valid && text.contains("configuration itself") && !text.contains("canary"), "{text}");
}
