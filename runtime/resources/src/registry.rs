//! Every binding of every environment, and the one function that uses them.

mod probe;

use std::{collections::HashMap, sync::Arc};

use airlock_model::{
    Access, Digest, EnvironmentName, Grant, Grants, HostError, HostReply, Operation, OperationClass, Reason,
    RequestPath, ResourceKind, ResourceName, StatementClass, TenantName, WebOrigin, WebUrl,
};
use tokio::time::Instant;

use crate::{
    AuditPath, BeginRequest, Begun, Binding, BlobRequest, Completed, GraphqlRequest, HttpRequest, KvRequest,
    LlmRequest, Network, Performed, Permitted, Schema, SqlRequest, Stream, StreamRequest, Took, Traffic, Transaction,
    address::AddressPolicy,
    blob::BlobStore,
    config::Engine,
    failed::Failed,
    graphql::Graphql,
    http::{EgressVerdict, HttpClient, HttpExchange},
    kv::KvStore,
    llm::Llm,
    mysql::Mysql,
    pace::Pace,
    postgres::Postgres,
    schema,
    sqlite::{Database, heap},
    stream,
    transaction::{Open, access_of},
};

pub use probe::Probe;

/// The SQL dialect of a database, for whoever has to parse statements.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// SQLite 3.
    Sqlite,
    /// PostgreSQL.
    Postgres,
    /// MySQL or MariaDB.
    Mysql,
}

impl Dialect {
    /// As `engine` has it in the configuration.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Sqlite => "sqlite",
            Self::Postgres => "postgres",
            Self::Mysql => "mysql",
        }
    }
}

/// The clients of this process. Reloading builds a new one and swaps it; calls in flight keep the old one alive.
#[derive(Debug, Default)]
pub struct Resources {
    bound: HashMap<ResourceName, HashMap<EnvironmentName, Arc<Bound>>>,
}

/// Why a binding cannot be added.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum AddError {
    /// Two bindings of one resource for one environment.
    #[error("`{resource}` is bound twice in environment `{environment}`: remove one binding")]
    BoundTwice {
        /// The resource.
        resource: ResourceName,
        /// The environment.
        environment: EnvironmentName,
    },
}

#[derive(Debug)]
pub(crate) struct Bound {
    grants: Arc<[Grant]>,
    client: Client,
    pub(crate) pace: Pace,
    fingerprint: Option<Digest>,
    credential: Option<Digest>,
}

#[derive(Debug)]
enum Client {
    Sqlite(Database),
    Http(Arc<HttpClient>),
    Postgres(Box<Postgres>),
    Mysql(Box<Mysql>),
    Kv(KvStore),
    Blob(BlobStore),
    Graphql(Box<Graphql>),
    Llm(Box<Llm>),
}

impl Resources {
    /// Nothing bound yet. The first of a process comes before any SQLite database is opened, or SQLite's memory is not counted
    /// by statement.
    #[must_use]
    pub fn new() -> Self {
        heap::claim();
        Self::default()
    }

    /// Binds a resource in an environment. Opens nothing: databases and connections open on first use.
    ///
    /// No request is ever sent to the listeners of the network, and names are resolved as it says.
    ///
    /// # Errors
    /// When the pair is bound already.
    pub fn add(
        &mut self,
        resource: ResourceName,
        environment: EnvironmentName,
        binding: Binding,
        network: &Network,
    ) -> Result<(), AddError> {
        let environments = self.bound.entry(resource.clone()).or_default();
        if environments.contains_key(&environment) {
            return Err(AddError::BoundTwice { resource, environment });
        }
        let grant = |operation| Grant { resource: resource.clone(), operation };
        let grants = binding.operations.into_iter().map(grant).collect();
        let credential = match &binding.engine {
            Engine::Sqlite(_) => None,
            Engine::Http(settings) => settings.credential_mark(),
            Engine::Postgres(settings) => Some(settings.server.credential_mark()),
            Engine::Mysql(settings) => Some(settings.credential_mark()),
            Engine::Kv(settings) => settings.credential_mark(),
            Engine::Blob(settings) => settings.credential_mark(),
            Engine::Graphql(settings) => settings.credential_mark(),
            Engine::Llm(settings) => settings.credential_mark(),
        };
        let (fingerprint, pace) = (binding.fingerprint, binding.pace);
        let client = match binding.engine {
            Engine::Sqlite(settings) => Client::Sqlite(Database::new(&resource, settings)),
            Engine::Http(settings) => {
                let policy = AddressPolicy::new(settings.allow_private.clone(), network);
                Client::Http(Arc::new(HttpClient::new(resource, *settings, policy)))
            }
            Engine::Postgres(settings) => Client::Postgres(Box::new(Postgres::new(resource, *settings, network))),
            Engine::Mysql(settings) => Client::Mysql(Box::new(Mysql::new(resource, *settings, network))),
            Engine::Kv(settings) => Client::Kv(KvStore::new(resource, &environment, settings, network)),
            Engine::Blob(settings) => Client::Blob(BlobStore::new(resource, &environment, settings, network)),
            Engine::Graphql(settings) => {
                let policy = AddressPolicy::new(settings.allow_private().to_vec(), network);
                Client::Graphql(Box::new(Graphql::new(resource, *settings, policy)))
            }
            Engine::Llm(settings) => {
                let policy = AddressPolicy::new(settings.allow_private().to_vec(), network);
                Client::Llm(Box::new(Llm::new(resource, *settings, policy)))
            }
        };
        environments.insert(environment, Arc::new(Bound { grants, client, pace, fingerprint, credential }));
        Ok(())
    }

    /// Takes over the clients of bindings that are the same in `old`, with their open connections.
    pub fn keep_unchanged(&mut self, old: &Self) {
        for (resource, environments) in &mut self.bound {
            for (environment, bound) in environments {
                let before = old.bound.get(resource).and_then(|environments| environments.get(environment));
                if let Some(before) = before.filter(|before| before.is_same(bound)) {
                    *bound = Arc::clone(before);
                }
            }
        }
    }

    /// Changes when the credential of a binding does, and says nothing about it.
    #[must_use]
    pub fn credential_mark(&self, resource: &ResourceName, environment: &EnvironmentName) -> Option<Digest> {
        self.find(resource, environment).and_then(|bound| bound.credential)
    }

    /// What an environment allows, on all its resources together.
    #[must_use]
    pub fn operations_in(&self, environment: &EnvironmentName) -> Arc<[Grant]> {
        let bound = self.bound.values().filter_map(|environments| environments.get(environment));
        bound.flat_map(|bound| bound.grants.iter().cloned()).collect()
    }

    /// The kind of a bound resource.
    #[must_use]
    pub fn kind_of(&self, resource: &ResourceName, environment: &EnvironmentName) -> Option<ResourceKind> {
        self.find(resource, environment).map(|bound| match bound.client {
            Client::Sqlite(_) | Client::Postgres(_) | Client::Mysql(_) => ResourceKind::Sql,
            Client::Http(_) => ResourceKind::Http,
            Client::Kv(_) => ResourceKind::Kv,
            Client::Blob(_) => ResourceKind::Blob,
            Client::Graphql(_) => ResourceKind::Graphql,
            Client::Llm(_) => ResourceKind::Llm,
        })
    }

    /// The dialect of a bound database; `None` for other kinds.
    #[must_use]
    pub fn dialect(&self, resource: &ResourceName, environment: &EnvironmentName) -> Option<Dialect> {
        self.find(resource, environment).and_then(|bound| match bound.client {
            Client::Sqlite(_) => Some(Dialect::Sqlite),
            Client::Postgres(_) => Some(Dialect::Postgres),
            Client::Mysql(_) => Some(Dialect::Mysql),
            Client::Http(_) | Client::Kv(_) | Client::Blob(_) | Client::Graphql(_) | Client::Llm(_) => None,
        })
    }

    /// What is bound in an environment, by name.
    #[must_use]
    pub fn names_in(&self, environment: &EnvironmentName) -> Vec<&ResourceName> {
        let bound = self.bound.iter().filter(|(_, environments)| environments.contains_key(environment));
        let mut names: Vec<_> = bound.map(|(name, _)| name).collect();
        names.sort();
        names
    }

    /// The tables of a database, as its reading role sees them. Whose question it is decides whose connections it takes.
    ///
    /// # Errors
    /// Those of a read; `BadRequest` when the resource is no database.
    pub async fn describe(
        &self,
        environment: &EnvironmentName,
        resource: &ResourceName,
        tenant: &TenantName,
        deadline: Instant,
    ) -> Result<Schema, HostError> {
        let dialect = self.dialect(resource, environment).ok_or_else(|| wrong_kind(resource))?;
        let request = schema::request(dialect, resource, tenant, deadline);
        schema::read(resource, self.perform_sql(environment, request).await.map_err(Failed::into_error)?)
    }

    /// Carries out a permitted call, within its deadline and caps.
    ///
    /// Dropping the future stops the work: a statement is interrupted, a connection with a request on it is closed.
    pub async fn perform(&self, environment: &EnvironmentName, call: Permitted) -> Performed {
        match call {
            Permitted::Sql(request) => Performed::ended(self.perform_sql(environment, request).await),
            Permitted::Http(request) => self.perform_http(environment, request).await,
            Permitted::Kv(request) => Performed::ended(self.perform_kv(environment, request).await),
            Permitted::Blob(request) => Performed::ended(self.perform_blob(environment, request).await),
            Permitted::Graphql(request) => self.perform_graphql(environment, request).await,
        }
    }

    async fn perform_sql(&self, environment: &EnvironmentName, request: SqlRequest) -> Result<HostReply, Failed> {
        let bound = self.get(&request.resource, environment)?;
        bound.admit(&request.resource, &access_of(request.class)?, request.deadline).await?;
        match &bound.client {
            Client::Sqlite(database) => {
                request.stop.is_not_told();
                database.perform(request).await
            }
            Client::Postgres(database) => database.perform(request).await,
            Client::Mysql(database) => {
                request.stop.is_not_told();
                database.perform(request).await
            }
            Client::Http(_) | Client::Kv(_) | Client::Blob(_) | Client::Graphql(_) | Client::Llm(_) => {
                Err(wrong_kind(&request.resource).into())
            }
        }
    }

    /// Starts a permitted query whose rows are taken in batches, within its deadline.
    ///
    /// # Errors
    /// Why there is none, in words that a guest may see.
    pub async fn stream(&self, environment: &EnvironmentName, request: StreamRequest) -> Result<Stream, HostError> {
        let StreamRequest { query, rows_total_max } = request;
        let bound = self.get(&query.resource, environment)?;
        bound.admit(&query.resource, &access_of(query.class)?, query.deadline).await?;
        let batch_rows_max = query.rows_max;
        let open = match &bound.client {
            Client::Sqlite(database) => {
                query.stop.is_not_told();
                stream::Open::Sqlite(database.stream(query).await?)
            }
            Client::Postgres(database) => stream::Open::Postgres(Box::new(database.stream(query).await?)),
            Client::Mysql(database) => {
                query.stop.is_not_told();
                stream::Open::Mysql(Box::new(database.stream(query).await?))
            }
            Client::Http(_) | Client::Kv(_) | Client::Blob(_) | Client::Graphql(_) | Client::Llm(_) => {
                return Err(wrong_kind(&query.resource));
            }
        };
        Ok(Stream { open, rows_left: rows_total_max, batch_rows_max })
    }

    /// Opens a permitted transaction, within its deadline.
    ///
    /// # Errors
    /// Why there is none, in words that a guest may see.
    pub async fn begin(&self, environment: &EnvironmentName, request: BeginRequest) -> Result<Transaction, HostError> {
        let (resource, bound) = (request.resource.clone(), Arc::clone(self.get(&request.resource, environment)?));
        bound.pace.turn(&resource, request.deadline).await?;
        let open = match &bound.client {
            Client::Sqlite(database) => Open::Sqlite(database.begin(request).await?),
            Client::Postgres(database) => Open::Postgres(database.begin(request).await?),
            Client::Mysql(database) => Open::Mysql(database.begin(request).await?),
            Client::Http(_) | Client::Kv(_) | Client::Blob(_) | Client::Graphql(_) | Client::Llm(_) => {
                return Err(wrong_kind(&resource));
            }
        };
        Ok(Transaction { resource, bound, open })
    }

    async fn perform_http(&self, environment: &EnvironmentName, request: HttpRequest) -> Performed {
        match self.http(environment, &request).await {
            Ok(client) => client.perform(request).await,
            Err(denied) => Performed::without_egress(Err(denied)),
        }
    }

    /// Prepares a permitted exchange that is carried out step by step. Nothing is sent before its first step.
    ///
    /// # Errors
    /// Why there is none, in words that a guest may see.
    pub async fn exchange(
        &self,
        environment: &EnvironmentName,
        request: HttpRequest,
    ) -> Result<HttpExchange, HostError> {
        Ok(HttpExchange::new(Arc::clone(self.http(environment, &request).await?), request))
    }

    async fn http(&self, environment: &EnvironmentName, request: &HttpRequest) -> Result<&Arc<HttpClient>, HostError> {
        let bound = self.get(&request.resource, environment)?;
        let access = Access::Http(request.method, request.path.clone());
        bound.admit(&request.resource, &access, request.deadline).await?;
        bound.http(&request.resource)
    }

    /// Where a URL leads within a binding: an origin other than its own, and the path that grants speak of.
    ///
    /// # Errors
    /// `Denied` when the binding does not cover it; `BadRequest` when the resource is no HTTP API.
    pub fn locate(
        &self,
        environment: &EnvironmentName,
        resource: &ResourceName,
        url: &WebUrl,
    ) -> Result<(Option<WebOrigin>, RequestPath), HostError> {
        self.get(resource, environment)?.http(resource)?.settings().locate(url)
    }

    /// Whether the parameter `q` of a path is a SOQL query.
    #[must_use]
    pub fn takes_soql(&self, environment: &EnvironmentName, resource: &ResourceName, path: &RequestPath) -> bool {
        let client = self.find(resource, environment).and_then(|bound| bound.http(resource).ok());
        client.is_some_and(|client| client.settings().soql.iter().any(|pattern| pattern.matches(path)))
    }

    /// Whether any path of a binding takes SOQL.
    #[must_use]
    pub fn has_soql(&self, environment: &EnvironmentName, resource: &ResourceName) -> bool {
        let client = self.find(resource, environment).and_then(|bound| bound.http(resource).ok());
        client.is_some_and(|client| !client.settings().soql.is_empty())
    }

    /// A path as the trail of a binding has it.
    #[must_use]
    pub fn path_in_trail(&self, environment: &EnvironmentName, resource: &ResourceName, path: &str) -> String {
        let bound = self.find(resource, environment);
        let policy = bound.and_then(|bound| Some(bound.http(resource).ok()?.settings().audit_path));
        match (policy.unwrap_or_default(), bound) {
            (AuditPath::Plain, _) => path.to_owned(),
            (AuditPath::Hash, _) => format!("sha256:{}", Digest::of(path.as_bytes())),
            (AuditPath::Redacted, bound) => {
                bound.and_then(|bound| bound.pattern_of(path)).unwrap_or("(no pattern covers it)".to_owned())
            }
        }
    }

    /// Whether the operator keeps even the paths of a binding out of the trail.
    #[must_use]
    pub fn hides_path(&self, environment: &EnvironmentName, resource: &ResourceName) -> bool {
        let http = self.find(resource, environment).and_then(|bound| bound.http(resource).ok());
        http.is_some_and(|http| http.settings().audit_path != AuditPath::Plain)
    }

    /// Whether the address that a call over HTTP would be sent to may be connected to. Resolves no name: `false` where that
    /// would have to be known, and for bindings that are not over HTTP.
    ///
    /// # Errors
    /// `Denied`, as the call would be.
    pub fn judge_address(
        &self,
        environment: &EnvironmentName,
        resource: &ResourceName,
        origin: Option<WebOrigin>,
    ) -> Result<bool, HostError> {
        Ok(match &self.get(resource, environment)?.client {
            Client::Http(client) => client.judge_literal(origin)?,
            Client::Graphql(client) => client.judge_literal()?,
            Client::Llm(client) => client.judge_literal()?,
            Client::Sqlite(_) | Client::Postgres(_) | Client::Mysql(_) | Client::Kv(_) | Client::Blob(_) => false,
        })
    }

    /// What would be decided about a request, and why, without sending it.
    ///
    /// # Errors
    /// When the resource is not bound in the environment, or no HTTP API.
    pub async fn explain_egress(
        &self,
        environment: &EnvironmentName,
        resource: &ResourceName,
        method: &str,
        url: &str,
    ) -> Result<EgressVerdict, HostError> {
        let bound = self.get(resource, environment)?;
        let covers = |access: &Access| bound.check(resource, access).is_ok();
        Ok(bound.http(resource)?.explain(method, url, covers).await)
    }

    async fn perform_kv(&self, environment: &EnvironmentName, request: KvRequest) -> Result<HostReply, Failed> {
        let bound = self.get(&request.resource, environment)?;
        let Client::Kv(store) = &bound.client else { return Err(wrong_kind(&request.resource).into()) };
        let access = if request.command.changes() { Access::Write } else { Access::Read };
        bound.admit(&request.resource, &access, request.deadline).await?;
        store.perform(request).await
    }

    async fn perform_blob(&self, environment: &EnvironmentName, request: BlobRequest) -> Result<HostReply, Failed> {
        let bound = self.get(&request.resource, environment)?;
        let Client::Blob(store) = &bound.client else { return Err(wrong_kind(&request.resource).into()) };
        let access = if request.command.changes() { Access::Write } else { Access::Read };
        bound.admit(&request.resource, &access, request.deadline).await?;
        store.perform(request).await
    }

    async fn perform_graphql(&self, environment: &EnvironmentName, request: GraphqlRequest) -> Performed {
        match self.graphql(environment, &request).await {
            Ok(client) => client.perform(request).await,
            Err(denied) => Performed::without_egress(Err(denied)),
        }
    }

    async fn graphql(&self, environment: &EnvironmentName, request: &GraphqlRequest) -> Result<&Graphql, HostError> {
        let bound = self.get(&request.resource, environment)?;
        let Client::Graphql(client) = &bound.client else { return Err(wrong_kind(&request.resource)) };
        let access = match request.class {
            OperationClass::Query => Access::Query,
            OperationClass::Mutation => Access::Mutation,
        };
        bound.admit(&request.resource, &access, request.deadline).await?;
        Ok(client)
    }

    /// Asks a language model for a whole completion, within deadline and caps.
    pub async fn complete(&self, environment: &EnvironmentName, request: LlmRequest) -> Completed {
        match self.model(environment, &request.resource, request.deadline).await {
            Ok(client) => client.complete(request).await,
            Err(denied) => Completed { reply: Err(denied), took: Took::Nothing, egress_bytes: 0, traffic: None },
        }
    }

    /// Asks a language model for a completion that comes as it is made.
    pub async fn stream_completion(&self, environment: &EnvironmentName, request: LlmRequest) -> Begun {
        match self.model(environment, &request.resource, request.deadline).await {
            Ok(client) => client.stream(request).await,
            Err(denied) => Begun { stream: Err(denied), took: Took::Nothing, traffic: Traffic::default() },
        }
    }

    async fn model(
        &self,
        environment: &EnvironmentName,
        resource: &ResourceName,
        deadline: Instant,
    ) -> Result<&Llm, HostError> {
        let bound = self.get(resource, environment)?;
        let Client::Llm(client) = &bound.client else { return Err(wrong_kind(resource)) };
        bound.admit(resource, &Access::Complete, deadline).await?;
        Ok(client)
    }

    fn find(&self, resource: &ResourceName, environment: &EnvironmentName) -> Option<&Arc<Bound>> {
        self.bound.get(resource)?.get(environment)
    }

    fn get(&self, resource: &ResourceName, environment: &EnvironmentName) -> Result<&Arc<Bound>, HostError> {
        self.find(resource, environment).ok_or_else(|| HostError::Denied {
            reason: Reason::ResourceUnbound.to_string(),
            rule: format!("environment `{environment}` does not bind `{resource}`"),
            hint: format!("add [resources.{resource}.{environment}] to airlock.toml"),
        })
    }
}

impl Bound {
    fn http(&self, resource: &ResourceName) -> Result<&Arc<HttpClient>, HostError> {
        match &self.client {
            Client::Http(client) => Ok(client),
            Client::Sqlite(_)
            | Client::Postgres(_)
            | Client::Mysql(_)
            | Client::Kv(_)
            | Client::Blob(_)
            | Client::Graphql(_)
            | Client::Llm(_) => Err(wrong_kind(resource)),
        }
    }

    /// The first pattern of its operations that covers a path.
    fn pattern_of(&self, path: &str) -> Option<String> {
        let path: RequestPath = path.parse().ok()?;
        self.grants.iter().find_map(|grant| match &grant.operation {
            Operation::Http(_, pattern) if pattern.matches(&path) => Some(pattern.to_string()),
            _ => None,
        })
    }

    fn is_same(&self, other: &Self) -> bool {
        self.fingerprint.is_some() && self.fingerprint == other.fingerprint
    }

    /// Checks, and waits for a turn.
    async fn admit(&self, resource: &ResourceName, access: &Access, deadline: Instant) -> Result<(), HostError> {
        self.check(resource, access)?;
        self.pace.turn(resource, deadline).await
    }

    /// The gate has checked this; a binding does not take its word for it.
    pub(crate) fn check(&self, resource: &ResourceName, access: &Access) -> Result<(), HostError> {
        let held = || Arc::clone(&self.grants);
        let grants = Grants { token: held(), manifest: held(), environment: held() };
        grants.check(resource, access).map_err(|_| HostError::Denied {
            reason: Reason::NotGranted.to_string(),
            rule: format!("the binding of `{resource}` does not list `{access}`"),
            hint: "add it to `operations` of the binding in airlock.toml".to_owned(),
        })
    }
}

fn wrong_kind(resource: &ResourceName) -> HostError {
    HostError::BadRequest(format!("`{resource}` is bound to a backend of another kind"))
}

pub(crate) fn refused_class(class: StatementClass) -> HostError {
    HostError::Denied {
        reason: Reason::StatementRefused.to_string(),
        rule: format!("statements of class `{}` are never carried out for guests", class.as_str()),
        hint: "use a statement that reads, or changes rows or the schema".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{BindingConfig, Sources};

    fn binding() -> Binding {
        let config: BindingConfig =
            toml::from_str("engine = 'sqlite'\npath = 'none.db'\noperations = ['read']").expect("syntax");
        config.resolve(&Sources { read_env: &|_| None, allow_inline: false }).expect("valid")
    }

    #[test]
    fn an_unchanged_binding_keeps_its_client_and_a_changed_one_does_not() {
        let (name, dev): (ResourceName, EnvironmentName) = ("crm".parse().unwrap(), "dev".parse().unwrap());
        let with_secret = |secret: &str, path: &str| {
            let text = format!(
                "engine = 'http'\nbase_url = 'https://crm.example{path}'\noperations = ['GET']\n\
                 credential = {{ kind = 'bearer', value = {{ env = 'X' }} }}"
            );
            let config: BindingConfig = toml::from_str(&text).expect("syntax");
            let read_env = |_: &str| Some(secret.to_owned());
            let binding = config.resolve(&Sources { read_env: &read_env, allow_inline: false }).expect("valid");
            let mut resources = Resources::new();
            resources.add(name.clone(), dev.clone(), binding, &Network::default()).expect("added");
            resources
        };
        let old = with_secret("canary-1", "");
        for (secret, path, kept) in [("canary-1", "", true), ("canary-2", "", false), ("canary-1", "/v2", false)] {
            let mut new = with_secret(secret, path);
            new.keep_unchanged(&old);
            assert_eq!(Arc::ptr_eq(&new.bound[&name][&dev], &old.bound[&name][&dev]), kept, "{secret}{path}");
            assert_eq!(new.credential_mark(&name, &dev) == old.credential_mark(&name, &dev), secret == "canary-1");
        }
        assert!(!format!("{old:?}").contains("canary"));
    }

    #[test]
    fn a_pair_is_bound_once_and_found_only_under_its_own_name() {
        let (orders, dev): (ResourceName, EnvironmentName) = ("orders".parse().unwrap(), "dev".parse().unwrap());
        let prod: EnvironmentName = "prod".parse().unwrap();
        let mut resources = Resources::new();
        assert_eq!(resources.add(orders.clone(), dev.clone(), binding(), &Network::default()), Ok(()));
        assert!(resources.add(orders.clone(), dev.clone(), binding(), &Network::default()).is_err());
        assert_eq!(resources.kind_of(&orders, &dev), Some(ResourceKind::Sql));
        assert_eq!(resources.dialect(&orders, &dev), Some(Dialect::Sqlite));
        let grants = resources.operations_in(&dev);
        assert_eq!(grants.iter().map(ToString::to_string).collect::<Vec<_>>(), ["orders:read"]);
        assert_eq!(resources.kind_of(&orders, &prod), None);
        assert!(resources.operations_in(&prod).is_empty());
    }
}
