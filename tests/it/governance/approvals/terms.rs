//! How often and for how long, and what is on record.

use airlock_model::AuditKind;
use airlock_proto::v1::ApproveRequest;
use airlock_tests::approvals::approver;
use serde_json::json;

use super::{approved, asked, caller, execute, reason, rows, stage, state};

const ADD: &str = "update orders set total = total + ?1 where id = 1";

#[tokio::test]
async fn an_approval_for_three_executions_is_for_three() {
    let harness = stage().await;
    let (ada, call) = (caller("each"), execute(ADD, &json!([1])));
    let id = asked(&harness, &ada, &call).await;
    for (times, allowed) in [(4, false), (0, false), (3, true)] {
        let request = ApproveRequest { id: id.clone(), times: Some(times), ..ApproveRequest::default() };
        let said = harness.approve_with(&approver("each"), request).await;
        assert_eq!(said.is_ok(), allowed, "{times}: {said:?}");
    }
    for _ in 0..3 {
        assert_eq!(harness.probe(&ada, &call).await, json!({ "affected": 1 }));
    }
    assert_eq!(reason(&harness.probe(&ada, &call).await), "approval_pending");
    assert_eq!(state(&harness, "each", &id).await, "used");
    assert_eq!(rows(&harness).await[0][2], json!(22.5));
}

#[tokio::test]
async fn what_changes_a_whole_table_is_approved_each_time_even_where_statements_are() {
    let harness = stage().await;
    let ada = caller("text");
    for statement in
        ["update orders set total = 1", "update orders set total = 1 where 1 = 1", "alter table orders add x"]
    {
        let call = execute(statement, &json!([]));
        let id = asked(&harness, &ada, &call).await;
        let found = harness.approval(&approver("text"), &id).await.expect("found").approval.expect("an approval");
        assert_eq!((found.scope.as_str(), found.destructive), ("execution", true), "{statement}");
        harness.approve(&approver("text"), &id).await.expect("approved");
        assert!(harness.probe(&ada, &call).await["affected"].is_number(), "{statement}");
        assert_eq!(reason(&harness.probe(&ada, &call).await), "approval_pending", "{statement}");
    }
    let forbidden = harness.probe(&ada, &execute("drop table orders", &json!([]))).await;
    assert_eq!(reason(&forbidden), "statement_refused", "no approval allows this");
}

#[tokio::test]
async fn what_a_person_sees_is_what_is_bound_and_every_step_is_on_record() {
    let harness = stage().await;
    let (ada, call) = (caller("each"), execute(ADD, &json!([7])));
    let id = approved(&harness, "each", &call).await;
    assert_eq!(harness.probe(&ada, &call).await, json!({ "affected": 1 }));
    let found = harness.approval(&approver("each"), &id).await.expect("found").approval.expect("an approval");
    assert_eq!((found.text.as_str(), found.parameters.as_str()), (ADD, "[7]"));
    assert_eq!(
        (found.authors, found.tables, found.columns),
        (vec!["ada@example.com".into()], vec!["orders".into()], vec!["total".into()])
    );
    assert_eq!((found.decided_by.as_str(), found.outcome.as_str(), found.rows), ("grace@example.com", "ok", Some(1)));
    let trail = harness.trail().await;
    let of_it = trail.iter().filter(|record| record.event.approval.as_deref() == Some(id.as_str()));
    let kinds: Vec<_> = of_it.map(|record| record.event.kind).collect();
    let wanted = [
        AuditKind::ApprovalRequested,
        AuditKind::HostCallOutcome,
        AuditKind::ApprovalGranted,
        AuditKind::ApprovalExecuting,
        AuditKind::HostCallIntent,
        AuditKind::ApprovalUsed,
        AuditKind::HostCallOutcome,
    ];
    assert_eq!(kinds, wanted);
}

#[tokio::test]
async fn an_approval_survives_a_restart_and_its_execution_does_not() {
    let mut harness = stage().await;
    let (ada, call) = (caller("each"), execute(ADD, &json!([1])));
    let id = approved(&harness, "each", &call).await;
    harness.restart().await;
    assert_eq!(harness.probe(&ada, &call).await, json!({ "affected": 1 }));
    harness.restart().await;
    assert_eq!(reason(&harness.probe(&ada, &call).await), "approval_pending");
    assert_eq!(state(&harness, "each", &id).await, "used");
}

#[tokio::test]
async fn a_token_for_other_functions_neither_sees_nor_decides() {
    let harness = stage().await;
    let call = execute("update orders set total = 1 where id = ?1 -- claim", &json!([1]));
    let id = asked(&harness, &caller("each"), &call).await;
    let other = approver("each").for_functions(&["reports"]);
    for refused in [
        harness.approve(&other, &id).await.map(drop),
        harness.reject(&other, &id, "no").await.map(drop),
        harness.approval(&other, &id).await.map(drop),
    ] {
        assert_eq!(airlock_tests::reason(&refused.expect_err("not its function")), "approval_unknown");
    }
    assert!(harness.approvals_in(&other, "pending").await.is_empty());
    assert_eq!(state(&harness, "each", &id).await, "pending");
    // A rejection without a reason is one more that is turned away before anybody decides.
    harness.reject(&approver("each"), &id, " ").await.expect_err("no reason");
    harness.approve(&approver("each").for_functions(&["sql-probe"]), &id).await.expect("the twin");
    let trail = harness.trail().await;
    let refused = trail.iter().filter(|record| {
        record.event.kind == AuditKind::ControlRefused && record.event.approval.as_deref() == Some(id.as_str())
    });
    let reasons: Vec<_> = refused.map(|record| record.event.reason.clone().unwrap_or_default()).collect();
    assert_eq!(reasons, ["approval_unknown", "approval_unknown", "request_malformed"], "each is on record");
}
