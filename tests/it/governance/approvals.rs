//! What a person has to approve happens once it is approved, and as it was approved.

mod cli;
mod preview;
mod rows;
mod statements;
mod tamper;
mod terms;

use airlock_tests::{Harness, Options, approvals::approver, tokens::TokenSpec};
use serde_json::{Value, json};

/// `each` and `other` want every execution approved, `text` every statement; all are the same database.
const STAGES: &str = r#"
[environments.each]
writes = "approve-each"
[environments.each.approvals]
repeats_max = 3
repeat_for_s = 60

[environments.other]
writes = "approve-each"

[environments.text]
writes = "approve-statement"

[resources.orders-db.each]
engine = "sqlite"
path = "orders.db"
operations = ["read", "write", "ddl"]
[resources.orders-db.other]
engine = "sqlite"
path = "orders.db"
operations = ["read", "write"]
[resources.orders-db.text]
engine = "sqlite"
path = "orders.db"
operations = ["read", "write", "ddl"]
"#;

/// The API that the probe names, where nobody calls it.
fn crm(environment: &str) -> String {
    format!(
        "[resources.crm.{environment}]\nengine = \"http\"\nbase_url = \"https://crm.example\"\n\
         operations = [\"GET\", \"POST\"]\n"
    )
}

/// Everything deployed by `ada@example.com`, who also calls.
async fn stage() -> Harness {
    let environments = ["each", "other", "text"];
    let more_config = STAGES.to_owned() + &environments.map(crm).concat();
    let harness = Harness::start_with(Options { more_config }).await;
    let (manifest, component) = airlock_tests::guests::built("sql-probe");
    let manifest = manifest.replace(r#"operations = ["read", "write"]"#, r#"operations = ["read", "write", "ddl"]"#);
    for environment in environments {
        harness.deploy_to(environment, &manifest, component.clone()).await.expect("deployed");
    }
    harness
}

fn caller(environment: &str) -> TokenSpec {
    TokenSpec::everything().environment(environment)
}

fn execute(statement: &str, params: &Value) -> String {
    json!({ "op": "execute", "statement": statement, "params": params }).to_string()
}

/// The rows of the sample table, as the database has them.
async fn rows(harness: &Harness) -> Value {
    let all = json!({ "op": "query", "statement": "select id, customer, total, status from orders order by id" });
    harness.probe(&caller("each"), &all.to_string()).await["rows"].clone()
}

fn reason(answer: &Value) -> &str {
    answer["error"]["reason"].as_str().unwrap_or_else(|| panic!("no denial: {answer}"))
}

/// Has a call denied for want of an approval, and gives the request that it made.
async fn asked(harness: &Harness, spec: &TokenSpec, call: &str) -> String {
    let answer = harness.probe(spec, call).await;
    assert_eq!(reason(&answer), "approval_pending", "{answer}");
    airlock_tests::approvals::approval_in(&answer)
}

/// Has a call denied and then approved.
async fn approved(harness: &Harness, environment: &str, call: &str) -> String {
    let id = asked(harness, &caller(environment), call).await;
    harness.approve(&approver(environment), &id).await.expect("approved");
    id
}

async fn state(harness: &Harness, environment: &str, id: &str) -> String {
    let found = harness.approval(&approver(environment), id).await.expect("found");
    found.approval.expect("an approval").state
}
