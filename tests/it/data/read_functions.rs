//! Functions of the database's own that the operator lists as reads, on a real PostgreSQL.

use airlock_tests::{Harness, Options, postgres::Postgres, reason, tokens::TokenSpec};
use serde_json::{Value, json};

const SPENT: &str = "select spent($1) as spent";

/// A database with a function that reads, in two schemas.
async fn stage(list: &str) -> (Postgres, Harness) {
    let server = Postgres::start();
    server.sql(
        "set role shop_owner;
         create function spent(who text) returns numeric language sql stable as
             'select sum(total) from orders where customer = who';
         create schema stats authorization shop_owner; grant usage on schema stats to public;
         create function stats.spent(who text) returns numeric language sql stable as 'select -1.0'",
    );
    let harness = Harness::start_with(Options { more_config: server.environment(list) }).await;
    let (manifest, component) = airlock_tests::guests::built("sql-probe");
    harness.deploy_to("pg", &manifest, component).await.expect("deployed");
    (server, harness)
}

async fn query(harness: &Harness, statement: &str) -> Value {
    let reader = TokenSpec::only("sql-probe", &["orders-db:read"]).environment("pg");
    let params = if statement.contains('$') { json!(["ada"]) } else { json!([]) };
    let call = json!({ "op": "query", "statement": statement, "params": params }).to_string();
    harness.probe(&reader, &call).await
}

#[tokio::test]
async fn a_listed_function_is_a_read_and_another_is_not() {
    let (server, harness) = stage("read_functions = [\"spent\", \"add_order\"]").await;
    assert_eq!(query(&harness, SPENT).await["rows"], json!([["31.75"]]));
    for other in
        ["select stats.spent($1)", "select public.spent($1)", "select \"Spent\"($1)", "select nextval('ticket')"]
    {
        let answer = query(&harness, other).await;
        assert_eq!(answer["error"]["reason"], "not_granted", "{other}: {answer}");
    }
    let lie = query(&harness, "select add_order($1)").await;
    assert!(lie["error"].is_object(), "the database does not take the operator's word: {lie}");
    assert_eq!(server.sql("select count(*) from orders"), "4");
}

#[tokio::test]
async fn a_reload_changes_what_counts_as_a_read() {
    let (_server, harness) = stage("").await;
    assert_eq!(query(&harness, SPENT).await["error"]["reason"], "not_granted");
    let (without, list) = (harness.config(), "[resources.orders-db.pg]\nread_functions = [\"spent\"]");
    harness.set_config(&without.replace("[resources.orders-db.pg]", list));
    let changes = harness.reload().await.expect("reloaded");
    assert!(changes.iter().any(|change| change.contains("resources.orders-db.pg.read_functions")), "{changes:?}");
    assert_eq!(query(&harness, SPENT).await["rows"], json!([["31.75"]]), "what was remembered does not count");
    for wrong in ["nextval", "spent()", "\\\"spent\\\"", "a.b.c", ""] {
        harness.set_config(&without.replace("[resources.orders-db.pg]", &list.replace("spent", wrong)));
        let refused = harness.reload().await.expect_err(wrong);
        assert!(reason(&refused) == "config_invalid" && refused.message().contains("read_functions"), "{refused:?}");
        assert_eq!(query(&harness, SPENT).await["rows"], json!([["31.75"]]), "the old list stays");
    }
    let check = || {
        let mut command = std::process::Command::new(airlock_tests::airlock_binary());
        command.args(["config", "check", "--config"]).arg(harness.dir().join("airlock.toml"));
        let said = command.output().expect("airlock runs");
        (said.status.success(), String::from_utf8_lossy(&said.stderr).into_owned())
    };
    harness.set_config(&without.replace("[resources.orders-db.pg]", &list.replace("spent", "nextval")));
    let (is_valid, said) = check();
    assert!(!is_valid && said.contains("resources.orders-db.pg.read_functions") && said.contains("nextval"), "{said}");
    harness.set_config(&without);
    assert!(check().0);
    harness.reload().await.expect("reloaded");
    assert_eq!(query(&harness, SPENT).await["error"]["reason"], "not_granted", "nor does it the other way");
}
