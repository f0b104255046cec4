//! Asks a GraphQL API for its schema, for operators: with the host's credential, through the client that guests' calls take.

use std::time::Duration;

use airlock_analysis::{DocumentRefusal, graphql::QUERY, sdl_of};
use airlock_model::{EnvironmentName, HostError, HostReply, OperationClass, ResourceName, TenantName};
use airlock_resources::{EgressBudget, GraphqlRequest, Permitted};
use tokio::time::Instant;

use crate::{App, Config, StartError, clock, settings::bind_resources};

const TIME_MAX: Duration = Duration::from_secs(60);
const EGRESS_BYTES_MAX: u64 = 64 << 20;

/// Why there is no schema.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "each variant carries the error of one part, which documents itself")]
pub enum IntrospectError {
    #[error(transparent)]
    Start(#[from] StartError),
    #[error("the API did not say: {0}")]
    Api(#[from] HostError),
    #[error("what the API says of itself cannot be used: {0}")]
    Schema(#[from] DocumentRefusal),
}

impl App {
    /// The schema of a GraphQL API in the schema definition language, subscriptions left out. Opens no state.
    ///
    /// # Errors
    /// When the configuration is refused, the binding does not allow `query`, or the API does not answer with a schema.
    pub async fn introspect(
        config: &Config,
        resource: ResourceName,
        environment: &EnvironmentName,
        tenant: TenantName,
    ) -> Result<String, IntrospectError> {
        let resources = bind_resources(config, &[config.server.data, config.server.control])?;
        let request = GraphqlRequest {
            resource,
            tenant,
            class: OperationClass::Query,
            document: QUERY.to_owned(),
            variables: "{}".to_owned(),
            deadline: Instant::now() + TIME_MAX,
            egress: EgressBudget::new(EGRESS_BYTES_MAX),
            now_unix_ms: clock::now_unix_ms(),
            trace: None,
        };
        match resources.perform(environment, Permitted::Graphql(request)).await.reply? {
            HostReply::Graphql(reply) => Ok(sdl_of(&reply.data)?),
            other => Err(HostError::BadRequest(format!("no GraphQL answer: {} bytes", other.size_bytes())).into()),
        }
    }
}
