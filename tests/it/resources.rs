//! What functions can use, as those who write them see it: what the token covers, and nothing else.

use airlock_model::AuditKind;
use airlock_proto::v1::{Column, DescribeSchemaRequest, DescribeSchemaResponse, Resource, ResourceServiceListRequest};
use airlock_tests::{Harness, reason, tokens::TokenSpec, with_token};
use tonic::Status;

async fn list(harness: &Harness, spec: &TokenSpec) -> Result<Vec<Resource>, Status> {
    let request = ResourceServiceListRequest { environment: spec.environment_name().to_owned() };
    harness
        .resource_service()
        .list(with_token(request, &harness.token(spec)))
        .await
        .map(|answer| answer.into_inner().resources)
}

async fn describe(harness: &Harness, spec: &TokenSpec, resource: &str) -> Result<DescribeSchemaResponse, Status> {
    let environment = spec.environment_name().to_owned();
    let request = DescribeSchemaRequest { environment, resource: resource.to_owned(), refresh: false };
    harness
        .resource_service()
        .describe_schema(with_token(request, &harness.token(spec)))
        .await
        .map(tonic::Response::into_inner)
}

fn builder(scopes: &[&str]) -> TokenSpec {
    TokenSpec::only("none", &[&["resource:read"], scopes].concat())
}

#[tokio::test]
async fn only_what_token_and_environment_both_allow_is_listed() {
    let harness = Harness::start().await;
    let listed = async |scopes: &[&str], environment: &str| {
        let found = list(&harness, &builder(scopes).environment(environment)).await.expect("listed");
        found
            .into_iter()
            .map(|one| format!("{} {} {}", one.name, one.dialect, one.operations.join(",")))
            .collect::<Vec<_>>()
    };
    assert_eq!(
        listed(&["orders-db:read", "crm:GET:/customers/*"], "dev").await,
        ["crm  GET:/customers/*", "orders-db sqlite read"]
    );
    assert_eq!(listed(&["orders-db:ddl"], "dev").await, [""; 0], "the binding does not allow it");
    assert_eq!(listed(&["crm:POST"], "qa").await, [""; 0], "bound there for GET only");
    assert_eq!(listed(&["crm:POST"], "dev").await, ["crm  POST:/echo"]);
    assert_eq!(listed(&["other:read"], "dev").await, [""; 0]);
    let refused = list(&harness, &TokenSpec::everything()).await.expect_err("without the scope");
    assert_eq!(reason(&refused), "not_granted");
}

#[tokio::test]
async fn a_schema_is_told_to_who_may_read_it_and_that_is_on_record() {
    let harness = Harness::start().await;
    let told = describe(&harness, &builder(&["orders-db:read"]), "orders-db").await.expect("described");
    let orders = told.tables.iter().find(|table| table.name == "orders").expect("the table of the sample");
    assert_eq!((orders.kind.as_str(), orders.schema.as_str(), told.truncated), ("table", "", false));
    let id = orders.columns.first().expect("a column");
    let expected = Column {
        name: "id".into(),
        database_type: "INTEGER".into(),
        nullable: false,
        has_default: false,
        primary_key: 1,
        references: String::new(),
    };
    assert_eq!(*id, expected);
    let record = harness.trail().await.pop().expect("a record").event;
    assert_eq!((record.kind, record.resource.as_deref()), (AuditKind::SchemaDescribed, Some("orders-db")));
    assert_eq!(record.reason.as_deref(), Some("ok"));
}

#[tokio::test]
async fn a_schema_is_refused_in_the_same_words_whether_or_not_there_is_such_a_database() {
    let harness = Harness::start().await;
    let refused =
        async |spec: TokenSpec, resource: &str| describe(&harness, &spec, resource).await.expect_err("refused");
    let there = refused(builder(&["orders-db:write"]), "orders-db").await;
    let nowhere = refused(builder(&["orders-db:write"]), "other-db").await;
    assert_eq!(there.message().replace("orders-db", "X"), nowhere.message().replace("other-db", "X"));
    assert_eq!((reason(&there), reason(&nowhere)), ("not_granted".to_owned(), "not_granted".to_owned()));
    let unscoped = refused(TokenSpec::everything(), "orders-db").await;
    assert_eq!(reason(&unscoped), "not_granted");
    let elsewhere = refused(builder(&["orders-db:read"]).environment("bare"), "orders-db").await;
    assert_eq!(reason(&elsewhere), "not_granted", "bound, but not in that environment");
    let no_database = refused(builder(&["crm:GET"]), "crm").await;
    assert_eq!(reason(&no_database), "not_granted", "HTTP has no `read`");
}
