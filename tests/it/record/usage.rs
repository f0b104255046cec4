//! Usage: what reports say is what the trail says, to whom it may be said.

use std::{collections::BTreeMap, path::PathBuf};

use airlock_proto::v1::{UnusedGrantsRequest, UsageFilter, UsageReportRequest, UsageReportResponse};
use airlock_tests::{
    Harness, Options,
    command::{airlock_command, outcome},
    guests::WatGuest,
    http_post, reason,
    tokens::TokenSpec,
    with_token,
};
use rusqlite::Connection;
use serde_json::{Value, json};

/// Calls of several tenants, apps and people that end in several ways, host calls that are made and denied, and refusals.
async fn busy() -> Harness {
    busy_with(Options::default()).await
}

async fn busy_with(options: Options) -> Harness {
    let harness = Harness::start_with(options).await;
    harness.deploy_built("sql-probe").await;
    harness.deploy_wat("one", &WatGuest::returning("1"), "").await;
    harness.deploy_wat("spin", &WatGuest::new("(loop $again (br $again)) (i32.const 0)"), "fuel = 1_000_000\n").await;
    harness.deploy_wat("trap", &WatGuest::new("unreachable"), "").await;
    harness
        .deploy_to("prod", "name = \"one\"\nlanguage = \"component\"\n", WatGuest::returning("1").component())
        .await
        .expect("deployed");
    let everybody =
        [("acme", "desk", "ada"), ("acme", "desk", "bob"), ("acme", "shop", "ada"), ("globex", "desk", "eve")];
    for (number, (tenant, app, subject)) in everybody.into_iter().enumerate() {
        let who = TokenSpec::everything().tenant(tenant).app(app).subject(subject);
        for _ in 0..=number {
            harness.invoke_as(&who, "one", "null").await.expect("it runs");
            harness.probe(&who, &query("SELECT id FROM orders ORDER BY id LIMIT 2")).await;
        }
        harness.invoke_as(&who, "spin", "null").await.expect_err("no fuel");
        harness.invoke_as(&who, "trap", "null").await.expect_err("a trap");
        harness.invoke_as(&who.clone().environment("prod"), "one", "null").await.expect("it runs");
        // Denied inside of the call, and before it.
        let only = TokenSpec::only("sql-probe", &["other-db:read"]).tenant(tenant).app(app).subject(subject);
        harness.probe(&only, &query("SELECT 1")).await;
        harness.invoke_as(&only, "one", "null").await.expect_err("not granted");
        harness.invoke_as(&who.age_s(9_000), "one", "null").await.expect_err("expired");
    }
    harness
}

fn query(statement: &str) -> String {
    json!({ "op": "query", "statement": statement }).to_string()
}

fn state(harness: &Harness) -> PathBuf {
    harness.dir().join("state")
}

/// The status, standard output and standard error of `airlock` on the state directory.
fn airlock(harness: &Harness, arguments: &[&str]) -> (Option<i32>, String, String) {
    let mut command = airlock_command(arguments);
    command.arg("--state").arg(state(harness));
    outcome(command)
}

fn airlock_json(harness: &Harness, arguments: &[&str]) -> Value {
    let (status, out, errors) = airlock(harness, &[arguments, &["--json"]].concat());
    assert_eq!(status, Some(0), "{errors}");
    serde_json::from_str(&out).unwrap_or_else(|why| panic!("{why}: {out}"))
}

/// What the test counts by itself, from what `audit list` prints.
#[derive(Debug, Default, PartialEq)]
struct Counted {
    outcomes: BTreeMap<String, u64>,
    refusals: BTreeMap<String, u64>,
    /// Of each call: wall time, fuel, memory, host calls, rows.
    values: [Vec<u64>; 5],
    host: BTreeMap<String, u64>,
    denials: BTreeMap<String, u64>,
    host_rows: u64,
}

const MEASURES: [(&str, &str); 5] = [
    ("wall_us", "wall_us"),
    ("fuel", "fuel"),
    ("memory_bytes", "memory_bytes"),
    ("host_calls", "host_calls"),
    ("result_rows", "result_rows"),
];

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

/// By tenant, environment, app, function, subject and resource.
fn recounted(records: &Value) -> BTreeMap<Vec<String>, Counted> {
    let mut counted: BTreeMap<_, Counted> = BTreeMap::new();
    for record in records.as_array().expect("records") {
        let kind = text(&record["kind"]);
        let who = &record["principal"];
        let (mut environment, mut function, mut resource) =
            (text(&record["environment"]), text(&record["function"]), String::new());
        match kind.as_str() {
            "invocation_finished" | "invocation_abandoned" => {}
            "invocation_refused" if who.is_null() => (environment, function) = (String::new(), String::new()),
            "invocation_refused" => {}
            "host_call_outcome" => resource = text(&record["resource"]),
            _ => continue,
        }
        let [tenant, app, subject] = ["tenant", "app", "subject"].map(|part| text(&who[part]));
        let one = counted.entry(vec![tenant, environment, app, function, subject, resource]).or_default();
        let reasons = match (kind.as_str(), record["decision"].as_str()) {
            ("invocation_refused", _) => &mut one.refusals,
            ("host_call_outcome", Some("deny")) => &mut one.denials,
            ("host_call_outcome", _) => &mut one.host,
            _ => &mut one.outcomes,
        };
        *reasons.entry(text(&record["reason"])).or_default() += 1;
        if kind == "host_call_outcome" {
            one.host_rows += record["rows"].as_u64().unwrap_or(0);
        }
        if let Some(usage) = record.get("usage") {
            for ((name, _), values) in MEASURES.iter().zip(&mut one.values) {
                values.push(usage[name].as_u64().expect("a number"));
            }
        }
    }
    counted
}

fn reasons(value: &Value) -> BTreeMap<String, u64> {
    serde_json::from_value(value.clone()).expect("reasons")
}

const EVERYTHING: [&str; 4] = ["usage", "--by", "tenant,environment,app,function,subject,resource", "--top=1000"];

#[tokio::test]
async fn usage_equals_what_the_trail_says_for_every_group() {
    let harness = busy().await;
    let mut counted = recounted(&airlock_json(&harness, &["audit", "list", "--limit", "100000"]));
    let report = airlock_json(&harness, &EVERYTHING);
    for line in report["report"]["lines"].as_array().expect("lines") {
        let group: Vec<String> = serde_json::from_value(line["group"].clone()).expect("a group");
        let mut own = counted.remove(&group).unwrap_or_else(|| panic!("{group:?} is in no record"));
        let used = &line["used"];
        assert_eq!(reasons(&used["outcomes"]), own.outcomes, "{group:?}");
        assert_eq!(reasons(&used["refusals"]), own.refusals, "{group:?}");
        assert_eq!(reasons(&used["resources"]["outcomes"]), own.host, "{group:?}");
        assert_eq!(reasons(&used["resources"]["denials"]), own.denials, "{group:?}");
        assert_eq!(used["resources"]["rows"], own.host_rows, "{group:?}");
        for ((_, name), values) in MEASURES.iter().zip(&mut own.values) {
            values.sort_unstable();
            let spread = &used[name];
            assert_eq!(spread["count"], values.len(), "{name} of {group:?}");
            assert_eq!(spread["sum"], values.iter().sum::<u64>(), "{name} of {group:?}");
            assert_eq!(spread["max"], values.last().copied().unwrap_or(0), "{name} of {group:?}");
            if let Some(rank) = (values.len() * 99).div_ceil(100).checked_sub(1) {
                let error = spread["p99"].as_u64().expect("a number").abs_diff(values[rank]) as f64;
                assert!(error * 128.0 <= values[rank] as f64, "{name} of {group:?}: {spread} for {}", values[rank]);
            }
        }
    }
    assert_eq!(counted, BTreeMap::new(), "in no line");
    let total = &report["report"]["total"];
    let wanted = json!({ "ok": 28, "fuel_exhausted": 4, "guest_trap": 4 });
    assert_eq!((&total["outcomes"], &total["errors"]), (&wanted, &json!(8)));
    assert_eq!(total["refusals"], json!({ "not_granted": 4, "token_invalid": 4 }));
    assert_eq!(total["resources"]["rows"], 20);
}

async fn asked(
    harness: &Harness,
    spec: &TokenSpec,
    request: UsageReportRequest,
) -> Result<UsageReportResponse, tonic::Status> {
    let request = UsageReportRequest { environment: spec.environment_name().to_owned(), ..request };
    let token = harness.token(spec);
    Ok(harness.usage_service().report(with_token(request, &token)).await?.into_inner())
}

fn by(dimensions: &[&str]) -> UsageReportRequest {
    UsageReportRequest {
        group_by: dimensions.iter().map(|one| (*one).to_owned()).collect(),
        ..UsageReportRequest::default()
    }
}

fn told(report: &UsageReportResponse) -> BTreeMap<Vec<String>, u64> {
    let used = |line: &airlock_proto::v1::UsageReportLine| line.used.as_ref().map_or(0, |used| used.calls);
    report.lines.iter().map(|line| (line.group.clone(), used(line))).collect()
}

#[tokio::test]
async fn whoever_asks_sees_the_own_tenant_and_environment_only() {
    let harness = busy().await;
    let auditor = TokenSpec::control_with(&["audit:read"]);
    let apps = asked(&harness, &auditor, by(&["tenant", "environment", "app"])).await.expect("told");
    let of = |tenant: &str, environment: &str, app: &str| [tenant, environment, app].map(str::to_owned).to_vec();
    let wanted = [(of("acme", "dev", "desk"), 12), (of("acme", "dev", "shop"), 9)];
    assert_eq!(told(&apps), wanted.into());
    let prod = asked(&harness, &auditor.clone().environment("prod"), by(&["tenant", "environment", "app"]))
        .await
        .expect("told");
    assert_eq!(told(&prod), [(of("acme", "prod", "desk"), 2), (of("acme", "prod", "shop"), 1)].into());
    let globex = asked(&harness, &auditor.clone().tenant("globex"), by(&["app", "subject"])).await.expect("told");
    assert_eq!(told(&globex), [(vec!["desk".to_owned(), "eve".to_owned()], 11)].into());
    for (dimension, value) in [("tenant", "globex"), ("environment", "prod")] {
        let filter = UsageFilter { dimension: dimension.to_owned(), values: vec![value.to_owned()] };
        let other = asked(&harness, &auditor, UsageReportRequest { filters: vec![filter], ..by(&["app"]) })
            .await
            .expect("told");
        assert_eq!((other.lines.len(), other.total.expect("a total").calls), (0, 0), "of another {dimension}");
    }
    let refused = asked(&harness, &TokenSpec::everything(), by(&["app"])).await.expect_err("no right to");
    assert_eq!(reason(&refused), "not_granted");
    let token = harness.token(&TokenSpec::everything());
    let request = UnusedGrantsRequest { environment: "dev".to_owned(), days: 0 };
    let refused = harness.usage_service().unused_grants(with_token(request, &token)).await.expect_err("no right to");
    assert_eq!(reason(&refused), "not_granted");
}

#[tokio::test]
async fn the_same_is_told_as_grpc_as_json_and_by_the_command_line() {
    let harness = busy().await;
    let auditor = TokenSpec::control_with(&["audit:read"]);
    let request = UsageReportRequest { top: 2, sort: "errors".to_owned(), step: "day".to_owned(), ..by(&["function"]) };
    let served = asked(&harness, &auditor, request).await.expect("told");
    assert_eq!((served.groups, served.quantile_parts), (4, 128));
    let names: Vec<_> = served.lines.iter().map(|line| if line.other { "other" } else { &line.group[0] }).collect();
    assert_eq!(names, ["spin", "trap", "other"]);
    assert_eq!(served.total.as_ref().expect("a total").calls, 21);

    let headers = [("authorization", format!("Bearer {}", harness.token(&auditor)))];
    let body = r#"{"environment": "dev", "groupBy": ["function"], "top": 2, "sort": "errors", "step": "day"}"#;
    let path = "/airlock.v1.UsageService/Report";
    let (status, answer) = http_post(harness.server().control_addr(), path, &headers, body).await;
    let body = answer.find('{').and_then(|begin| answer.get(begin..=answer.rfind('}')?)).expect("a body");
    let answer: Value = serde_json::from_str(body).expect("JSON");
    assert_eq!(
        (status, &answer["total"]["calls"], &answer["lines"][0]["group"][0]),
        (200, &"21".into(), &"spin".into())
    );
    let colour = r#"{"environment": "dev", "groupBy": ["colour"]}"#;
    let (status, answer) = http_post(harness.server().control_addr(), path, &headers, colour).await;
    assert!(status == 400 && answer.contains("subject"), "it says what there is: {answer}");

    let asked = ["usage", "--by", "function", "--top=2", "--sort=errors", "--step=day", "--json"];
    let offline = airlock_json(&harness, &[&asked[..6], &["--tenant=acme", "--environment=dev"]].concat());
    let mut command = airlock_command(&asked);
    command.args(["--server", &format!("http://{}", harness.server().control_addr())]);
    command.args(["--token", &harness.token(&auditor)]);
    let (status, online, errors) = outcome(command);
    assert_eq!(status, Some(0), "{errors}");
    let online: Value = serde_json::from_str(&online).expect("JSON");
    assert_eq!(online["report"]["lines"], offline["report"]["lines"]);
    assert_eq!(offline["report"]["total"]["calls"], 21);
}

#[tokio::test]
async fn usage_that_somebody_changed_is_found_and_told_by_its_exit() {
    let mut harness = busy().await;
    let (status, out, errors) = airlock(&harness, &["usage", "verify"]);
    assert_eq!(status, Some(0), "beside the running server: {out}{errors}");
    harness.drain(std::time::Duration::from_secs(5)).await;
    let report = airlock_json(&harness, &["usage", "verify"]);
    assert_eq!(report["differences"], 0);
    assert!(report["rows"].as_u64().expect("a number") > 10, "{report}");
    let trail = Connection::open(state(&harness).join("airlock.db")).expect("opened");
    let forged = "UPDATE usage SET measures = (SELECT measures FROM usage WHERE key = 2) WHERE key = 1";
    assert_eq!(trail.execute(forged, []).expect("forged"), 1);
    let (status, out, _) = airlock(&harness, &["usage", "verify"]);
    assert_eq!(status, Some(2));
    assert!(out.contains("differences  1") && out.contains("come to something else"), "{out}");
    drop(trail);
    let (status, _, errors) = airlock(&harness, &["usage", "verify", "--repair"]);
    assert!(status == Some(0) && errors.contains("0 still differ"), "{errors}");
    assert_eq!(airlock_json(&harness, &["usage", "verify"])["differences"], 0);
}

#[tokio::test]
async fn people_get_tables_charts_and_values_for_spreadsheets() {
    let harness = busy().await;
    let (_, out, errors) = airlock(&harness, &["usage", "--by", "app,principal", "--environment", "dev"]);
    let ada = out.lines().find(|line| line.starts_with("shop")).unwrap_or_else(|| panic!("{out}{errors}"));
    assert!(ada.contains("ada") && ada.contains('#') && ada.contains("22.2 %"), "{ada}");
    assert!(out.contains("in UTC; quantiles off by at most 1/128"), "{out}");
    assert!(out.is_ascii(), "no terminal, no blocks: {out}");
    let (_, out, _) = airlock(&harness, &["usage", "--by", "resource"]);
    assert!(out.contains("orders-db") && out.contains("DENIED"), "{out}");
    let (_, out, _) = airlock(&harness, &["usage", "--by", "tenant", "--csv"]);
    let lines: Vec<_> = out.lines().collect();
    assert!(lines[0].starts_with("begin,tenant,other,calls,errors,outcomes,") && lines.len() == 4, "{out}");
    assert!(lines[1].starts_with(",acme,false,24,6,fuel_exhausted=3;guest_trap=3;ok=18,"), "{out}");
    let (_, out, _) = airlock(&harness, &["usage", "adoption", "--environment", "dev"]);
    let desk =
        out.lines().find(|line| line.starts_with("desk") && line.contains("acme")).unwrap_or_else(|| panic!("{out}"));
    assert!(desk.contains("ada (") && desk.contains("bob (") && !desk.contains("eve"), "{desk}");
    for (wrong, says) in [
        (["--by", "colour"], "tenant, environment, app"),
        (["--since", "soon"], "2026-11-23"),
        (["--sort", "colour"], "calls, errors"),
    ] {
        let (status, _, errors) = airlock(&harness, &["usage", wrong[0], wrong[1]]);
        assert!(status == Some(1) && errors.contains(says), "{wrong:?}: {errors}");
    }
}

#[tokio::test]
async fn what_is_live_and_not_called_is_listed_and_what_is_called_is_not() {
    let harness = busy().await;
    harness.deploy_wat("forgotten", &WatGuest::returning("1"), "").await;
    harness.invoke_as(&TokenSpec::only("one", &[]).app("turned-away"), "forgotten", "null").await.expect_err("refused");
    let unused = airlock_json(&harness, &["usage", "unused"]);
    let names: Vec<_> = unused["functions"].as_array().expect("functions").iter().map(|one| &one["name"]).collect();
    assert_eq!(names, ["forgotten"], "a refusal is no call");
    assert_eq!(unused["functions"][0]["last_called_unix_ms"], Value::Null);
    let mut command = airlock_command(&["usage", "unused", "--json"]);
    command.args(["--server", &format!("http://{}", harness.server().control_addr())]);
    command.args(["--token", &harness.token(&TokenSpec::control_with(&["audit:read", "function:read"]))]);
    let (status, out, errors) = outcome(command);
    assert_eq!(status, Some(0), "{errors}");
    let online: Value = serde_json::from_str(&out).expect("JSON");
    assert_eq!(online["functions"][0]["name"], "forgotten");
}

#[tokio::test]
async fn a_server_says_which_operations_of_its_bindings_nobody_used() {
    let harness = busy().await;
    let mut command = airlock_command(&["usage", "unused-grants", "--json", "--days=1"]);
    command.args(["--server", &format!("http://{}", harness.server().control_addr())]);
    command.args(["--token", &harness.token(&TokenSpec::control_with(&["audit:read"]))]);
    let (status, out, errors) = outcome(command);
    assert_eq!(status, Some(0), "{errors}");
    let found: Value = serde_json::from_str(&out).expect("JSON");
    let keys: Vec<_> = found["unused"]
        .as_array()
        .expect("grants")
        .iter()
        .map(|one| (text(&one["key"]), text(&one["value"])))
        .collect();
    let has = |key: &str, value: &str| keys.contains(&(key.to_owned(), value.to_owned()));
    assert!(has("resources.orders-db.dev.operations", "write"), "{keys:?}");
    assert!(!has("resources.orders-db.dev.operations", "read"), "it was used: {keys:?}");
    assert!(keys.iter().all(|(key, _)| !key.contains(".prod.")), "of the token's environment only: {keys:?}");
    assert_eq!(found["reaches_back"], false, "the trail is young");
}

#[tokio::test]
async fn what_comes_near_its_limit_is_told_with_the_place_that_sets_it() {
    let more_config = "[limits.tenant.acme]\ncalls_per_day = 30\n".to_owned();
    let harness = busy_with(Options { more_config }).await;
    let mut command = airlock_command(&["usage", "headroom", "--json", "--config"]);
    command.arg(harness.dir().join("airlock.toml"));
    let (status, out, errors) = outcome(command);
    assert_eq!(status, Some(1), "something is near: {out}{errors}");
    let rows: Value = serde_json::from_str(&out).expect("JSON");
    let rows = rows.as_array().expect("rows");
    let row = |limit: &str, function: &str, tenant: &str| {
        let is_it =
            |row: &&Value| row["limit"] == limit && text(&row["function"]) == function && row["tenant"] == tenant;
        rows.iter().find(is_it).unwrap_or_else(|| panic!("{limit} of {function}: {out}"))
    };
    let spin = row("fuel", "spin", "globex");
    assert_eq!(
        (&spin["configured"], &spin["source"], &spin["warns"]),
        (&json!(1_000_000), &json!("function"), &json!(true))
    );
    assert!(
        spin["percent"].as_u64().expect("a number") >= 99 && text(&spin["place"]).contains("function.toml"),
        "{spin}"
    );
    let one = row("fuel", "one", "acme");
    assert_eq!((&one["source"], &one["warns"]), (&json!("operator"), &json!(false)), "a limit far away");
    let day = row("calls_per_day", "", "acme");
    assert_eq!((&day["highest"], &day["percent"], &day["warns"]), (&json!(24), &json!(80), &json!(true)));
    assert!(text(&day["place"]).contains("airlock.toml:"), "{day}");
    assert!(errors.contains("were reached to 70 % or more"), "{errors}");
}
