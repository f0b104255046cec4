//! What operators ask about: the configuration in force, and which limits it gives to whom.

use airlock_model::{ControlScope, EnvironmentName, Failure, FunctionName, Limit, LimitSource, TenantName};

use crate::{
    App,
    app::StartError,
    config::{Config, Setting},
    control::function_unknown,
    settings::Settings,
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

impl App {
    /// Judges a configuration as [`App::open`] would, keys and credentials included, without opening anything, and
    /// lists every value with its source.
    ///
    /// # Errors
    /// What the start of a server with this configuration would say.
    pub fn explain_config(config: Config) -> Result<Vec<Setting>, StartError> {
        Settings::build(config, &[], None).map(|settings| settings.listing)
    }

    /// The configuration in force: every value with its source, without secrets.
    ///
    /// # Errors
    /// When the token lacks `operator:read`.
    pub async fn get_config(
        &self,
        bearer: Option<&str>,
        environment: EnvironmentName,
    ) -> Result<Vec<Setting>, Failure> {
        let _permit = self.authorize(bearer, ControlScope::OperatorRead, &environment, None)?;
        Ok(self.settings().listing.clone())
    }

    /// The limits that calls of a tenant (the token's own unless said) start from, before token and caller tighten them.
    ///
    /// # Errors
    /// When the token lacks `operator:read`, the environment is not configured, or the function is not deployed there.
    pub async fn limits_in_force(
        &self,
        bearer: Option<&str>,
        environment: EnvironmentName,
        tenant: Option<TenantName>,
        function: Option<FunctionName>,
    ) -> Result<Vec<LimitInForce>, Failure> {
        let permit = self.authorize(bearer, ControlScope::OperatorRead, &environment, function.as_ref())?;
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
