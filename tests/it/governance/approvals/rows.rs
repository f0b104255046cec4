//! More rows than were approved are rolled back, by the database itself.

use airlock_proto::v1::ApproveRequest;
use airlock_tests::{
    Harness, Options,
    approvals::{approval_in, approver},
    mariadb::Mariadb,
    output,
    postgres::Postgres,
};
use serde_json::{Value, json};

use super::{caller, crm, reason};

/// Statements on the sample tables of all three databases: three rows, and one.
const THREE: &str = "update orders set total = 7 where customer = 'ada'";
const ONE: &str = "delete from orders where id = 1";

async fn steps(harness: &Harness, environment: &str, steps: Value) -> Value {
    let input = json!({ "steps": steps }).to_string();
    output(&harness.invoke_as(&caller(environment), "tx-probe", &input).await.expect("the probe answers"))
}

async fn totals(harness: &Harness, environment: &str) -> Value {
    let read = json!([{ "do": "query", "statement": "select id, total from orders order by id" }]);
    steps(harness, environment, read).await[0]["rows"]["rows"].clone()
}

fn capped(id: String, rows_max: u64) -> ApproveRequest {
    ApproveRequest { id, rows_max: Some(rows_max), ..ApproveRequest::default() }
}

/// By itself and inside a transaction of the guest.
async fn cap_holds(harness: &Harness, environment: &str) {
    let (manifest, component) = airlock_tests::guests::built("tx-probe");
    harness.deploy_to(environment, &manifest, component).await.expect("deployed");
    let before = totals(harness, environment).await;
    let alone = json!([{ "do": "execute", "statement": THREE }]);
    let within = json!([
        { "do": "begin" },
        { "do": "execute", "within": 0, "statement": THREE },
        { "do": "commit", "within": 0 }
    ]);
    for (calls, place) in [(alone.clone(), 0), (within, 1), (alone.clone(), 0)] {
        let asked = steps(harness, environment, calls.clone()).await;
        let id = approval_in(&asked[place]);
        harness.approve_with(&approver(environment), capped(id.clone(), 2)).await.expect("approved");
        let refused = steps(harness, environment, calls).await;
        assert_eq!(reason(&refused[place]), "approval_rows_exceeded", "{environment}: {refused}");
        let told = refused[place].to_string();
        assert!(told.contains("3 rows") && told.contains("allows 2"), "the cap is named: {told}");
        assert_eq!(totals(harness, environment).await, before, "{environment}: it was rolled back");
        let used = harness.approval(&approver(environment), &id).await.expect("found").approval.expect("an approval");
        assert_eq!((used.state.as_str(), used.outcome.as_str()), ("used", "approval_rows_exceeded"));
    }
    // The allowed twins: as many as the cap, and one that needs none.
    let id = approval_in(&steps(harness, environment, alone.clone()).await[0]);
    harness.approve_with(&approver(environment), capped(id, 3)).await.expect("approved");
    assert_eq!(steps(harness, environment, alone).await[0], json!({ "affected": 3 }));
    let one = json!([{ "do": "execute", "statement": ONE }]);
    let id = approval_in(&steps(harness, environment, one.clone()).await[0]);
    harness.approve(&approver(environment), &id).await.expect("approved");
    assert_eq!(steps(harness, environment, one).await[0], json!({ "affected": 1 }));
    assert_ne!(totals(harness, environment).await, before);
}

fn approving(environment: &str) -> String {
    environment.replacen("writes = \"allow\"", "writes = \"approve-each\"", 1)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_cap_holds_on_sqlite() {
    let sqlite = "[environments.each]\nwrites = \"approve-each\"\n[resources.orders-db.each]\nengine = \"sqlite\"\n\
                  path = \"orders.db\"\noperations = [\"read\", \"write\"]\n";
    let harness = Harness::start_with(Options { more_config: sqlite.to_owned() + &crm("each") }).await;
    cap_holds(&harness, "each").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_cap_holds_on_postgres() {
    let server = Postgres::start();
    let harness = Harness::start_with(Options { more_config: approving(&server.environment("")) }).await;
    cap_holds(&harness, "pg").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_cap_holds_on_mariadb() {
    let server = Mariadb::start();
    let harness = Harness::start_with(Options { more_config: approving(&server.environment("")) }).await;
    cap_holds(&harness, "maria").await;
    // What its engine cannot undo is not capped.
    let lasting = json!([{ "do": "execute", "statement": "update plain set note = 'x' where id = 1" }]);
    let id = approval_in(&steps(&harness, "maria", lasting).await[0]);
    let said = harness.approve_with(&approver("maria"), capped(id, 1)).await.expect_err("it cannot be capped");
    assert_eq!(airlock_tests::reason(&said), "request_malformed");
}

/// Where the database does not count everything, a cap would promise too much.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_counted_is_not_capped() {
    let server = Postgres::start();
    let harness = Harness::start_with(Options { more_config: approving(&server.environment("")) }).await;
    let (manifest, component) = airlock_tests::guests::built("tx-probe");
    harness.deploy_to("pg", &manifest, component).await.expect("deployed");
    let nested = "with gone as (delete from orders where id = 1 returning id) update orders set total = 0 where id in \
                  (select id from gone)";
    let asked = steps(&harness, "pg", json!([{ "do": "execute", "statement": nested }])).await;
    let id = approval_in(&asked[0]);
    let said = harness.approve_with(&approver("pg"), capped(id.clone(), 1)).await.expect_err("it cannot be capped");
    assert_eq!(airlock_tests::reason(&said), "request_malformed");
    harness.approve(&approver("pg"), &id).await.expect("without a cap it can be approved");
}
