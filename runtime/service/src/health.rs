//! Whether the backends of a configuration answer: what an operator asks before functions do.

use std::{sync::Arc, time::Duration};

use airlock_access::{Algorithms, KeySet};
use airlock_model::{EnvironmentName, HostError, ResourceName, TenantName};
use airlock_resources::{DocumentClient, DocumentConfig, Network, Probe, Resources};
use tokio::{task::JoinSet, time::Instant};

use crate::{Config, StartError, clock, config::JwksSource, settings};

/// For one backend to answer.
const ANSWER_TIME_MAX: Duration = Duration::from_secs(5);
/// Whose connections the questions take.
const TENANT: &str = "airlock-doctor";

/// What one binding is like right now.
#[derive(Debug)]
pub struct Health {
    /// The resource.
    pub resource: ResourceName,
    /// Where it is bound.
    pub environment: EnvironmentName,
    /// How long the answer took.
    pub took: Duration,
    /// Why there was none, as a function would be told.
    pub failure: Option<HostError>,
}

/// What one issuer publishes right now.
#[derive(Debug)]
pub struct KeysHealth {
    /// The `iss`.
    pub issuer: String,
    /// Where its keys are published.
    pub url: String,
    /// Every usable `kid` and the number of other keys, or why there are none.
    pub keys: Result<(Vec<String>, usize), String>,
}

/// Fetches every published key set of a configuration once, one after the other. Keeps none of them.
pub async fn published_keys(config: &Config) -> Vec<KeysHealth> {
    let network = settings::network(config, &[config.server.data, config.server.control]);
    let mut found = Vec::new();
    for (_, issuer) in config.key_sources() {
        if let JwksSource::Url(source) = &issuer.jwks {
            let keys = fetch(&source.document, issuer.allowed(), &network).await;
            found.push(KeysHealth { issuer: issuer.iss.to_owned(), url: source.document.url.clone(), keys });
        }
    }
    found
}

async fn fetch(
    document: &DocumentConfig,
    algorithms: Algorithms,
    network: &Network,
) -> Result<(Vec<String>, usize), String> {
    let client = DocumentClient::new(document, network).map_err(|why| why.to_string())?;
    let text = client.fetch().await.map_err(|why| why.to_string())?;
    let published = KeySet::parse_published(&text, algorithms).map_err(|why| why.to_string())?;
    Ok((published.keys.key_ids().map(str::to_owned).collect(), published.skipped))
}

/// Asks every backend of a configuration something that changes nothing, all at once, and gives the answers sorted.
///
/// # Errors
/// When a binding cannot be made at all.
pub async fn resources(config: &Config) -> Result<Vec<Health>, StartError> {
    let resources = Arc::new(settings::bind_resources(config, &[config.server.data, config.server.control])?);
    let Ok(tenant) = TENANT.parse::<TenantName>() else { return Ok(Vec::new()) };
    let mut asked = JoinSet::new();
    for (resource, environment) in resources.bindings() {
        asked.spawn(ask(Arc::clone(&resources), resource, environment, tenant.clone()));
    }
    let mut answers = asked.join_all().await;
    answers.sort_by(|one, other| (&one.resource, &one.environment).cmp(&(&other.resource, &other.environment)));
    Ok(answers)
}

async fn ask(
    resources: Arc<Resources>,
    resource: ResourceName,
    environment: EnvironmentName,
    tenant: TenantName,
) -> Health {
    let began = Instant::now();
    let now_unix_ms = clock::now_unix_ms();
    let probe = Probe { resource, environment, tenant, deadline: began + ANSWER_TIME_MAX, now_unix_ms };
    let failure = resources.probe(&probe).await.err();
    Health { resource: probe.resource, environment: probe.environment, took: began.elapsed(), failure }
}
