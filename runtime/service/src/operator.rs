//! What operators ask about: the configuration in force, and which limits it gives to whom.

use airlock_access::Presented;
use airlock_model::{
    ControlScope, EnvironmentName, Failure, FunctionName, HostError, Limit, LimitSource, ResourceName, TenantName,
};
use airlock_resources::EgressVerdict;

use crate::{
    App,
    app::StartError,
    config::{Config, Setting},
    control::{About, function_unknown},
    keys::KeyRing,
    settings::{self, Settings},
};

/// One limit in force, with where it comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LimitInForce {
    /// Which.
    pub limit: Limit,
    /// In the unit of its name.
    pub value: u64,
    /// Who set it.
    pub source: LimitSource,
    /// Where it was written.
    pub place: String,
}

/// A request that nobody sends.
#[derive(Debug, Clone, Copy)]
pub struct EgressQuestion<'a> {
    /// The HTTP API.
    pub resource: &'a ResourceName,
    /// The environment whose binding is meant.
    pub environment: &'a EnvironmentName,
    /// As a function would write it.
    pub method: &'a str,
    /// A whole URL.
    pub url: &'a str,
}

/// Why there is no verdict.
#[derive(Debug, thiserror::Error)]
pub enum EgressError {
    /// The configuration.
    #[error(transparent)]
    Config(#[from] StartError),
    /// The resource.
    #[error(transparent)]
    Resource(#[from] HostError),
}

impl App {
    /// Judges a configuration as [`App::open`] would, keys and credentials included, without opening anything, and
    /// lists every value with its source.
    ///
    /// # Errors
    /// What the start of a server with this configuration would say.
    pub fn explain_config(config: Config) -> Result<Vec<Setting>, StartError> {
        let network = settings::network(&config, &[]);
        crate::checkpoints::check(&config, &network)?;
        crate::exports::check(&config, &network)?;
        crate::telemetry::otlp::check(&config, &network)?;
        let ring = KeyRing::offline(network);
        Settings::build(config, &[], &ring, None).map(|settings| settings.listing)
    }

    /// What would be decided about a request through a binding, and why. Resolves names, and connects to nothing.
    ///
    /// # Errors
    /// What is wrong with the configuration, or that the resource is no HTTP API of the environment.
    pub async fn explain_egress(config: &Config, asked: EgressQuestion<'_>) -> Result<EgressVerdict, EgressError> {
        let own_listeners = [config.server.data, config.server.control];
        let resources = settings::bind_resources(config, &own_listeners)?;
        let EgressQuestion { resource, environment, method, url } = asked;
        Ok(resources.explain_egress(environment, resource, method, url).await?)
    }

    /// The configuration in force: every value with its source, without secrets.
    ///
    /// # Errors
    /// When the token lacks `operator:read`.
    pub async fn get_config(
        &self,
        bearer: Presented<'_>,
        environment: EnvironmentName,
    ) -> Result<Vec<Setting>, Failure> {
        let _permit =
            self.authorize(bearer, ControlScope::OperatorRead, About("OperatorService.GetConfig", &environment, None))?;
        Ok(self.settings().listing.clone())
    }

    /// The limits that calls of a tenant (the token's own unless said) start from, before token and caller tighten them.
    ///
    /// # Errors
    /// When the token lacks `operator:read`, the environment is not configured, or the function is not deployed there.
    pub async fn limits_in_force(
        &self,
        bearer: Presented<'_>,
        environment: EnvironmentName,
        tenant: Option<TenantName>,
        function: Option<FunctionName>,
    ) -> Result<Vec<LimitInForce>, Failure> {
        let permit =
            self.authorize(bearer, ControlScope::OperatorRead, About("OperatorService.Limits", &environment, None))?;
        let settings = self.settings();
        let deployed = match function {
            Some(function) => {
                let found = self.registry.look_up(&permit, &function);
                Some(found.ok_or_else(|| function_unknown(&function, &environment))?)
            }
            None => None,
        };
        let tenant = tenant.as_ref().unwrap_or(&permit.principal().tenant);
        let limits = settings.limits(tenant, settings.environment(&environment)?, deployed.as_deref());
        let of_one = |limit: &Limit| LimitInForce {
            limit: *limit,
            value: limits.get(*limit),
            source: limits.source(*limit),
            place: limits.place(*limit).to_owned(),
        };
        Ok(Limit::ALL.iter().map(of_one).collect())
    }
}
