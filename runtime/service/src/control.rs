//! What builders and auditors ask about.

use airlock_access::{Authorized, Control, Presented, authorize_control};
use airlock_model::{
    AuditKind, ControlScope, EnvironmentName, Failure, FunctionName, ManifestStatement, Reason, ResourceName,
};
use airlock_store::{LiveFunction, Page, PageRequest, Revision};

use crate::{
    App,
    app::store_failure,
    refusals::{Refused, Subject},
};

/// What somebody asks for: the RPC as `Service.Method`, where, and of which function when it names one.
pub(crate) struct About<'a>(
    pub(crate) &'static str,
    pub(crate) &'a EnvironmentName,
    pub(crate) Option<&'a FunctionName>,
);

impl App {
    /// A function as callers meet it.
    ///
    /// # Errors
    /// `function_unknown`, or when the token lacks `function:read`.
    pub async fn get(
        &self,
        bearer: Presented<'_>,
        function: FunctionName,
        environment: EnvironmentName,
    ) -> Result<LiveFunction, Failure> {
        let permit = self.authorize(
            bearer,
            ControlScope::FunctionRead,
            About("FunctionService.Get", &environment, Some(&function)),
        )?;
        let found = self.backends.store.live_function(function.clone(), permit.call().environment().clone()).await;
        found.map_err(|why| store_failure(&why))?.ok_or_else(|| function_unknown(&function, &environment))
    }

    /// The live revisions of an environment that the token covers, by name. A page may have fewer than there is room for.
    ///
    /// # Errors
    /// When the token lacks `function:read`, or the page token is not ours.
    pub async fn list(
        &self,
        bearer: Presented<'_>,
        environment: EnvironmentName,
        page: PageRequest,
    ) -> Result<Page<Revision>, Failure> {
        let permit =
            self.authorize(bearer, ControlScope::FunctionRead, About("FunctionService.List", &environment, None))?;
        let listed = self.backends.store.list(permit.call().environment().clone(), page).await;
        let mut page = listed.map_err(|why| store_failure(&why))?;
        page.items.retain(|revision| permit.token().covers(&revision.function));
        Ok(page)
    }

    /// All revisions of a function, newest first.
    ///
    /// # Errors
    /// As [`App::list`].
    pub async fn list_revisions(
        &self,
        bearer: Presented<'_>,
        function: FunctionName,
        environment: EnvironmentName,
        page: PageRequest,
    ) -> Result<Page<Revision>, Failure> {
        let permit = self.authorize(
            bearer,
            ControlScope::FunctionRead,
            About("FunctionService.ListRevisions", &environment, Some(&function)),
        )?;
        self.backends
            .store
            .revisions(function, permit.call().environment().clone(), page)
            .await
            .map_err(|why| store_failure(&why))
    }

    /// Statements that a function sent for the token's tenant, and that are not listed.
    ///
    /// # Errors
    /// When the token lacks `function:read`.
    pub async fn list_candidates(
        &self,
        bearer: Presented<'_>,
        function: FunctionName,
        environment: EnvironmentName,
    ) -> Result<Vec<ManifestStatement>, Failure> {
        let permit = self.authorize(
            bearer,
            ControlScope::FunctionRead,
            About("FunctionService.ListCandidates", &environment, Some(&function)),
        )?;
        let tenant = permit.principal().tenant.clone();
        let found = self.backends.store.candidates(function, permit.call().environment().clone(), tenant).await;
        found.map_err(|why| store_failure(&why))
    }

    /// Whether a resource may be reached for the token's tenant in its environment; a refusal is recorded.
    pub(crate) fn check_resource(&self, permit: &Authorized<Control>, resource: &ResourceName) -> Result<(), Failure> {
        let (tenant, environment) = (&permit.principal().tenant, permit.call().environment());
        self.backends.revocations.check_resource(tenant, environment, resource).map_err(|why| {
            let subject = Subject { rpc: None, function: None, environment: environment.as_str() };
            self.refusals.record(&self.backends, AuditKind::ControlRefused, subject, Refused::by(permit.token())(why))
        })
    }

    /// Whether somebody who may do one thing may also do another; a refusal is recorded.
    pub(crate) fn check_also(
        &self,
        permit: &Authorized<Control>,
        scope: ControlScope,
        About(rpc, environment, function): About<'_>,
    ) -> Result<(), Failure> {
        let token = permit.token();
        authorize_control(token, scope, environment.clone()).map(drop).map_err(|why| {
            let function = function.map(FunctionName::as_str);
            let subject = Subject { rpc: Some(rpc), function, environment: environment.as_str() };
            let refused = Refused::by(token)(why);
            self.refusals.record(&self.backends, AuditKind::ControlRefused, subject, refused)
        })
    }

    /// Verifies the token and its right to one thing on the control plane; a refusal is recorded.
    pub(crate) fn authorize(
        &self,
        bearer: Presented<'_>,
        scope: ControlScope,
        About(rpc, environment, function): About<'_>,
    ) -> Result<Authorized<Control>, Failure> {
        let permit = || {
            let token = self.verify(&self.settings(), bearer)?;
            let permit = authorize_control(&token, scope, environment.clone()).map_err(Refused::by(&token))?;
            function.map_or(Ok(()), |function| permit.expect_function(function)).map_err(Refused::by(&token))?;
            Ok(permit)
        };
        permit().map_err(|refused| {
            let function = function.map(FunctionName::as_str);
            let subject = Subject { rpc: Some(rpc), function, environment: environment.as_str() };
            self.refusals.record(&self.backends, AuditKind::ControlRefused, subject, refused)
        })
    }
}

/// In scope, but nothing is deployed there.
pub(crate) fn function_unknown(function: &FunctionName, environment: &EnvironmentName) -> Failure {
    let message = format!("function `{function}` is not deployed in environment `{environment}`");
    Failure::new(Reason::FunctionUnknown, message, "deploy it first: `airlock deploy`")
}
