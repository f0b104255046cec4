//! From uploaded bytes to a live revision.

use std::{collections::BTreeMap, sync::Arc};

use airlock_access::{Authorized, Control};
use airlock_analysis::{Bounds, ComponentReport, inspect, manifest::check as check_manifest};
use airlock_model::{
    AuditEvent, AuditKind, ControlScope, Decision, Digest, EnvironmentName, Failure, Finding, FunctionManifest, Reason,
    ResourceKind, ResourceName, Severity,
};
use airlock_sandbox::{CompileError, LoadError, Program};
use airlock_store::{ArtifactKind, NewRevision, Revision};

use crate::{App, app::store_failure, clock};

/// What a builder uploads.
pub struct Upload {
    /// Where it should run.
    pub environment: EnvironmentName,
    /// The text of `function.toml`.
    pub manifest_toml: String,
    /// The component's bytes.
    pub component: Vec<u8>,
    /// Source texts by path, kept for readers and auditors.
    pub sources: BTreeMap<String, String>,
}

/// What analysis says about an upload.
#[derive(Debug)]
pub struct CheckReport {
    /// Errors refuse the deploy, warnings do not.
    pub findings: Vec<Finding>,
    /// What the component can ask for: its imports.
    pub resources: Vec<(ResourceName, ResourceKind)>,
    /// Of the component.
    pub digest: Digest,
}

/// A revision that is live.
#[derive(Debug)]
pub struct Deployment {
    /// The revision.
    pub revision: Revision,
    /// Warnings.
    pub findings: Vec<Finding>,
}

/// Bytes of all source texts together.
const SOURCES_BYTES_MAX: usize = 8 << 20;

impl App {
    /// Analyses an upload and stores nothing.
    ///
    /// # Errors
    /// When the token or the manifest is refused. Findings are not an error here.
    pub async fn check(&self, bearer: Option<&str>, upload: Upload) -> Result<CheckReport, Failure> {
        let permit = self.authorize(bearer, ControlScope::FunctionDeploy, &upload.environment, None)?;
        let manifest = self.manifest(&permit, &upload)?;
        Ok(match inspect(&upload.component, &Bounds::BUILT_IN) {
            Ok(report) => CheckReport {
                findings: check_manifest(&report, &manifest),
                resources: report.resources.iter().map(|r| (r.name.clone(), r.kind)).collect(),
                digest: report.digest,
            },
            Err(findings) => CheckReport { findings, resources: Vec::new(), digest: Digest::of(&upload.component) },
        })
    }

    /// Analyses, compiles, stores and makes live.
    ///
    /// # Errors
    /// Every refusal, with its findings; nothing is stored unless all of it is.
    pub async fn deploy(&self, bearer: Option<&str>, upload: Upload) -> Result<Deployment, Failure> {
        let permit = self.authorize(bearer, ControlScope::FunctionDeploy, &upload.environment, None)?;
        let refuse = |failure| self.record_deploy_refusal(&permit, failure);
        let manifest = self.manifest(&permit, &upload).map_err(refuse)?;
        let (report, warnings) = analyse(&upload, &manifest).map_err(refuse)?;
        let (_, artifact_digest) = self.compile(&upload.component).await.map_err(refuse)?;
        let store = &self.backends.store;
        store.ready().map_err(|why| store_failure(&why))?;
        let stored = store.put_artifact(ArtifactKind::Component, upload.component).await;
        stored.map_err(|why| store_failure(&why))?;
        let new = NewRevision {
            function: manifest.name,
            environment: upload.environment,
            component_digest: report.digest,
            artifact_digest,
            manifest: upload.manifest_toml,
            sources: upload.sources,
            findings: warnings.clone(),
            author: permit.principal().subject.clone(),
            token_id: Some(permit.token().token_id().to_string()),
            created_unix_ms: clock::now_unix_ms(),
        };
        let event = deploy_event(&permit, AuditKind::FunctionDeployed, Decision::Permit);
        let revision = store.deploy(new, event).await.map_err(|why| store_failure(&why))?;
        self.registry.make_live(&Arc::new(self.load(&revision).await?));
        Ok(Deployment { revision, findings: warnings })
    }

    /// Compiles in the child, keeps the result, and proves that it links.
    pub(crate) async fn compile(&self, component: &[u8]) -> Result<(Program, Digest), Failure> {
        let compiled = self.compiler.compile(component).await.map_err(compile_failure)?;
        let store = &self.backends.store;
        let digest = store.put_artifact(ArtifactKind::Compiled, compiled).await.map_err(|why| store_failure(&why))?;
        let path = store.artifact_path(ArtifactKind::Compiled, digest).await.map_err(|why| store_failure(&why))?;
        let program = Program::load(&self.engine, &path).map_err(load_failure)?;
        Ok((program, digest))
    }

    /// The manifest, checked against what the environment binds.
    fn manifest(&self, permit: &Authorized<Control>, upload: &Upload) -> Result<FunctionManifest, Failure> {
        let hint = "correct function.toml; docs/functions.md lists its keys";
        let malformed = |message: String| Failure::new(Reason::RequestMalformed, message, hint);
        let size: usize = upload.sources.values().map(String::len).sum();
        if size > SOURCES_BYTES_MAX {
            return Err(malformed(format!("the sources are {size} bytes, at most {SOURCES_BYTES_MAX} are kept")));
        }
        let manifest = FunctionManifest::parse(&upload.manifest_toml).map_err(|why| malformed(why.to_string()))?;
        if let Some(schema) = &manifest.input {
            jsonschema::validator_for(schema)
                .map_err(|why| malformed(format!("[input] is not a JSON Schema: {why}")))?;
        }
        for (resource, usage) in &manifest.resources {
            self.check_binding(resource, usage.kind, permit.call().environment())?;
        }
        Ok(manifest)
    }

    fn check_binding(
        &self,
        name: &ResourceName,
        kind: ResourceKind,
        environment: &EnvironmentName,
    ) -> Result<(), Failure> {
        let unbound = |message: String| {
            let hint = format!("ask the operator for [resources.{name}.{environment}] in airlock.toml");
            Err(Failure::new(Reason::ResourceUnbound, message, hint))
        };
        match self.backends.resources.kind_of(name, environment) {
            None => unbound(format!("environment `{environment}` does not bind resource `{name}`")),
            Some(bound) if bound != kind => {
                unbound(format!("resource `{name}` is of kind `{bound}` in environment `{environment}`, not `{kind}`"))
            }
            Some(_) => Ok(()),
        }
    }

    fn record_deploy_refusal(&self, permit: &Authorized<Control>, failure: Failure) -> Failure {
        let mut event = deploy_event(permit, AuditKind::DeployRefused, Decision::Deny);
        event.environment = Some(permit.call().environment().into());
        event.reason = Some(failure.reason.to_string());
        event.message = Some(failure.message.clone());
        if let Err(error) = self.backends.store.enqueue(event) {
            tracing::error!(%error, "a refused deploy could not be recorded");
        }
        failure
    }
}

fn deploy_event(permit: &Authorized<Control>, kind: AuditKind, decision: Decision) -> AuditEvent {
    let mut event = AuditEvent::new(kind, clock::now_unix_ms());
    event.principal = Some(permit.principal().clone());
    event.token_id = Some(permit.token().token_id().clone());
    event.decision = Some(decision);
    event
}

/// The component against its bounds and its manifest: a report and warnings, or the errors.
fn analyse(upload: &Upload, manifest: &FunctionManifest) -> Result<(ComponentReport, Vec<Finding>), Failure> {
    let report = inspect(&upload.component, &Bounds::BUILT_IN).map_err(rejected)?;
    let findings = check_manifest(&report, manifest);
    if findings.iter().any(|finding| finding.severity == Severity::Error) {
        Err(rejected(findings))
    } else {
        Ok((report, findings))
    }
}

fn rejected(findings: Vec<Finding>) -> Failure {
    let errors = findings.iter().filter(|finding| finding.severity == Severity::Error);
    let first = errors.clone().next().map(|finding| finding.message.clone()).unwrap_or_default();
    let message = format!("the component is rejected with {} finding(s): {first}", errors.count());
    Failure::new(Reason::ComponentRejected, message, "each finding says what to change").with_findings(findings)
}

fn compile_failure(error: CompileError) -> Failure {
    match error {
        CompileError::Refused(_) | CompileError::Limits { .. } => {
            let fix = "build it with `airlock build`, which makes components this engine accepts";
            rejected(vec![Finding::error("component-compile", error.to_string(), "component", fix)])
        }
        CompileError::Child(cause) => Failure::internal(format!("compile child: {cause}")),
    }
}

fn load_failure(error: LoadError) -> Failure {
    match error {
        LoadError::Artifact(cause) | LoadError::Compile(cause) => Failure::internal(format!("{cause:#}")),
        LoadError::Pool(_) => {
            let fix = "use fewer or smaller memories, tables and core modules; the operator's limits say how large";
            rejected(vec![Finding::error("component-link", error.to_string(), "component", fix)])
        }
        LoadError::Import(_) | LoadError::Mismatch(_) | LoadError::NoHandler => {
            let fix = "build against the WIT in guest-sdk/wit";
            rejected(vec![Finding::error("component-link", error.to_string(), "component imports", fix)])
        }
    }
}
