//! From uploaded bytes to a live revision.

mod line;

use std::{collections::BTreeMap, sync::Arc};

use airlock_access::{Authorized, Control};
use airlock_analysis::{Bounds, ComponentReport, inspect, manifest::check as check_manifest};
use airlock_model::{
    AuditEvent, AuditKind, ControlScope, Decision, Digest, EnvironmentName, Failure, Finding, FunctionManifest, Reason,
    ResourceKind, ResourceName, Severity,
};
use airlock_sandbox::{CompileError, LoadError, Program};
use airlock_store::{ArtifactKind, NewRevision, Revision};
use tokio::sync::{Mutex, oneshot};

use crate::{
    App, app::store_failure, clock, config::DeployConfig, input::InputSchema, registry::Deployed, settings::Settings,
};
use line::{Line, Size};

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

/// Added to the niceness of analysis.
const NICENESS: i32 = 10;
/// Stack of analysis.
const STACK_BYTES: usize = 8 << 20;
/// Bytes of all source texts together.
const SOURCES_BYTES_MAX: usize = 8 << 20;

/// What every deploy shares.
pub(crate) struct Deploying {
    bounds: Bounds,
    deploys: Arc<Line>,
    checks: Arc<Line>,
    /// Held while a revision is stored and made live, so that memory and disk agree on which came last.
    last_step: Arc<Mutex<()>>,
}

impl Deploying {
    pub(crate) fn new(config: &DeployConfig) -> Self {
        let size = Size {
            parallel: config.compile_parallel,
            waiting_max: config.waiting_max,
            waiting_per_tenant: config.waiting_per_tenant,
        };
        let (deploys, checks) = (Line::new(size), Line::new(size));
        Self { bounds: config.bounds.clone(), deploys, checks, last_step: Arc::default() }
    }
}

impl App {
    /// Analyses an upload and stores nothing.
    ///
    /// # Errors
    /// When the token or the manifest is refused, or too many are under way. Findings are not an error here.
    pub async fn check(&self, bearer: Option<&str>, upload: Upload) -> Result<CheckReport, Failure> {
        let permit = self.authorize(bearer, ControlScope::FunctionDeploy, &upload.environment, None)?;
        let turn = self.deploying.checks.turn(&permit.principal().tenant).await?;
        let manifest = self.manifest(&permit, &upload)?;
        let bounds = self.deploying.bounds.clone();
        off_thread(move || {
            let _turn = turn;
            input_schema(&manifest)?;
            Ok(match inspect(&upload.component, &bounds) {
                Ok(report) => CheckReport {
                    findings: check_manifest(&report, &manifest),
                    resources: report.resources.iter().map(|r| (r.name.clone(), r.kind)).collect(),
                    digest: report.digest,
                },
                Err(findings) => CheckReport { findings, resources: Vec::new(), digest: Digest::of(&upload.component) },
            })
        })
        .await?
    }

    /// Analyses, compiles, stores and makes live. Dropping the future stops the work, unless the revision is being
    /// stored already.
    ///
    /// # Errors
    /// Every refusal, with its findings; nothing is stored unless all of it is.
    pub async fn deploy(&self, bearer: Option<&str>, upload: Upload) -> Result<Deployment, Failure> {
        let permit = self.authorize(bearer, ControlScope::FunctionDeploy, &upload.environment, None)?;
        let refuse = |failure| self.record_deploy_refusal(&permit, failure);
        // Before anything is compiled: what cannot be recorded must not fill the disk either.
        self.backends.store.ready().map_err(|why| store_failure(&why))?;
        let turn = self.deploying.deploys.turn(&permit.principal().tenant).await.map_err(refuse)?;
        let manifest = self.manifest(&permit, &upload).map_err(refuse)?;
        let bounds = self.deploying.bounds.clone();
        let analysis = off_thread(move || {
            let analysed = analyse(&upload, &manifest, &bounds);
            // The turn goes along: analysis that nobody waits for any more still counts.
            analysed.map(|(report, warnings, input)| (Analysed { upload, manifest, report, warnings, input }, turn))
        });
        let (analysed, turn) = analysis.await?.map_err(refuse)?;
        let (program, artifact_digest) = self.compile(&analysed.upload.component).await.map_err(refuse)?;
        let deployment = self.keep(&permit, analysed, program, artifact_digest).await;
        drop(turn);
        deployment
    }

    /// Stores a revision and makes it live.
    async fn keep(
        &self,
        permit: &Authorized<Control>,
        analysed: Analysed,
        program: Program,
        artifact_digest: Digest,
    ) -> Result<Deployment, Failure> {
        let Analysed { upload, manifest, report, warnings, input } = analysed;
        let store = &self.backends.store;
        store.ready().map_err(|why| store_failure(&why))?;
        let stored = store.put_artifact(ArtifactKind::Component, upload.component).await;
        stored.map_err(|why| store_failure(&why))?;
        let deployed = Self::prepared(&manifest, &upload.manifest_toml, upload.environment.clone(), (program, input));
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
        let event = deploy_event(permit, AuditKind::FunctionDeployed, Decision::Permit);
        let (backends, registry) = (Arc::clone(&self.backends), self.registry.clone());
        let last_step = Arc::clone(&self.deploying.last_step);
        // A task of its own: a caller that goes away now must not leave a revision live on disk and not in memory.
        let live = tokio::spawn(async move {
            let _order = last_step.lock().await;
            let revision = backends.store.deploy(new, event).await.map_err(|why| store_failure(&why))?;
            registry.make_live(&Arc::new(Deployed { revision: revision.digest.to_string().into(), ..deployed }));
            Ok(revision)
        });
        let revision = live.await.map_err(Failure::internal)??;
        Ok(Deployment { revision, findings: warnings })
    }

    /// Compiles in the child, keeps the result, and proves that it links.
    pub(crate) async fn compile(&self, component: &[u8]) -> Result<(Program, Digest), Failure> {
        let compiled = self.compiler.compile(component).await.map_err(compile_failure)?;
        let store = &self.backends.store;
        let digest = store.put_artifact(ArtifactKind::Compiled, compiled).await.map_err(|why| store_failure(&why))?;
        let path = store.artifact_path(ArtifactKind::Compiled, digest).await.map_err(|why| store_failure(&why))?;
        let engine = self.engine.clone();
        match off_thread(move || Program::load(&engine, &path)).await? {
            Ok(program) => Ok((program, digest)),
            Err(error) => {
                // It never links, so no revision has it.
                if let Err(error) = store.discard_artifact(ArtifactKind::Compiled, digest).await {
                    tracing::error!(%error, "a compiled form that is of no use stays on disk");
                }
                Err(load_failure(error))
            }
        }
    }

    /// The manifest, checked against what the environment binds.
    fn manifest(&self, permit: &Authorized<Control>, upload: &Upload) -> Result<FunctionManifest, Failure> {
        let size: usize = upload.sources.values().map(String::len).sum();
        if size > SOURCES_BYTES_MAX {
            return Err(malformed(format!("the sources are {size} bytes, at most {SOURCES_BYTES_MAX} are kept")));
        }
        let manifest = FunctionManifest::parse(&upload.manifest_toml).map_err(|why| malformed(why.to_string()))?;
        let (settings, environment) = (self.settings(), permit.call().environment());
        settings.environment(environment)?;
        for (resource, usage) in &manifest.resources {
            check_binding(&settings, resource, usage.kind, environment)?;
        }
        Ok(manifest)
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

fn check_binding(
    settings: &Settings,
    name: &ResourceName,
    kind: ResourceKind,
    environment: &EnvironmentName,
) -> Result<(), Failure> {
    let unbound = |message: String| {
        let hint = format!("ask the operator for [resources.{name}.{environment}] in airlock.toml");
        Err(Failure::new(Reason::ResourceUnbound, message, hint))
    };
    match settings.resources.kind_of(name, environment) {
        None => unbound(format!("environment `{environment}` does not bind resource `{name}`")),
        Some(bound) if bound != kind => {
            unbound(format!("resource `{name}` is of kind `{bound}` in environment `{environment}`, not `{kind}`"))
        }
        Some(_) => Ok(()),
    }
}

fn deploy_event(permit: &Authorized<Control>, kind: AuditKind, decision: Decision) -> AuditEvent {
    let mut event = AuditEvent::new(kind, clock::now_unix_ms());
    event.principal = Some(permit.principal().clone());
    event.token_id = Some(permit.token().token_id().clone());
    event.decision = Some(decision);
    event
}

/// An upload that may be compiled.
struct Analysed {
    upload: Upload,
    manifest: FunctionManifest,
    report: ComponentReport,
    warnings: Vec<Finding>,
    input: Option<InputSchema>,
}

/// Runs work that can take long on a thread of its own, where it holds up no request and yields the processor to those
/// who call functions. It is not stopped when nobody waits for it any more.
async fn off_thread<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, Failure> {
    let (send, receive) = oneshot::channel();
    let niced = move || {
        // On Linux this is the niceness of the thread. Whether it works is a matter of comfort.
        if let Err(error) = rustix::process::nice(NICENESS) {
            tracing::debug!(%error, "a deploy runs at full priority");
        }
        // Nobody hears it when the client has gone.
        drop(send.send(work()));
    };
    let thread = std::thread::Builder::new().name("deploy".to_owned()).stack_size(STACK_BYTES);
    drop(thread.spawn(niced).map_err(Failure::internal)?);
    receive.await.map_err(|_panicked| Failure::internal("the analysis of an upload panicked"))
}

/// The component against its bounds and its manifest: a report and warnings, or the errors.
fn analyse(
    upload: &Upload,
    manifest: &FunctionManifest,
    bounds: &Bounds,
) -> Result<(ComponentReport, Vec<Finding>, Option<InputSchema>), Failure> {
    let input = input_schema(manifest)?;
    let report = inspect(&upload.component, bounds).map_err(rejected)?;
    let findings = check_manifest(&report, manifest);
    if findings.iter().any(|finding| finding.severity == Severity::Error) {
        Err(rejected(findings))
    } else {
        Ok((report, findings, input))
    }
}

fn input_schema(manifest: &FunctionManifest) -> Result<Option<InputSchema>, Failure> {
    let unfit = |why: String| malformed(format!("[input] in function.toml is not accepted: {why}"));
    manifest.input.as_ref().map(InputSchema::new).transpose().map_err(unfit)
}

fn malformed(message: String) -> Failure {
    Failure::new(Reason::RequestMalformed, message, "correct function.toml; docs/functions.md lists its keys")
}

fn rejected(findings: Vec<Finding>) -> Failure {
    let errors = findings.iter().filter(|finding| finding.severity == Severity::Error);
    let first = errors.clone().next().map(|finding| finding.message.clone()).unwrap_or_default();
    let message = format!("the component is rejected with {} finding(s): {first}", errors.count());
    Failure::new(Reason::ComponentRejected, message, "each finding says what to change").with_findings(findings)
}

fn compile_failure(error: CompileError) -> Failure {
    match error {
        CompileError::Refused(_) => {
            let fix = "build it with `airlock build`, which makes components this engine accepts";
            rejected(vec![Finding::error("component-compile", error.to_string(), "component", fix)])
        }
        CompileError::Limit { .. } => {
            let fix = "make the component smaller and its largest functions shorter, or ask the operator for more";
            rejected(vec![Finding::error("compile-limit", error.to_string(), "component", fix)])
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
