//! What the operator decided, as of one reading of the configuration: one value that never changes.
//!
//! A call takes it once, at its beginning, and so sees one configuration; a reload puts another in its place.

use std::{
    collections::{BTreeMap, HashMap},
    net::SocketAddr,
    sync::Arc,
    time::Duration,
};

use airlock_access::{Authenticator, Issuer, PolicyError, TokenPolicy, UsedProofs};
use airlock_analysis::packages::PackagePolicy;
use airlock_model::{
    ApprovalPolicy, Digest, EffectiveLimits, EnvironmentName, Failure, Grant, LimitCaps, LimitPlaces, LimitSource,
    Limits, PlaceTable, Reason, ResourceName, TenantName, place::join,
};
use airlock_resources::{Network, RedactError, Redactor, Resources, Sources};

use crate::{
    app::StartError,
    catalog::Schemas,
    clock,
    config::{AuditPolicy, Config, ConfigError, DeployPolicy, Origin, Setting, WritePolicy, process_environment},
    gate::{Documents, Listed, Models, analysed_as},
    identity::Identities,
    keys::{self, KeyRing, Opened, Published},
    packages,
    registry::Deployed,
    signatures::{self, Signers},
    tls::ListenersTls,
};

/// Everything that a reload replaces.
pub(crate) struct Settings {
    pub(crate) config: Config,
    pub(crate) authenticator: Arc<Authenticator>,
    pub(crate) identity: Identities,
    /// The key sets that issuers and identity providers publish, by `iss`.
    pub(crate) published: BTreeMap<String, Arc<Published>>,
    /// What the listeners speak TLS with.
    pub(crate) tls: ListenersTls,
    pub(crate) resources: Resources,
    listed: ByBinding<Listed>,
    nothing_listed: Listed,
    documents: ByBinding<Documents>,
    models: ByBinding<Models>,
    pub(crate) operator: Limits,
    /// Every value with its source.
    pub(crate) listing: Vec<Setting>,
    /// Changes with a credential, by its key.
    pub(crate) credentials: BTreeMap<String, Digest>,
    operator_places: Arc<PlaceTable>,
    tenants: HashMap<TenantName, LimitLayer>,
    environments: HashMap<EnvironmentName, Environment>,
    nothing: LimitLayer,
    token_policy: Digest,
    pub(crate) schemas: Schemas,
    /// Takes secrets out of what functions write.
    pub(crate) redactor: Redactor,
}

type ByBinding<T> = HashMap<ResourceName, HashMap<EnvironmentName, T>>;

/// The limits that one section sets.
#[derive(Clone, Default)]
pub(crate) struct LimitLayer {
    pub(crate) caps: LimitCaps,
    places: Option<Arc<PlaceTable>>,
}

impl LimitLayer {
    /// What a section of the configuration says, with where it says it.
    pub(crate) fn read(config: &Config, section: &str, caps: &LimitCaps) -> Self {
        Self { caps: caps.clone(), places: config.origins.limit_places(section, caps).map(Arc::new) }
    }
}

/// The limits of operator, tenant and environment, and of a function: the least of each.
pub(crate) fn layered(
    (operator, operator_places): (&Limits, &Arc<PlaceTable>),
    (tenant, environment): (&LimitLayer, &LimitLayer),
    function: Option<(&LimitCaps, &Arc<PlaceTable>)>,
) -> EffectiveLimits {
    let mut limits = EffectiveLimits::new(operator.clone());
    limits.tighten(&tenant.caps, LimitSource::Tenant);
    limits.tighten(&environment.caps, LimitSource::Environment);
    if let Some((caps, _)) = function {
        limits.tighten(caps, LimitSource::Function);
    }
    limits.with_places(LimitPlaces {
        operator: Some(Arc::clone(operator_places)),
        tenant: tenant.places.clone(),
        environment: environment.places.clone(),
        function: function.map(|(_, places)| Arc::clone(places)),
    })
}

/// One environment.
#[derive(Clone)]
pub(crate) struct Environment {
    pub(crate) limits: LimitLayer,
    pub(crate) writes: WritePolicy,
    /// Whether only listed statements run.
    pub(crate) strict: bool,
    /// Whether a token is good for the effects of one call only.
    pub(crate) single_use_tokens: bool,
    pub(crate) deploys: DeployPolicy,
    pub(crate) promote_from: Arc<[EnvironmentName]>,
    /// Who signs for it.
    pub(crate) signers: Signers,
    /// What functions may bring along.
    pub(crate) packages: Option<Arc<PackagePolicy>>,
    /// Who may approve what, and for how long.
    pub(crate) approvals: Arc<ApprovalPolicy>,
    /// What the trail keeps of its host calls.
    pub(crate) audit: AuditPolicy,
    /// What its bindings allow.
    pub(crate) grants: Arc<[Grant]>,
}

impl Settings {
    /// Checks a configuration, reads keys and credentials, and keeps of `before` what is the same: verified tokens
    /// while the token policy is, connections of resources that are.
    ///
    /// # Errors
    /// The first thing that is wrong, with its place. Nothing has changed then.
    pub(crate) fn build(
        config: Config,
        own: &[SocketAddr],
        ring: &KeyRing,
        before: Option<&Self>,
    ) -> Result<Self, StartError> {
        let (identity, provider_keys) = Identities::read(&config, ring, before.map(|before| &before.identity))?;
        let Tokens { authenticator, published, identity: token_policy, listed: keys } =
            tokens(&config, ring, &identity, before)?;
        let (tls, certificates) = ListenersTls::read(&config, before.map(|before| &before.tls))?;
        let mut resources = bind_resources(&config, own)?;
        if let Some(before) = before {
            resources.keep_unchanged(&before.resources);
        }
        let listed = listed_functions(&config, &resources)?;
        let documents = documents(&config)?;
        let mut listing = config.settings();
        listing.extend(keys.into_iter().chain(provider_keys));
        listing.extend(certificates);
        let redactor =
            redactor(&config).map_err(|why| config.origins.locate(ConfigError::value("logs.redact", why)))?;
        let (packages, indexes) = packages::policies(&config)?;
        listing.extend(indexes);
        let (signers, signer_keys) = signatures::signers(&config)?;
        listing.extend(signer_keys);
        let tenant = |(name, tenant): (&TenantName, &crate::config::TenantConfig)| {
            (name.clone(), LimitLayer::read(&config, &join("limits.tenant", name.as_str()), &tenant.limits))
        };
        let environment = |(name, written): (&EnvironmentName, &crate::config::EnvironmentConfig)| {
            let limits = LimitLayer::read(&config, &format!("environments.{name}.limits"), &written.limits);
            let environment = Environment {
                limits,
                writes: written.writes,
                strict: written.strict,
                single_use_tokens: written.single_use_tokens,
                deploys: written.deploys,
                promote_from: written.promote_from.as_slice().into(),
                signers: signers.get(name).cloned().unwrap_or_default(),
                packages: packages.get(name).cloned(),
                approvals: Arc::new(written.approvals.clone()),
                audit: config.audit.policy(&written.audit),
                grants: resources.operations_in(name),
            };
            (name.clone(), environment)
        };
        Ok(Self {
            authenticator,
            identity,
            published,
            tls,
            token_policy,
            operator: config.limits.operator(),
            operator_places: Arc::new(config.origins.operator_places()),
            tenants: config.limits.tenant.iter().map(tenant).collect(),
            environments: config.environments.iter().map(environment).collect(),
            nothing: LimitLayer::default(),
            schemas: Schemas::default(),
            redactor,
            credentials: credentials(&config, &resources),
            listing,
            listed,
            nothing_listed: Listed::none(),
            documents,
            models: models(&config),
            resources,
            config,
        })
    }

    /// The functions that count as reads in a database beyond the built-in ones.
    pub(crate) fn listed(&self, resource: &ResourceName, environment: &EnvironmentName) -> &Listed {
        let listed = self.listed.get(resource).and_then(|environments| environments.get(environment));
        listed.unwrap_or(&self.nothing_listed)
    }

    /// What documents for a GraphQL API are judged by; `None` for other kinds.
    pub(crate) fn documents(&self, resource: &ResourceName, environment: &EnvironmentName) -> Option<&Documents> {
        self.documents.get(resource)?.get(environment)
    }

    /// What may be taken of a binding of language models; `None` for other kinds.
    pub(crate) fn models(&self, resource: &ResourceName, environment: &EnvironmentName) -> Option<&Models> {
        self.models.get(resource)?.get(environment)
    }

    /// What is set for a tenant.
    pub(crate) fn tenant(&self, tenant: &TenantName) -> &LimitLayer {
        self.tenants.get(tenant).unwrap_or(&self.nothing)
    }

    /// An environment, if there is one of that name in this configuration.
    pub(crate) fn environment(&self, environment: &EnvironmentName) -> Result<&Environment, Failure> {
        self.environments.get(environment).ok_or_else(|| {
            let message = format!("there is no environment `{environment}`, or no longer");
            let hint = format!("ask the operator for [environments.{environment}] in airlock.toml");
            Failure::new(Reason::EnvironmentUnknown, message, hint)
        })
    }

    /// Where the limits of a call will have been written.
    pub(crate) fn places(&self, tenant: &LimitLayer, environment: &Environment, function: &Deployed) -> LimitPlaces {
        LimitPlaces {
            operator: Some(Arc::clone(&self.operator_places)),
            tenant: tenant.places.clone(),
            environment: environment.limits.places.clone(),
            function: Some(Arc::clone(&function.limit_places)),
        }
    }

    /// The limits of a tenant in an environment, before token and caller have tightened them.
    pub(crate) fn limits(
        &self,
        tenant: &TenantName,
        environment: &Environment,
        function: Option<&Deployed>,
    ) -> EffectiveLimits {
        let layers = (self.tenant(tenant), &environment.limits);
        let of_function = function.map(|function| (&function.limits, &function.limit_places));
        layered((&self.operator, &self.operator_places), layers, of_function)
    }

    /// A refusal of admission with the line that sets the quota or bound, where one is written.
    pub(crate) fn placed(&self, mut refusal: Failure, tenant: &TenantName) -> Failure {
        if let Some(report) = refusal.limit.as_deref_mut() {
            let section = match report.source {
                LimitSource::Tenant => join("limits.tenant", tenant.as_str()),
                LimitSource::Admission => "admission".to_owned(),
                LimitSource::Operator
                | LimitSource::Environment
                | LimitSource::Function
                | LimitSource::Token
                | LimitSource::Caller => return refusal,
            };
            let name = report.limit;
            let origin = self.origin(&join(&section, name.name()));
            if origin != Origin::BuiltIn {
                report.place = format!("[{section}] {name} ({origin})");
            }
        }
        refusal
    }

    /// Whether any binding of language models has a budget for the whole day.
    pub(crate) fn has_daily_spending(&self) -> bool {
        self.models.values().flat_map(HashMap::values).any(Models::has_daily_budgets)
    }

    /// Whether any tenant has a budget for the whole day.
    pub(crate) fn has_daily_budgets(&self) -> bool {
        self.config.limits.tenant.values().any(|tenant| tenant.quotas.is_daily())
    }

    /// Where a key of the configuration was set, for texts.
    pub(crate) fn origin(&self, key: &str) -> Origin {
        self.config.origins.of(key)
    }

    /// Waits until every published set has keys, or its first fetch has failed.
    pub(crate) async fn keys_settled(&self) {
        for set in self.published.values() {
            set.settled().await;
        }
    }

    /// Waits until every published set has been fetched, or could not be: for as long as one fetch takes at most.
    pub(crate) async fn keys_fetched(&self) {
        for set in self.published.values() {
            set.tried().await;
        }
    }

    /// How long a stopping server waits for calls in flight.
    pub(crate) fn drain(&self) -> Duration {
        Duration::from_millis(self.config.server.drain_ms)
    }
}

/// Who may call, as of one reading of the configuration.
struct Tokens {
    authenticator: Arc<Authenticator>,
    published: BTreeMap<String, Arc<Published>>,
    /// Tells whether the policy and its files are the same as before.
    identity: Digest,
    /// The key ids for the list of settings.
    listed: Vec<Setting>,
}

fn tokens(config: &Config, ring: &KeyRing, own: &Identities, before: Option<&Settings>) -> Result<Tokens, StartError> {
    let (mut issuers, mut listed, mut marks) = (Vec::new(), Vec::new(), Vec::new());
    let mut published: BTreeMap<_, _> = own.published().collect();
    config.expect_issuer().map_err(|why| config.origins.locate(why))?;
    for (section, source) in config.issuer_sources() {
        let (iss, algorithms) = (source.iss.to_owned(), source.allowed());
        let Opened { keys, mark, setting } = keys::open(config, ring, (&section, source))?;
        marks.extend(mark.as_bytes());
        listed.push(setting);
        if let Some(set) = keys.published() {
            published.insert(iss.clone(), Arc::clone(set));
        }
        issuers.push(keys.issuer(&iss, algorithms));
    }
    if let Some(development) = &config.development {
        // One for as long as the process lives, so that it makes no policy another.
        issuers.push(development.issuer());
        listed.push(development.setting());
    }
    issuers.push(own.issuer()?);
    let written = serde_json::to_vec(&config.tokens).map_err(|why| ConfigError::value("tokens", why))?;
    let identity = Digest::of_parts(&[&written, &marks, &own.mark()]);
    let authenticator = match before.filter(|before| before.token_policy == identity) {
        Some(before) => Arc::clone(&before.authenticator),
        None => authenticator(config, (issuers, own.exchanged()), &published, before)?,
    };
    Ok(Tokens { authenticator, published, identity, listed })
}

/// One that hears of every change of the published sets, for as long as it is there.
fn authenticator(
    config: &Config,
    (issuers, exchanged): (Vec<Issuer>, Vec<Issuer>),
    published: &BTreeMap<String, Arc<Published>>,
    before: Option<&Settings>,
) -> Result<Arc<Authenticator>, StartError> {
    let refuse = |why: PolicyError| config.origins.locate(ConfigError::value(policy_key(&why), why));
    let policy = TokenPolicy {
        instance: config.tokens.instance.clone(),
        issuers,
        lifetime_max_s: config.tokens.max_lifetime_s,
        lifetime_write_max_s: config.tokens.lifetime_write_max_s(),
        exchanged,
        leeway_s: config.tokens.leeway_s,
        sender_bound: config.tokens.sender_bound,
    };
    let used_proofs = before
        .map_or_else(|| Arc::new(UsedProofs::since(clock::now_unix_s())), |before| before.authenticator.used_proofs());
    let authenticator = Arc::new(Authenticator::remembering(policy, used_proofs).map_err(refuse)?);
    for (iss, set) in published {
        let (weak, iss) = (Arc::downgrade(&authenticator), iss.clone());
        // The issuers of an authenticator never change, so nothing can be wrong with the name.
        set.subscribe(move |keys| weak.upgrade().is_some_and(|one| one.replace_keys(&iss, keys.cloned()).is_ok()));
    }
    Ok(authenticator)
}

fn policy_key(why: &PolicyError) -> &'static str {
    match why {
        PolicyError::Instance => "tokens.instance",
        PolicyError::Lifetime => "tokens.max_lifetime_s",
        PolicyError::LifetimeOfWrites => "tokens.max_lifetime_write_s",
        PolicyError::Leeway(_) => "tokens.leeway_s",
        PolicyError::NoIssuer | PolicyError::IssuerName(_) | PolicyError::IssuerUnknown(_) => "tokens.issuer",
    }
}

/// What this process is on the network.
pub(crate) fn network(config: &Config, own_listeners: &[SocketAddr]) -> Network {
    Network { own_listeners: own_listeners.to_vec(), resolver: config.egress.resolver }
}

pub(crate) fn bind_resources(config: &Config, own_listeners: &[SocketAddr]) -> Result<Resources, StartError> {
    let mut resources = Resources::new();
    let network = network(config, own_listeners);
    for (name, resource) in &config.resources {
        for (environment, binding) in resource.bindings() {
            let allow_inline = config.environments.get(environment).is_some_and(|e| e.development);
            let sources = Sources { read_env: &process_environment, allow_inline };
            let unclear = |why: airlock_resources::ConfigError| {
                let binding = format!("resources.{name}.{environment}");
                let key = why.key().map_or(binding.clone(), |key| join(&binding, key));
                config.origins.locate(ConfigError::value(key, why))
            };
            let binding = binding.resolve(&sources).map_err(unclear)?;
            resources.add(name.clone(), environment.clone(), binding, &network)?;
        }
    }
    Ok(resources)
}

/// Knows every secret that the configuration refers to, wherever it may stand.
fn redactor(config: &Config) -> Result<Redactor, RedactError> {
    let bindings = config.resources.values().flat_map(crate::config::ResourceConfig::bindings);
    let exports = config.audit.export.iter().flat_map(crate::config::ExportConfig::secrets);
    let telemetry = config.telemetry.otlp.iter().flat_map(|collector| collector.headers.values());
    let secrets: Vec<_> = bindings.flat_map(|(_, binding)| binding.secrets()).chain(exports).chain(telemetry).collect();
    Redactor::new(&secrets, &Sources { read_env: &process_environment, allow_inline: true }, &config.logs.redact)
}

fn listed_functions(config: &Config, resources: &Resources) -> Result<ByBinding<Listed>, StartError> {
    let mut listed = ByBinding::new();
    for (name, resource) in &config.resources {
        for (environment, binding) in resource.bindings().filter(|(_, binding)| !binding.read_functions().is_empty()) {
            let Some(dialect) = resources.dialect(name, environment).map(analysed_as) else { continue };
            let key = format!("resources.{name}.{environment}.read_functions");
            let functions = Listed::new(dialect, binding.read_functions())
                .map_err(|why| config.origins.locate(ConfigError::value(key, why)))?;
            listed.entry(name.clone()).or_default().insert(environment.clone(), functions);
        }
    }
    Ok(listed)
}

fn documents(config: &Config) -> Result<ByBinding<Documents>, StartError> {
    let mut documents = ByBinding::new();
    for (name, resource) in &config.resources {
        let bindings = resource.bindings();
        for (environment, keys) in bindings.filter_map(|(environment, binding)| Some((environment, binding.graphql()?)))
        {
            let key = format!("resources.{name}.{environment}.schema");
            let read = Documents::new(keys).map_err(|why| config.origins.locate(ConfigError::value(key, why)))?;
            documents.entry(name.clone()).or_insert_with(HashMap::new).insert(environment.clone(), read);
        }
    }
    Ok(documents)
}

fn models(config: &Config) -> ByBinding<Models> {
    let mut models = ByBinding::new();
    for (name, resource) in &config.resources {
        for (environment, keys) in resource.bindings().filter_map(|(environment, one)| Some((environment, one.llm()?)))
        {
            models.entry(name.clone()).or_insert_with(HashMap::new).insert(environment.clone(), Models::new(keys));
        }
    }
    models
}

fn credentials(config: &Config, resources: &Resources) -> BTreeMap<String, Digest> {
    let of_resource = |(name, resource): (&airlock_model::ResourceName, &crate::config::ResourceConfig)| {
        let of_one = |environment: &EnvironmentName| {
            let mark = resources.credential_mark(name, environment)?;
            Some((format!("resources.{name}.{environment}.credential"), mark))
        };
        resource.environments().filter_map(of_one).collect::<Vec<_>>()
    };
    config.resources.iter().flat_map(of_resource).collect()
}
