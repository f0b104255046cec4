//! What functions can use, for whoever writes them: only what the token covers, never a credential or an address.

use std::{sync::Arc, time::Duration};

use airlock_access::{Authorized, Control, Presented};
use airlock_model::{
    Access, AuditEvent, AuditKind, ControlScope, Decision, EnvironmentName, Failure, Grant, Grants, HostError, Layer,
    Operation, Reason, ResourceKind, ResourceName,
};
use airlock_resources::{Dialect, Schema};
use moka::sync::Cache;
use tokio::time::Instant;

use crate::{
    App,
    app::store_failure,
    clock,
    control::About,
    refusals::{Refused, Subject},
    settings::Settings,
};

/// How long a database may take to describe itself.
const DESCRIBE_TIME_MAX: Duration = Duration::from_secs(10);
/// How long a schema is told from memory.
const KEPT_FOR: Duration = Duration::from_secs(60);
/// Databases whose schemas are kept.
const KEPT_MAX: u64 = 256;

/// A resource as the bearer may use it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResourceSummary {
    /// Its name.
    pub name: ResourceName,
    /// Its kind.
    pub kind: ResourceKind,
    /// What token and environment both allow.
    pub operations: Vec<Operation>,
    /// The dialect of a database.
    pub dialect: Option<Dialect>,
}

/// The tables of a database or the schema of an API, and when they were read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Described {
    /// The tables; none of an API.
    pub schema: Schema,
    /// The schema of an API, in the schema definition language; empty for databases.
    pub sdl: String,
    /// Milliseconds since the Unix epoch.
    pub read_unix_ms: u64,
}

/// Schemas that were read a moment ago. They end with the configuration that they were read under.
pub(crate) struct Schemas(Cache<(EnvironmentName, ResourceName), Arc<Described>>);

impl Default for Schemas {
    fn default() -> Self {
        Self(Cache::builder().max_capacity(KEPT_MAX).time_to_live(KEPT_FOR).build())
    }
}

impl App {
    /// The resources of an environment that the token covers, by name.
    ///
    /// # Errors
    /// When the token lacks `resource:read`.
    pub async fn list_resources(
        &self,
        bearer: Presented<'_>,
        environment: EnvironmentName,
    ) -> Result<Vec<ResourceSummary>, Failure> {
        let permit =
            self.authorize(bearer, ControlScope::ResourceRead, About("ResourceService.List", &environment, None))?;
        let settings = self.settings();
        let names = settings.resources.names_in(&environment).into_iter();
        Ok(names.filter_map(|name| summary(&settings, &permit, name)).collect())
    }

    /// The tables of a database, from memory when they were read within a minute. On record before they are told.
    ///
    /// # Errors
    /// When the token lacks `resource:read` or the database's `read` (the API's `query`), in the same words whether or not
    /// there is such a database; `resource_unavailable` when it cannot say.
    pub async fn describe_schema(
        &self,
        bearer: Presented<'_>,
        environment: EnvironmentName,
        resource: ResourceName,
        refresh: bool,
    ) -> Result<Arc<Described>, Failure> {
        let permit = self.authorize(
            bearer,
            ControlScope::ResourceRead,
            About("ResourceService.DescribeSchema", &environment, None),
        )?;
        let settings = self.settings();
        self.check_readable(&settings, &permit, &resource)?;
        self.check_resource(&permit, &resource)?;
        let key = (environment, resource);
        let kept = if refresh { None } else { settings.schemas.0.get(&key) };
        let described = match kept {
            Some(described) => Ok(described),
            None => read(&settings, &permit, &key.1).await,
        };
        let event = described_event(&permit, &key.1, described.as_deref());
        self.backends.store.append(event).await.map_err(|why| store_failure(&why))?;
        let described = described.map_err(|why| failure(why, &key.1))?;
        settings.schemas.0.insert(key, Arc::clone(&described));
        Ok(described)
    }

    fn check_readable(
        &self,
        settings: &Settings,
        permit: &Authorized<Control>,
        resource: &ResourceName,
    ) -> Result<(), Failure> {
        // By the token and not by the resource: whoever may not read it is not told what it is.
        let asks = |grant: &Grant| grant.resource == *resource && grant.operation == Operation::Query;
        let access = if permit.token().grants().iter().any(asks) { Access::Query } else { Access::Read };
        grants(settings, permit)
            .and_then(|grants| grants.check(resource, &access).map_err(|layer| not_granted(layer, resource, &access)))
            .map_err(|why| {
                let subject = Subject {
                    rpc: Some("ResourceService.DescribeSchema"),
                    function: None,
                    environment: permit.call().environment().as_str(),
                };
                let refused = Refused::by(permit.token())(why);
                self.refusals.record(&self.backends, AuditKind::ControlRefused, subject, refused)
            })
    }
}

async fn read(
    settings: &Settings,
    permit: &Authorized<Control>,
    resource: &ResourceName,
) -> Result<Arc<Described>, HostError> {
    let (environment, tenant) = (permit.call().environment(), &permit.principal().tenant);
    if let Some(documents) = settings.documents(resource, environment) {
        let sdl = documents.sdl().ok_or_else(|| no_schema(resource))?.to_owned();
        let schema = Schema { tables: Vec::new(), truncated: false };
        return Ok(Arc::new(Described { schema, sdl, read_unix_ms: clock::now_unix_ms() }));
    }
    let deadline = Instant::now() + DESCRIBE_TIME_MAX;
    let schema = settings.resources.describe(environment, resource, tenant, deadline).await?;
    Ok(Arc::new(Described { schema, sdl: String::new(), read_unix_ms: clock::now_unix_ms() }))
}

/// There is no manifest yet: the token stands for it.
fn grants(settings: &Settings, permit: &Authorized<Control>) -> Result<Grants, Failure> {
    let environment = Arc::clone(&settings.environment(permit.call().environment())?.grants);
    Ok(Grants { token: permit.token().grants(), manifest: permit.token().grants(), environment })
}

fn summary(settings: &Settings, permit: &Authorized<Control>, name: &ResourceName) -> Option<ResourceSummary> {
    let environment = permit.call().environment();
    let (token, bound) = (permit.token().grants(), settings.environment(environment).ok()?);
    let of_it = |grant: &&airlock_model::Grant| grant.resource == *name;
    let mut operations = Vec::new();
    for allowed in token.iter().filter(of_it) {
        let met = bound.grants.iter().filter(of_it).filter_map(|bound| allowed.operation.meet(&bound.operation));
        operations.extend(met);
    }
    operations.sort_by_key(ToString::to_string);
    operations.dedup();
    let kind = settings.resources.kind_of(name, environment)?;
    let dialect = settings.resources.dialect(name, environment);
    (!operations.is_empty()).then(|| ResourceSummary { name: name.clone(), kind, operations, dialect })
}

fn described_event(
    permit: &Authorized<Control>,
    resource: &ResourceName,
    described: Result<&Described, &HostError>,
) -> AuditEvent {
    let mut event = AuditEvent::new(AuditKind::SchemaDescribed, clock::now_unix_ms());
    event.principal = Some(permit.principal().clone());
    event.token_id = Some(permit.token().token_id().clone());
    event.environment = Some(permit.call().environment().into());
    event.resource = Some(resource.to_string());
    event.operation = Some("describe".to_owned());
    event.decision = Some(Decision::Permit);
    match described {
        Ok(described) => {
            event.reason = Some("ok".to_owned());
            event.rows = Some(described.schema.tables.iter().map(|table| table.columns.len() as u64).sum());
        }
        Err(why) => {
            event.reason = Some(why.reason().to_owned());
            event.message = Some(why.to_string());
        }
    }
    event
}

/// Nobody has fetched it: that is the operator's to do, with `airlock resources introspect`.
fn no_schema(resource: &ResourceName) -> HostError {
    HostError::Unavailable(format!("the binding of `{resource}` names no schema file: ask the operator for one"))
}

fn not_granted(layer: Layer, resource: &ResourceName, access: &Access) -> Failure {
    let message = format!(
        "`{resource}:{access}` is not covered by {}",
        match layer {
            Layer::Environment => layer.place(),
            Layer::Token | Layer::Manifest => Layer::Token.place(),
        }
    );
    let hint = format!(
        "ask the issuer for a token with `{resource}:read` (`query` for GraphQL), and the operator to bind it so"
    );
    Failure::new(Reason::NotGranted, message, hint)
}

fn failure(why: HostError, resource: &ResourceName) -> Failure {
    match why {
        HostError::Denied { rule, hint, .. } => Failure::new(Reason::NotGranted, rule, hint),
        HostError::BadRequest(_) => {
            let message = format!("`{resource}` is neither a database nor a GraphQL API");
            Failure::new(Reason::RequestMalformed, message, "ask for a resource of kind `sql` or `graphql`")
        }
        other => {
            let hint = "try again later; operators see the cause in the server's log";
            Failure::new(Reason::ResourceUnavailable, other.to_string(), hint)
        }
    }
}
