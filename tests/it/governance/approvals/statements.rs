//! Statements that are approved once, and mutations.

use airlock_tests::{
    Harness, Options,
    approvals::{approval_in, approver},
    output,
    shop::Shop,
};
use serde_json::{Value, json};

use super::{approved, asked, caller, execute, reason, rows, stage, state};

const ADD: &str = "update orders set total = total + ?1 where id = ?2";

#[tokio::test]
async fn a_statement_keeps_its_approval_with_other_values_and_in_other_revisions() {
    let harness = stage().await;
    let ada = caller("text");
    let id = approved(&harness, "text", &execute(ADD, &json!([1, 1]))).await;
    for (values, spec) in [(json!([1, 1]), ada.clone()), (json!([5, 2]), ada.clone().subject("bob@example.com"))] {
        assert_eq!(harness.probe(&spec, &execute(ADD, &values)).await, json!({ "affected": 1 }));
    }
    let (manifest, component) = airlock_tests::guests::built("sql-probe");
    harness.deploy_to("text", &manifest.replace("Makes", "Still makes"), component).await.expect("deployed");
    assert_eq!(harness.probe(&ada, &execute(ADD, &json!([1, 3]))).await, json!({ "affected": 1 }));
    assert_eq!(state(&harness, "text", &id).await, "approved");
    // Another text, another tenant, and the same after it was taken back.
    let before = rows(&harness).await;
    assert_eq!(reason(&harness.probe(&ada, &execute(&format!("{ADD} "), &json!([1, 3]))).await), "approval_pending");
    let globex = harness.probe(&ada.clone().tenant("globex"), &execute(ADD, &json!([1, 3]))).await;
    assert_eq!(reason(&globex), "approval_pending");
    harness.revoke(&approver("text"), &id).await.expect("revoked");
    assert_eq!(reason(&harness.probe(&ada, &execute(ADD, &json!([1, 3]))).await), "approval_pending");
    assert_eq!(rows(&harness).await, before);
}

#[tokio::test]
async fn a_text_is_shown_against_the_one_that_was_approved_before() {
    let harness = stage().await;
    let ada = caller("text");
    let first = approved(&harness, "text", &execute(ADD, &json!([1, 1]))).await;
    let changed = "update orders set total = total - ?1 where id = ?2";
    let id = asked(&harness, &ada, &execute(changed, &json!([1, 1]))).await;
    let found = harness.approval(&approver("text"), &id).await.expect("found");
    assert_eq!(found.similar_id, first);
    assert_eq!(found.diff, " update orders set total = total\n-+\n+-\n ?1 where id = ?2\n");
}

/// What waits in one environment is nobody else's, and a request is made once.
#[tokio::test]
async fn requests_are_made_once_and_seen_by_their_tenant() {
    let harness = stage().await;
    let call = execute(ADD, &json!([1, 1]));
    let id = asked(&harness, &caller("text"), &call).await;
    assert_eq!(asked(&harness, &caller("text"), &call).await, id);
    let seen = harness.approvals_in(&approver("text"), "pending").await;
    assert_eq!(seen.iter().map(|approval| approval.id.as_str()).collect::<Vec<_>>(), [id.as_str()]);
    assert_eq!(harness.approvals_in(&approver("text").tenant("globex"), "pending").await, []);
    assert_eq!(harness.approvals_in(&approver("each"), "pending").await, []);
}

#[tokio::test]
async fn a_mutation_waits_for_its_approval() {
    let shop = Shop::start().await;
    let more_config = format!("[environments.gql]\nwrites = \"approve-each\"\n{}", shop.binding("gql", ""));
    let harness = Harness::start_with(Options { more_config }).await;
    let (manifest, component) = airlock_tests::guests::built("api-probe");
    harness.deploy_to("gql", &manifest, component).await.expect("deployed");
    let ada = caller("gql");
    let mutate = |name: &str| {
        let document = "mutation($name: String!) { rename(id: 1, name: $name) { id } }";
        json!({ "to": "graphql", "op": "mutate", "document": document, "variables": { "name": name } }).to_string()
    };
    let call = async |call: String| -> Value {
        output(&harness.invoke_as(&ada, "api-probe", &call).await.expect("the probe answers"))
    };
    let id = approval_in(&call(mutate("x")).await);
    harness.approve(&approver("gql"), &id).await.expect("approved");
    assert_eq!(reason(&call(mutate("y")).await), "approval_pending", "other variables");
    assert_eq!(shop.changes(), 0);
    assert!(call(mutate("x")).await.get("error").is_none());
    assert_eq!(reason(&call(mutate("x")).await), "approval_pending", "once");
    assert_eq!(shop.changes(), 1);
    // It took effect, and a gateway gave up waiting for it: nobody here knows.
    let id = approval_in(&call(mutate("gateway")).await);
    harness.approve(&approver("gql"), &id).await.expect("approved");
    assert_eq!(call(mutate("gateway")).await["error"]["kind"], "unavailable");
    assert_eq!((shop.changes(), state(&harness, "gql", &id).await.as_str()), (2, "unknown"));
    let next = approval_in(&call(mutate("gateway")).await);
    let next = harness.approval(&approver("gql"), &next).await.expect("found").approval.expect("an approval");
    assert_eq!(next.follows_unknown, id);
}

#[tokio::test]
async fn a_deploy_asks_for_every_statement_that_writes_and_has_no_approval() {
    let harness = stage().await;
    let read = "select id from orders";
    let whole_table = "delete from orders";
    let listed = crate::governance::statements::listing(&[ADD, read, whole_table]);
    harness.deploy_to("text", &listed.0, listed.1.clone()).await.expect("deployed");
    let waiting = harness.approvals_in(&approver("text"), "pending").await;
    let texts: Vec<_> = waiting.iter().map(|approval| (approval.text.as_str(), approval.scope.as_str())).collect();
    assert_eq!(texts, [(ADD, "statement")], "what changes a whole table is asked for when it is called");
    harness.approve(&approver("text"), &waiting[0].id).await.expect("approved");
    assert_eq!(harness.probe(&caller("text"), &execute(ADD, &json!([1, 1]))).await, json!({ "affected": 1 }));
    harness.deploy_to("text", &listed.0.replace("Makes", "Always makes"), listed.1).await.expect("deployed");
    assert_eq!(harness.approvals_in(&approver("text"), "pending").await, [], "it has an approval");
}
