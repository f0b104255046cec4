//! What an organization decided once holds at every step: environments, revisions, statements, packages, signatures.

mod approvals;
mod environments;
mod lifecycle;
mod packages;
mod releases_under_load;
mod signatures;
mod statements;

use airlock_proto::v1::{
    AliasShare, DeployResponse, Function, PromoteRequest, PromoteResponse, RollbackRequest, SetAliasRequest,
};
use airlock_tests::{Harness, Options, guests::WatGuest, tokens::TokenSpec, with_token};
use tonic::Status;

/// Environments as organizations have them: one to try things, one that takes promotions, and one that is strict as well.
const STAGES: &str = r#"
[environments.stage]
writes = "allow"
promote_from = ["dev"]

[environments.live]
writes = "allow"
strict = true
deploys = "promotion"
promote_from = ["stage", "dev"]

[resources.orders-db.stage]
engine = "sqlite"
path = "orders.db"
operations = ["read"]

[resources.orders-db.live]
engine = "sqlite"
path = "orders.db"
operations = ["read", "write"]

[resources.crm.live]
engine = "http"
base_url = "http://CRM"
allow_plaintext = true
allow_private = ["127.0.0.1/32"]
operations = ["GET", "POST"]
"#;

async fn stages() -> Harness {
    let harness = Harness::start_with(Options { more_config: STAGES.to_owned() }).await;
    let config = harness.config().replace("http://CRM", &format!("http://{}", harness.crm.address));
    harness.set_config(&config);
    harness.reload().await.expect("read again");
    harness
}

/// May promote and operate in an environment.
fn releaser(environment: &str) -> TokenSpec {
    let scopes = ["function:promote", "function:operate", "function:read", "resource:edit"];
    TokenSpec::control_with(&scopes).environment(environment).subject("release@example.com")
}

/// A function that returns a number.
fn manifest(name: &str) -> String {
    format!("name = \"{name}\"\nlanguage = \"component\"\n")
}

async fn deploy_number(harness: &Harness, name: &str, number: u32) -> DeployResponse {
    harness.deploy(&manifest(name), WatGuest::returning(&number.to_string()).component()).await.expect("deployed")
}

async fn promote(
    harness: &Harness,
    spec: &TokenSpec,
    (function, from): (&str, &str),
    percent: u32,
) -> Result<PromoteResponse, Status> {
    let request = PromoteRequest {
        environment: spec.environment_name().to_owned(),
        function: function.to_owned(),
        from_environment: from.to_owned(),
        revision: String::new(),
        percent,
    };
    harness.functions().promote(with_token(request, &harness.token(spec))).await.map(tonic::Response::into_inner)
}

async fn rollback(harness: &Harness, spec: &TokenSpec, function: &str, revision: &str) -> Result<Function, Status> {
    let request = RollbackRequest {
        environment: spec.environment_name().to_owned(),
        function: function.to_owned(),
        revision: revision.to_owned(),
    };
    let answer = harness.functions().rollback(with_token(request, &harness.token(spec))).await?;
    Ok(answer.into_inner().function.expect("a function"))
}

async fn set_alias(
    harness: &Harness,
    spec: &TokenSpec,
    (function, alias): (&str, &str),
    shares: &[(&str, u32)],
) -> Result<Function, Status> {
    let share = |(revision, percent): &(&str, u32)| AliasShare { revision: (*revision).to_owned(), percent: *percent };
    let request = SetAliasRequest {
        environment: spec.environment_name().to_owned(),
        function: function.to_owned(),
        alias: alias.to_owned(),
        shares: shares.iter().map(share).collect(),
    };
    let answer = harness.functions().set_alias(with_token(request, &harness.token(spec))).await?;
    Ok(answer.into_inner().function.expect("a function"))
}

/// The digest of what a deploy or a promotion stored.
fn digest(revision: Option<&airlock_proto::v1::Revision>) -> String {
    revision.expect("a revision").digest.clone()
}
