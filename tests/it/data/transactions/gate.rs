//! A transaction passes the gate with each of its statements, and the trail says which statements it held together.

use airlock_model::{AuditKind, Decision, StatementClass};

use super::*;

#[tokio::test]
async fn who_may_not_write_reads_in_a_transaction_and_who_may_not_read_has_none() {
    let stage = Stage::start("").await;
    let steps =
        json!([begin(), within(0, query(TOTAL)), within(0, execute(CHANGE)), within(0, query(TOTAL)), commit(0)]);
    let (manifest, component) = airlock_tests::guests::built("tx-probe");
    stage.harness.deploy_to("prod", &manifest, component).await.expect("deployed");
    let reader = |environment: &str| TokenSpec::only("tx-probe", &["orders-db:read"]).environment(environment);
    for (token, reason) in
        [(reader("dev"), "not_granted"), (reader("pg"), "not_granted"), (everything("prod"), "writes_denied")]
    {
        let answers = stage.steps_as(&token, steps.clone()).await;
        assert_eq!(answers[2]["error"]["reason"], reason, "{answers}");
        assert_eq!(number(&answers[3]), number(&answers[1]), "a denial ends nothing: {answers}");
        assert_eq!(answers[4], json!("ended"), "{answers}");
    }
    let writer = TokenSpec::only("tx-probe", &["orders-db:write"]).environment("pg");
    let answers = stage.steps_as(&writer, steps).await;
    assert_eq!(answers[1]["error"]["reason"], "not_granted", "{answers}");
    assert_eq!((&answers[2], &answers[4]), (&json!({ "affected": 1 }), &json!("ended")), "{answers}");
    for environment in ["dev", "pg"] {
        let nobody = TokenSpec::only("tx-probe", &[]).environment(environment);
        let answers = stage.steps_as(&nobody, json!([begin()])).await;
        assert_eq!(answers[0]["error"]["reason"], "not_granted", "{answers}");
    }
}

#[tokio::test]
async fn statements_that_no_guest_may_send_are_refused_in_a_transaction_too() {
    let stage = Stage::start("").await;
    let refused = ["commit", "rollback", "savepoint s", "begin", "drop table orders", "select 1; select 2", "vacuum"];
    for environment in ["dev", "pg"] {
        let attempts = refused.iter().flat_map(|text| [within(0, execute(text)), within(0, query(text))]);
        let steps: Vec<Value> = [begin(), within(0, execute(CHANGE))]
            .into_iter()
            .chain(attempts)
            .chain([within(0, execute(CHANGE)), commit(0)])
            .collect();
        let before = stage.total(environment).await;
        let answers = stage.steps(environment, json!(steps)).await;
        let answers = answers.as_array().expect("a list");
        for answer in &answers[2..2 + 2 * refused.len()] {
            assert_eq!(answer["error"]["reason"], "statement_refused", "{environment}: {answers:?}");
        }
        assert_eq!(answers.last(), Some(&json!("ended")), "{environment}: {answers:?}");
        assert_eq!(stage.total(environment).await, before + 2.0, "{environment}");
    }
}

#[tokio::test]
async fn a_call_has_only_so_many_transactions_open() {
    let stage = Stage::start("").await;
    for environment in ["dev", "pg"] {
        let reader = TokenSpec::only("tx-probe", &["orders-db:read"]).environment(environment);
        let mut steps = vec![begin(); 5];
        steps.extend([json!({ "do": "drop", "within": 0 }), begin(), within(4, query(TOTAL))]);
        let answers = stage.steps_as(&reader, json!(steps)).await;
        assert_eq!(answers[3], json!({ "begun": 3 }), "{answers}");
        assert_eq!(answers[4]["error"]["kind"], "bad_request", "{answers}");
        assert_eq!(answers[6], json!({ "begun": 4 }), "{answers}");
        assert!(number(&answers[7]) > 0.0, "{answers}");
    }
}

#[tokio::test]
async fn every_step_is_recorded_with_the_number_of_its_transaction() {
    let stage = Stage::start("").await;
    let steps = json!([
        begin(),
        within(0, execute(CHANGE)),
        within(0, query(TOTAL)),
        commit(0),
        begin(),
        within(1, execute(CHANGE)),
        begin(),
    ]);
    stage.steps("pg", steps).await;
    let trail = stage.harness.trail().await;
    let events: Vec<_> = trail.iter().map(|record| &record.event).filter(|event| event.resource.is_some()).collect();
    let outcomes = events.iter().filter(|event| event.kind == AuditKind::HostCallOutcome);
    let mut said: Vec<_> = outcomes
        .map(|event| (event.operation.as_deref().unwrap_or(""), event.transaction, event.reason.as_deref()))
        .collect();
    let expected = [
        ("begin", 1),
        ("write", 1),
        ("read", 1),
        ("commit", 1),
        ("begin", 2),
        ("write", 2),
        ("begin", 3),
        ("rollback", 2),
        ("rollback", 3),
    ];
    said[7..].sort_unstable();
    assert_eq!(said, expected.map(|(operation, number)| (operation, Some(number), Some("ok"))));
    let intents: Vec<_> = events
        .iter()
        .filter(|event| event.kind == AuditKind::HostCallIntent)
        .map(|event| event.operation.as_deref().unwrap_or(""))
        .collect();
    assert_eq!(intents, ["begin", "write", "read", "commit", "begin", "write", "begin"]);
    assert!(events.iter().all(|event| event.decision != Some(Decision::Deny)));
    let opened = events.iter().find(|event| event.operation.as_deref() == Some("begin")).expect("one");
    assert_eq!(opened.class, Some(StatementClass::Write));
    let last = trail.last().expect("a record").event.kind;
    assert_eq!(last, AuditKind::InvocationFinished, "what was left open is recorded before the end of the call");
}

#[tokio::test]
async fn host_calls_are_counted_in_a_transaction_as_everywhere() {
    let stage = Stage::start("").await;
    let few = everything("pg").limits("host_calls = 3");
    let before = stage.total("pg").await;
    let answers =
        stage.steps_as(&few, json!([begin(), within(0, execute(CHANGE)), within(0, query(TOTAL)), commit(0)])).await;
    assert_eq!(answers[3]["error"]["limit"], "host_calls", "{answers}");
    assert_eq!(stage.total("pg").await, before, "what cannot be committed is rolled back");
}

#[tokio::test]
async fn a_typescript_function_commits_by_returning_and_rolls_back_by_throwing() {
    let stage = Stage::start("").await;
    stage.deploy("transfer").await;
    for environment in ["dev", "pg"] {
        let token = everything(environment);
        let call =
            |amount: f64, times: u32| json!({ "from": 2, "to": 3, "amount": amount, "times": times }).to_string();
        let moved = stage.harness.invoke_as(&token, "transfer", &call(0.25, 3)).await.expect("answers");
        let moved = output(&moved);
        let refused = stage.harness.invoke_as(&token, "transfer", &call(1_000.0, 1)).await.expect("answers");
        assert_eq!(airlock_tests::function_error(&refused).0, "too_little", "{environment}");
        let left = stage.harness.invoke_as(&token, "transfer", &call(0.0, 1)).await.expect("answers");
        assert_eq!(output(&left), moved, "{environment}");
    }
}
