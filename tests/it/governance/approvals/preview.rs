//! What a statement would change is seen before, and nothing of it stays.

use airlock_model::AuditKind;
use airlock_proto::v1::{PreviewRequest, PreviewResponse};
use airlock_tests::{
    Harness, Options,
    approvals::{approval_in, approver},
    mariadb::Mariadb,
    output,
    postgres::Postgres,
    tokens::TokenSpec,
    with_token,
};
use serde_json::{Value, json};
use tonic::Status;

use super::{asked, caller, execute, rows, stage};

async fn preview(harness: &Harness, spec: &TokenSpec, id: &str, parameters: &str) -> Result<PreviewResponse, Status> {
    let (environment, id, parameters) = (spec.environment_name().to_owned(), id.to_owned(), parameters.to_owned());
    let request = PreviewRequest { environment, id, parameters };
    harness.approvals().preview(with_token(request, &harness.token(spec))).await.map(tonic::Response::into_inner)
}

#[tokio::test]
async fn a_preview_counts_masks_and_leaves_nothing() {
    let harness = stage().await;
    let before = rows(&harness).await;
    let call = execute("update orders set total = ?1 where customer = ?2", &json!([1, "ada"]));
    let id = asked(&harness, &caller("each"), &call).await;
    let seen = preview(&harness, &approver("each"), &id, "").await.expect("a preview");
    assert_eq!(seen.affected, 3);
    assert_eq!((seen.tables[0].name.as_str(), seen.tables[0].updated), ("orders", 3));
    assert_eq!(seen.columns, ["id", "customer", "total", "status"]);
    assert_eq!(seen.sample[0].values, ["number(1)", "text(3)", "number(4)", "text(7) s…"]);
    assert!(!format!("{seen:?}").contains("shipped"), "a value is shown whole: {seen:?}");
    let other = preview(&harness, &approver("each"), &id, r#"[1, "grace"]"#).await.expect("a preview");
    assert_eq!((other.affected, other.sample.len()), (1, 1));
    assert_eq!(rows(&harness).await, before);
    let reader = TokenSpec::control_with(&["approval:read"]).environment("each").subject("grace@example.com");
    for (spec, wanted) in [(reader, "not_granted"), (approver("each").tenant("globex"), "approval_unknown")] {
        let refused = preview(&harness, &spec, &id, "").await.expect_err("refused");
        assert_eq!(airlock_tests::reason(&refused), wanted);
    }
    let trail = harness.trail().await;
    let seen = trail.iter().filter(|record| record.event.kind == AuditKind::ApprovalPreviewed);
    assert_eq!(seen.count(), 2, "each look is on record");
    harness.reject(&approver("each"), &id, "no").await.expect("rejected");
    let late = preview(&harness, &approver("each"), &id, "").await.expect_err("closed");
    assert_eq!(airlock_tests::reason(&late), "approval_closed");
}

async fn asked_on(harness: &Harness, environment: &str, statement: &str, params: Value) -> String {
    let (manifest, component) = airlock_tests::guests::built("tx-probe");
    harness.deploy_to(environment, &manifest, component).await.expect("deployed");
    let input = json!({ "steps": [{ "do": "execute", "statement": statement, "params": params }] }).to_string();
    let answer = harness.invoke_as(&caller(environment), "tx-probe", &input).await.expect("the probe answers");
    approval_in(&output(&answer)[0])
}

#[tokio::test(flavor = "multi_thread")]
async fn on_postgres_triggers_and_cascades_are_counted_by_table() {
    let server = Postgres::start();
    server.sql(
        "SET ROLE shop_owner;
         CREATE TABLE lines (id integer PRIMARY KEY, orders_id integer REFERENCES orders ON DELETE CASCADE);
         INSERT INTO lines VALUES (1, 1), (2, 1), (3, 2);",
    );
    let environment = server.environment("").replacen("writes = \"allow\"", "writes = \"approve-each\"", 1);
    let harness = Harness::start_with(Options { more_config: environment }).await;
    let id = asked_on(&harness, "pg", "delete from orders where id = $1", json!([1])).await;
    let seen = preview(&harness, &approver("pg"), &id, "").await.expect("a preview");
    let tables: Vec<_> = seen.tables.iter().map(|table| (table.name.as_str(), table.deleted)).collect();
    assert_eq!((seen.affected, tables), (1, vec![("public.lines", 2), ("public.orders", 1)]));
    assert_eq!(seen.sample.len(), 1);
    assert_eq!(server.sql("select count(*) from orders"), "4");
    assert_eq!(server.sql("select count(*) from lines"), "3");
    // A function with an effect that no rollback takes back.
    server.sql(
        "SET ROLE shop_owner;
         CREATE SEQUENCE reached;
         CREATE FUNCTION reach() RETURNS numeric LANGUAGE sql SECURITY DEFINER AS 'SELECT nextval(''reached'')::numeric';
         GRANT EXECUTE ON FUNCTION reach() TO PUBLIC;",
    );
    let id = asked_on(&harness, "pg", "update orders set total = reach() where id = $1", json!([1])).await;
    let refused = preview(&harness, &approver("pg"), &id, "").await.expect_err("refused");
    assert!(
        airlock_tests::reason(&refused) == "request_malformed" && refused.message().contains("`reach`"),
        "{refused}"
    );
    assert_eq!(server.sql("select is_called from reached"), "f", "it was not called");
    // What the database says of a value has the value in it.
    let id = asked_on(&harness, "pg", "update orders set total = customer::integer where id = $1", json!([1])).await;
    let failed = preview(&harness, &approver("pg"), &id, "").await.expect_err("no number");
    assert!(failed.message().contains("22P02") && !failed.message().contains("ada"), "{failed}");
    let trail = harness.trail().await;
    let turned_away = trail.iter().filter(|record| record.event.kind == AuditKind::ControlRefused);
    assert_eq!(turned_away.count(), 1, "what was refused is on record");
}

#[tokio::test(flavor = "multi_thread")]
async fn on_mariadb_a_preview_is_rolled_back() {
    let server = Mariadb::start();
    let environment = server.environment("").replacen("writes = \"allow\"", "writes = \"approve-each\"", 1);
    let harness = Harness::start_with(Options { more_config: environment }).await;
    let id = asked_on(&harness, "maria", "update orders set total = ? where customer = ?", json!([1, "ada"])).await;
    let seen = preview(&harness, &approver("maria"), &id, "").await.expect("a preview");
    assert_eq!((seen.affected, seen.sample.len()), (3, 3));
    assert_eq!(server.sql("select count(*) from orders where total = 1.00"), "1");
    // What its engine cannot undo is not tried.
    let id = asked_on(&harness, "maria", "update plain set note = ? where id = 1", json!(["x"])).await;
    let refused = preview(&harness, &approver("maria"), &id, "").await.expect_err("refused");
    assert_eq!(airlock_tests::reason(&refused), "request_malformed");
    assert_eq!(server.sql("select note from plain"), "kept without transactions");
    // Nor is it because another table, whose name differs in case, could be undone.
    server.sql("create table Plain (id int primary key, note varchar(50)) engine = InnoDB");
    let refused = preview(&harness, &approver("maria"), &id, "").await.expect_err("refused");
    assert_eq!(airlock_tests::reason(&refused), "request_malformed");
    assert_eq!(server.sql("select note from plain"), "kept without transactions");
}
