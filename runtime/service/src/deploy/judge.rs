//! What an environment has to say about an upload: its bindings, its policy, and the rights of whoever brings it.

use std::sync::Arc;

use airlock_access::{Authorized, Control, SignedComponent};
use airlock_analysis::{Bounds, ComponentReport, inspect, manifest::check as check_manifest};
use airlock_model::{
    ControlScope, Digest, EnvironmentName, Failure, Finding, FunctionManifest, Operation, Reason, ResourceKind,
    ResourceName, Severity, StatementManifest,
};

use super::{Upload, rejected};
use crate::{
    app::Backends,
    config::DeployPolicy,
    input::InputSchema,
    packages,
    settings::{Environment, Settings},
};

/// Bytes of all source texts together.
const SOURCES_BYTES_MAX: usize = 8 << 20;

/// One environment as of one configuration.
pub(super) struct Judge {
    pub(super) settings: Arc<Settings>,
    pub(super) backends: Arc<Backends>,
    pub(super) environment: EnvironmentName,
    policy: Environment,
    bounds: Bounds,
}

/// An upload and everything that was found.
pub(super) struct Judged {
    pub(super) upload: Upload,
    pub(super) manifest: FunctionManifest,
    /// `None` when the component is not one that could be looked at.
    pub(super) report: Option<ComponentReport>,
    pub(super) component_digest: Digest,
    /// Whose signature was checked.
    pub(super) signed: Option<SignedComponent>,
    /// With an error among them it is refused.
    pub(super) findings: Vec<Finding>,
    pub(super) statements: Option<StatementManifest>,
    pub(super) input: Option<InputSchema>,
    /// The configuration whose word all of this is.
    pub(super) judged_by: Arc<Settings>,
}

impl Judged {
    /// What may go on.
    pub(super) fn accepted(self) -> Result<Self, Failure> {
        let is_refused = self.findings.iter().any(|finding| finding.severity == Severity::Error);
        if is_refused { Err(rejected(self.findings)) } else { Ok(self) }
    }
}

impl Judge {
    pub(super) fn new(
        settings: Arc<Settings>,
        backends: Arc<Backends>,
        environment: EnvironmentName,
        bounds: Bounds,
    ) -> Result<Self, Failure> {
        let policy = settings.environment(&environment)?.clone();
        Ok(Self { settings, backends, environment, policy, bounds })
    }

    pub(super) fn policy(&self) -> &Environment {
        &self.policy
    }

    /// Where a key of the environment is set.
    fn place(&self, key: &str) -> String {
        self.settings.origin(&format!("environments.{}.{key}", self.environment)).to_string()
    }

    /// The environments that it takes promotions from, for people.
    fn promotes_from(&self) -> String {
        self.policy.promote_from.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
    }

    /// Whether it takes what comes in that way.
    pub(super) fn check_arrival(&self, promoted_from: Option<&EnvironmentName>) -> Result<(), Failure> {
        match (promoted_from, self.policy.deploys) {
            (Some(from), _) => self.check_promotion(from),
            (None, DeployPolicy::Open) => Ok(()),
            (None, DeployPolicy::Promotion) => Err(self.promotion_only()),
        }
    }

    fn promotion_only(&self) -> Failure {
        let message = format!("environment `{}` takes revisions by promotion only", self.environment);
        let hint = format!(
            "deploy to one of {} and promote from there: `airlock promote`; set by {}",
            self.promotes_from(),
            self.place("deploys")
        );
        Failure::new(Reason::PromotionOnly, message, hint)
    }

    /// Whether it takes revisions from there.
    pub(super) fn check_promotion(&self, from: &EnvironmentName) -> Result<(), Failure> {
        if self.policy.promote_from.contains(from) {
            return Ok(());
        }
        let message = format!("environment `{}` takes no promotions from `{from}`", self.environment);
        let hint = match self.policy.promote_from.is_empty() {
            true => {
                format!("the operator names where it may come from: [environments.{}] promote_from", self.environment)
            }
            false => format!("promote from {}; set by {}", self.promotes_from(), self.place("promote_from")),
        };
        Err(Failure::new(Reason::PromotionOnly, message, hint))
    }

    /// The manifest, checked against what the environment binds and what its bearer may edit.
    pub(super) fn manifest(&self, permit: &Authorized<Control>, upload: &Upload) -> Result<FunctionManifest, Failure> {
        let size: usize = upload.sources.values().map(String::len).sum();
        if size > SOURCES_BYTES_MAX {
            return Err(malformed(format!("the sources are {size} bytes, at most {SOURCES_BYTES_MAX} are kept")));
        }
        let manifest = FunctionManifest::parse(&upload.manifest_toml).map_err(|why| malformed(why.to_string()))?;
        permit.expect_function(&manifest.name)?;
        for (resource, usage) in &manifest.resources {
            // First of all, so that nobody learns from a refusal which resources there are.
            check_edit(permit, resource)?;
            self.check_binding(resource, usage.kind)?;
        }
        Ok(manifest)
    }

    fn check_binding(&self, name: &ResourceName, kind: ResourceKind) -> Result<(), Failure> {
        let environment = &self.environment;
        let unbound = |message: String| {
            let hint = format!("ask the operator for [resources.{name}.{environment}] in airlock.toml");
            Err(Failure::new(Reason::ResourceUnbound, message, hint))
        };
        match self.settings.resources.kind_of(name, environment) {
            None => unbound(format!("environment `{environment}` does not bind resource `{name}`")),
            Some(bound) if bound != kind => {
                unbound(format!("resource `{name}` is of kind `{bound}` in environment `{environment}`, not `{kind}`"))
            }
            Some(_) => Ok(()),
        }
    }

    /// Looks at component and sources. What is found is no error here; only what is no upload at all is.
    pub(super) fn judge(&self, upload: Upload, manifest: FunctionManifest) -> Result<Judged, Failure> {
        let input = input_schema(&manifest)?;
        let (report, findings) = match inspect(&upload.component, &self.bounds) {
            Ok(report) => {
                let findings = check_manifest(&report, &manifest);
                (Some(report), findings)
            }
            Err(findings) => (None, findings),
        };
        let digest = || Digest::of(&upload.component);
        let component_digest = report.as_ref().map_or_else(digest, |report| report.digest);
        let signed = self.policy.signers.judge(component_digest, upload.signature.as_deref());
        let (signed, unsigned) = signed.map_or_else(|finding| (None, Some(finding)), |signed| (signed, None));
        let mut judged = Judged {
            upload,
            manifest,
            report,
            component_digest,
            signed,
            findings,
            statements: None,
            input,
            judged_by: Arc::clone(&self.settings),
        };
        judged.findings.extend(unsigned);
        let policy = self.policy.packages.as_deref();
        judged.findings.extend(packages::findings(policy, judged.manifest.language, &judged.upload.sources));
        if judged.report.is_some() {
            let texts = self.texts(&judged.manifest, &judged.upload.sources, &judged.upload.component);
            judged.findings.extend(texts.findings);
            judged.statements = texts.manifest;
        }
        Ok(judged)
    }
}

/// Who deploys code that names a resource needs the right to, on that resource.
fn check_edit(permit: &Authorized<Control>, resource: &ResourceName) -> Result<(), Failure> {
    let token = permit.token();
    let covers = token.control_scopes().contains(&ControlScope::ResourceEdit)
        || token.grants().iter().any(|grant| grant.resource == *resource && grant.operation == Operation::Edit);
    if covers {
        return Ok(());
    }
    let message = format!("the token may not deploy functions that name the resource `{resource}`");
    let hint = format!("ask the issuer for `{resource}:edit` in the `scope` claim, or `resource:edit` for all of them");
    Err(Failure::new(Reason::NotGranted, message, hint))
}

fn input_schema(manifest: &FunctionManifest) -> Result<Option<InputSchema>, Failure> {
    let unfit = |why: String| malformed(format!("[input] in function.toml is not accepted: {why}"));
    manifest.input.as_ref().map(InputSchema::new).transpose().map_err(unfit)
}

fn malformed(message: String) -> Failure {
    Failure::new(Reason::RequestMalformed, message, "correct function.toml; docs/functions.md lists its keys")
}
