//! A token is for one environment: nothing leads from there to another's functions, revisions or resources.

use airlock_proto::v1::{
    CheckRequest, DeployRequest, DescribeSchemaRequest, DisableRequest, EnableRequest, FunctionServiceDeleteRequest,
    FunctionServiceGetRequest, FunctionServiceListRequest, ListRevisionsRequest, ResourceServiceListRequest,
};
use airlock_tests::{Harness, guests::WatGuest, reason, tokens::TokenSpec, with_token};
use tonic::Status;

use super::{deploy_number, manifest, promote, rollback, set_alias, stages};

const ENVIRONMENTS: [&str; 6] = ["dev", "qa", "prod", "bare", "stage", "live"];

/// Everything a token can carry.
fn everything(environment: &str) -> TokenSpec {
    let control = [
        "function:deploy",
        "function:promote",
        "function:operate",
        "function:read",
        "resource:read",
        "resource:edit",
        "audit:read",
        "orders-db:read",
        "orders-db:write",
        "crm:GET",
    ];
    TokenSpec::control_with(&control).environment(environment)
}

/// A request about one environment with a token for another.
type Attempt = (&'static str, Result<(), Status>);

/// One request of every kind to `environment`, with the token.
async fn attempts(harness: &Harness, token: &str, environment: &str) -> Vec<Attempt> {
    let (environment, function) = (environment.to_owned(), "count".to_owned());
    let mut functions = harness.functions();
    let component = WatGuest::returning("9").component();
    let deploy = DeployRequest {
        environment: environment.clone(),
        manifest_toml: manifest("count"),
        component: component.clone(),
        ..DeployRequest::default()
    };
    let check = CheckRequest {
        environment: environment.clone(),
        manifest_toml: manifest("count"),
        component,
        ..CheckRequest::default()
    };
    let get = FunctionServiceGetRequest { environment: environment.clone(), function: function.clone() };
    let list = FunctionServiceListRequest { environment: environment.clone(), ..FunctionServiceListRequest::default() };
    let revisions = ListRevisionsRequest {
        environment: environment.clone(),
        function: function.clone(),
        ..ListRevisionsRequest::default()
    };
    let disable =
        DisableRequest { environment: environment.clone(), function: function.clone(), reason: "x".to_owned() };
    let enable = EnableRequest { environment: environment.clone(), function: function.clone() };
    let delete = FunctionServiceDeleteRequest { environment: environment.clone(), function };
    let resources = ResourceServiceListRequest { environment: environment.clone() };
    let describe = DescribeSchemaRequest { environment, resource: "orders-db".to_owned(), refresh: true };
    vec![
        ("deploy", functions.deploy(with_token(deploy, token)).await.map(drop)),
        ("check", functions.check(with_token(check, token)).await.map(drop)),
        ("get", functions.get(with_token(get, token)).await.map(drop)),
        ("list", functions.list(with_token(list, token)).await.map(drop)),
        ("revisions", functions.list_revisions(with_token(revisions, token)).await.map(drop)),
        ("disable", functions.disable(with_token(disable, token)).await.map(drop)),
        ("enable", functions.enable(with_token(enable, token)).await.map(drop)),
        ("delete", functions.delete(with_token(delete, token)).await.map(drop)),
        ("resources", harness.resource_service().list(with_token(resources, token)).await.map(drop)),
        ("describe", harness.resource_service().describe_schema(with_token(describe, token)).await.map(drop)),
    ]
}

#[tokio::test]
async fn no_request_of_any_kind_crosses_from_one_environment_to_another() {
    let harness = stages().await;
    deploy_number(&harness, "count", 1).await;
    for of_token in ENVIRONMENTS {
        let spec = everything(of_token);
        let token = harness.token(&spec);
        for asked in ENVIRONMENTS.into_iter().filter(|asked| *asked != of_token) {
            for (what, ended) in attempts(&harness, &token, asked).await {
                let refused = ended.expect_err("refused");
                assert_eq!(reason(&refused), "not_granted", "{what} in {asked} with a token for {of_token}: {refused}");
            }
            let invoked = harness.invoke_with(&token, asked, "count", "null").await.expect_err("refused");
            assert_eq!(reason(&invoked), "not_granted");
        }
    }
    // The twin: in its own environment the same token reads what is there.
    let (_, listed) = attempts(&harness, &harness.token(&everything("dev")), "dev").await.swap_remove(3);
    listed.expect("its own environment");
}

#[tokio::test]
async fn a_token_for_some_functions_changes_no_others() {
    let harness = stages().await;
    let revision = super::digest(deploy_number(&harness, "count", 1).await.revision.as_ref());
    deploy_number(&harness, "other", 1).await;
    let spec = everything("dev").for_functions(&["other"]);
    let token = harness.token(&spec);
    for (what, ended) in attempts(&harness, &token, "dev").await {
        // These are about the environment; List shows what the token covers.
        if ["list", "resources", "describe"].contains(&what) {
            ended.expect("its own environment");
            continue;
        }
        assert_eq!(reason(&ended.expect_err("refused")), "not_granted", "{what}");
    }
    for refused in [
        promote(&harness, &spec, ("count", "qa"), 0).await.map(drop),
        rollback(&harness, &spec, "count", &revision).await.map(drop),
        set_alias(&harness, &spec, ("count", "live"), &[]).await.map(drop),
    ] {
        assert_eq!(reason(&refused.expect_err("refused")), "not_granted");
    }
    let asked = FunctionServiceListRequest { environment: "dev".to_owned(), ..FunctionServiceListRequest::default() };
    let listed = harness.functions().list(with_token(asked, &token)).await.expect("listed").into_inner().functions;
    assert_eq!(listed.iter().map(|one| one.name.as_str()).collect::<Vec<_>>(), ["other"]);
    set_alias(&harness, &spec, ("other", "live"), &[]).await.expect("the twin: its own function");
}

#[tokio::test]
async fn lifecycle_of_an_environment_needs_a_token_for_it() {
    let harness = stages().await;
    let revision = super::digest(deploy_number(&harness, "count", 1).await.revision.as_ref());
    promote(&harness, &everything("stage"), ("count", "dev"), 0).await.expect("the twin: promoted");
    for of_token in ENVIRONMENTS {
        let spec = everything(of_token);
        for asked in ENVIRONMENTS.into_iter().filter(|asked| *asked != of_token) {
            let foreign = spec.clone().asking_for(asked);
            for refused in [
                promote(&harness, &foreign, ("count", "dev"), 0).await.map(drop),
                rollback(&harness, &foreign, "count", &revision).await.map(drop),
                set_alias(&harness, &foreign, ("count", "live"), &[]).await.map(drop),
            ] {
                assert_eq!(
                    reason(&refused.expect_err("refused")),
                    "not_granted",
                    "{asked} with a token for {of_token}"
                );
            }
        }
    }
}
