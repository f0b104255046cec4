//! The statement manifest: where it comes from, and that nothing else runs where the environment is strict.

use std::collections::BTreeMap;

use airlock_analysis::{
    source::{Report, SourceStatement},
    statements::listed_in,
};
use airlock_proto::v1::{CheckRequest, DeployRequest, SourceFile};
use airlock_tests::{Harness, guests, output, reason, tokens::TokenSpec, with_token};
use serde_json::{Value, json};
use tonic::Status;

use super::stages;

/// A strict environment that takes uploads.
const STRICT: &str = r#"
[environments.strict]
writes = "allow"
strict = true

[resources.orders-db.strict]
engine = "sqlite"
path = "orders.db"
operations = ["read", "write"]

[resources.crm.strict]
engine = "http"
base_url = "http://CRM"
allow_plaintext = true
allow_private = ["127.0.0.1/32"]
operations = ["GET", "POST"]
credential = { kind = "bearer", value = { file = "crm-token" } }
"#;

async fn strict() -> Harness {
    let harness = stages().await;
    let more = STRICT.replace("CRM", &harness.crm.address.to_string());
    harness.set_config(&format!("{}\n{more}", harness.config()));
    harness.reload().await.expect("read again");
    harness
}

fn statement(resource: &str, text: &str) -> SourceStatement {
    SourceStatement {
        text: text.to_owned(),
        kind: "sql".to_owned(),
        varies: false,
        class: None,
        dialect: None,
        resource: resource.to_owned(),
        file: String::new(),
        line: 1,
        column: 1,
        end_line: 1,
        end_column: 1,
    }
}

/// The probe, which sends what its input says, with a list of what it may say.
pub(super) fn listing(texts: &[&str]) -> (String, Vec<u8>) {
    let (manifest, component) = guests::built("sql-probe");
    let statements = texts.iter().map(|text| statement("orders_db", text)).collect();
    (manifest, listed_in(component, &Report { findings: Vec::new(), statements }))
}

async fn deploy(
    harness: &Harness,
    (manifest, component): (String, Vec<u8>),
    sources: &[(&str, &str)],
) -> Result<Vec<String>, Status> {
    let token = harness.token(&TokenSpec::control().environment("strict"));
    let file = |(path, text): &(&str, &str)| SourceFile { path: (*path).to_owned(), text: (*text).to_owned() };
    let request = DeployRequest {
        environment: "strict".to_owned(),
        manifest_toml: manifest,
        component,
        sources: sources.iter().map(file).collect(),
        ..DeployRequest::default()
    };
    let deployed = harness.functions().deploy(with_token(request, &token)).await?.into_inner();
    Ok(deployed.revision.expect("a revision").statements.into_iter().map(|one| one.text).collect())
}

async fn probe(harness: &Harness, environment: &str, op: &str, statement: &str, params: Value) -> Value {
    let spec = TokenSpec::everything().environment(environment);
    harness.probe(&spec, &json!({"op": op, "statement": statement, "params": params}).to_string()).await
}

fn why(answer: &Value) -> &str {
    answer["error"]["reason"].as_str().unwrap_or("none")
}

#[tokio::test]
async fn a_strict_environment_runs_what_the_component_lists_and_nothing_else() {
    let harness = strict().await;
    let listed = ["select id from orders where customer = $1", "delete from orders where id = $1"];
    let known = deploy(&harness, listing(&listed), &[]).await.expect("deployed");
    assert_eq!(known.len(), 2);
    let found = probe(&harness, "strict", "query", listed[0], json!(["ada"])).await;
    assert!(found["rows"].is_array(), "{found}");
    let done = probe(&harness, "strict", "execute", listed[1], json!([-1])).await;
    assert_eq!(done["affected"], 0, "{done}");
    for other in [
        "select id from orders where customer = 'x' or 1 = 1",
        "select id from orders where customer = $1 ",
        " select id from orders where customer = $1",
        "SELECT id from orders where customer = $1",
        "select id from orders where customer = $1 -- $1",
        "select id from orders where customer = $1;",
        "select id from orders",
        "select 1",
    ] {
        let refused = probe(&harness, "strict", "query", other, json!([])).await;
        assert_eq!(why(&refused), "statement_unlisted", "{other}: {refused}");
        assert!(refused["error"]["rule"].as_str().is_some_and(|rule| rule.contains("airlock.toml:")), "{refused}");
    }
    let refused = probe(&harness, "strict", "execute", "delete from orders where id > $1", json!([0])).await;
    assert_eq!(why(&refused), "statement_unlisted");
    // The twin: where it is not strict, the same text runs.
    harness.deploy_built("sql-probe").await;
    let found = probe(&harness, "dev", "query", "select id from orders", json!([])).await;
    assert!(found["rows"].is_array(), "{found}");
}

#[tokio::test]
async fn a_listed_text_is_still_judged_by_class_and_grant() {
    let harness = strict().await;
    let listed = ["drop table orders", "select 1; select 2", "attach database 'x' as y"];
    let refused = deploy(&harness, listing(&["select 1; select 2"]), &[]).await.expect_err("not one statement");
    assert_eq!(reason(&refused), "component_rejected");
    deploy(&harness, listing(&[listed[0]]), &[]).await.expect_err("a forbidden class");
    deploy(&harness, listing(&[listed[2]]), &[]).await.expect_err("an admin class");
    let write = "delete from orders where id = $1";
    deploy(&harness, listing(&[write]), &[]).await.expect("deployed");
    let spec = TokenSpec::only("sql-probe", &["orders-db:read"]).environment("strict");
    let call = json!({"op": "execute", "statement": write, "params": [1]}).to_string();
    assert_eq!(why(&harness.probe(&spec, &call).await), "not_granted");
}

#[tokio::test]
async fn a_component_that_tells_nothing_is_refused_unless_it_has_nothing_to_say() {
    let harness = strict().await;
    let refused = deploy(&harness, guests::built("sql-probe"), &[]).await.expect_err("unknown statements");
    assert_eq!(reason(&refused), "component_rejected");
    assert!(refused.message().contains("which statements"), "{refused}");
    let number =
        ("name = \"count\"\nlanguage = \"component\"\n".to_owned(), guests::WatGuest::returning("1").component());
    deploy(&harness, number, &[]).await.expect("no resources, nothing to say");
    deploy(&harness, listing(&[]), &[]).await.expect("an empty list is a list");
    let refused = probe(&harness, "strict", "query", "select 1", json!([])).await;
    assert_eq!(why(&refused), "statement_unlisted");
}

/// The sample function is TypeScript: its text goes through oxc here and through QuickJS there, and has to be the same.
#[tokio::test]
async fn what_analysis_reads_in_the_sources_is_what_the_function_sends() {
    let harness = strict().await;
    let project = guests::root().join("examples/order-summary");
    let source = std::fs::read_to_string(project.join("src/main.ts")).expect("readable");
    let (manifest, component) = guests::built("order-summary");
    let known =
        deploy(&harness, (manifest.clone(), component.clone()), &[("src/main.ts", &source)]).await.expect("deployed");
    assert_eq!(known, ["select id, total from orders where customer = $1 order by id"]);
    let spec = TokenSpec::everything().environment("strict");
    let by_sources = harness.invoke_as(&spec, "order-summary", r#"{"customer":"ada"}"#).await.expect("an answer");
    // And without sources, by the list that `airlock build` left in the component.
    assert_eq!(deploy(&harness, (manifest, component), &[]).await.expect("deployed"), known);
    let by_section = harness.invoke_as(&spec, "order-summary", r#"{"customer":"ada"}"#).await.expect("an answer");
    assert_eq!(output(&by_sources), output(&by_section));
}

const BUILT: &str = r#"
import { ordersDb } from "@airlock/resources";
export default async function handle(input: { customer: string }) {
  return await ordersDb.query(`select id from orders where customer = '${input.customer}'`);
}
"#;

#[tokio::test]
async fn sources_that_build_texts_are_refused_where_it_is_strict_and_warned_of_elsewhere() {
    let harness = strict().await;
    let (manifest, component) = guests::built("order-summary");
    let refused = deploy(&harness, (manifest.clone(), component.clone()), &[("src/main.ts", BUILT)]).await;
    let refused = refused.expect_err("not constant");
    assert_eq!(reason(&refused), "component_rejected");
    for environment in ["strict", "dev"] {
        let token = harness.token(&TokenSpec::control().environment(environment));
        let request = CheckRequest {
            environment: environment.to_owned(),
            manifest_toml: manifest.clone(),
            component: component.clone(),
            sources: vec![SourceFile { path: "src/main.ts".to_owned(), text: BUILT.to_owned() }],
            ..CheckRequest::default()
        };
        let checked = harness.functions().check(with_token(request, &token)).await.expect("checked").into_inner();
        let found: BTreeMap<_, _> = checked.findings.iter().map(|finding| (finding.rule.as_str(), finding)).collect();
        let finding = found["sql_template"];
        assert_eq!(checked.accepted, environment == "dev", "{checked:?}");
        assert!(finding.location.starts_with("src/main.ts:4:") && !finding.fix.is_empty(), "{finding:?}");
    }
}

/// Recording where nothing has to be listed, and the list that comes of it.
#[tokio::test]
async fn what_was_recorded_becomes_the_list() {
    let harness = strict().await;
    harness.deploy_built("sql-probe").await;
    let said = ["select id from orders where customer = $1", "select count(*) from orders"];
    for text in [said[0], said[1], said[0]] {
        probe(&harness, "dev", "query", text, if text == said[0] { json!(["ada"]) } else { json!([]) }).await;
    }
    let denied = probe(&harness, "dev", "query", "drop table orders", json!([])).await;
    assert_eq!(why(&denied), "statement_refused", "what is refused is no candidate");
    let file = recorded(&harness, 2).await;
    for text in said {
        assert!(file.contains(&format!("text = \"{text}\"")), "{file}");
    }
    let known = deploy(&harness, guests::built("sql-probe"), &[("statements.toml", &file)]).await.expect("deployed");
    assert_eq!(known.len(), 2);
    let found = probe(&harness, "strict", "query", said[1], json!([])).await;
    assert!(found["rows"].is_array(), "{found}");
    assert_eq!(why(&probe(&harness, "strict", "query", "select 1", json!([])).await), "statement_unlisted");
    let broken = deploy(&harness, guests::built("sql-probe"), &[("statements.toml", "[a]\ntext = 1")]).await;
    assert_eq!(reason(&broken.expect_err("not a list")), "component_rejected");
}

/// The file that `airlock bindings` writes, once that many statements are on disk.
async fn recorded(harness: &Harness, count: usize) -> String {
    let token = harness.token(&TokenSpec::control());
    let path = harness.dir().join("statements.toml");
    for _ in 0..300 {
        drop(std::fs::remove_file(&path));
        let control = format!("http://{}", harness.server().control_addr());
        let ended = tokio::process::Command::new(airlock_tests::airlock_binary())
            .args([
                "bindings",
                "--from-recording",
                "sql-probe",
                "--environment",
                "dev",
                "--server",
                &control,
                "--output",
            ])
            .arg(&path)
            .env("AIRLOCK_TOKEN", &token)
            .output()
            .await
            .expect("it runs");
        assert!(ended.status.success(), "{ended:?}");
        let text = std::fs::read_to_string(&path).expect("written");
        if text.matches("text = ").count() == count {
            return text;
        }
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    panic!("nothing was recorded");
}

#[tokio::test]
async fn a_function_that_makes_its_texts_up_fills_nothing() {
    let harness = strict().await;
    harness.deploy_built("sql-probe").await;
    let call = |from: u32| {
        let calls: Vec<_> =
            (from..from + 60).map(|n| json!({"op": "query", "statement": format!("select {n}")})).collect();
        json!({ "calls": calls }).to_string()
    };
    for batch in 0..10 {
        harness.probe(&TokenSpec::everything(), &call(batch * 60)).await;
    }
    let token = harness.token(&TokenSpec::control());
    let mut kept = 0;
    for _ in 0..300 {
        let request = airlock_proto::v1::ListCandidatesRequest {
            environment: "dev".to_owned(),
            function: "sql-probe".to_owned(),
        };
        let found = harness.functions().list_candidates(with_token(request, &token)).await.expect("listed");
        kept = found.into_inner().statements.len();
        if kept >= 500 {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    assert_eq!(kept, 500);
}

/// The SDK writes SOQL's values into the text; what is listed is its shape.
#[test]
fn one_template_of_soql_has_one_shape_whatever_its_values() {
    let shape = |text: &str| airlock_analysis::soql(text).expect("a query").listed_shape();
    let listed =
        shape("SELECT Id FROM Account WHERE Name = :p1 AND Active = :p2 AND Kind IN :p3 AND Id IN (:p4) LIMIT 5");
    for sent in [
        "SELECT Id FROM Account WHERE Name = 'O\\'Hara' AND Active = true AND Kind IN ('a') AND Id IN ('1','2','3') LIMIT 5",
        "SELECT Id FROM Account WHERE Name = null AND Active = FALSE AND Kind IN ('a','b') AND Id IN ('1') LIMIT 5",
    ] {
        assert_eq!(shape(sent), listed, "{sent}");
    }
    let other =
        shape("SELECT Id FROM Account WHERE Name = 'x' OR Active = true AND Kind IN ('a') AND Id IN ('1') LIMIT 5");
    assert_ne!(other, listed, "another query has another shape");
}
