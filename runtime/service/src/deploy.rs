//! From uploaded bytes to a live revision.

mod judge;
pub(crate) mod sources;

use std::{collections::BTreeMap, sync::Arc};

use airlock_access::{Authorized, Control, Presented};
use airlock_analysis::Bounds;
use airlock_model::{
    AuditEvent, AuditKind, ControlScope, Decision, Digest, DigestPrefix, EnvironmentName, Failure, Finding,
    FunctionManifest, FunctionName, Reason, ResourceKind, ResourceName, Severity,
};
use airlock_sandbox::Program;
use airlock_store::{ArtifactKind, Landing, NewRevision, Releaser, Revision};
use tokio::sync::{Mutex, oneshot};

use crate::{
    App,
    app::store_failure,
    clock,
    config::DeployConfig,
    control::About,
    line::{Line, Size, Turn, Words},
    registry::Deployed,
    settings::Settings,
};
use judge::{Judge, Judged};

/// What a builder uploads.
pub struct Upload {
    /// Where it should run.
    pub environment: EnvironmentName,
    /// The text of `function.toml`.
    pub manifest_toml: String,
    /// The component's bytes.
    pub component: Vec<u8>,
    /// Source texts by path: analysed, and kept for readers and auditors.
    pub sources: BTreeMap<String, String>,
    /// Somebody's signature over the component.
    pub signature: Option<Vec<u8>>,
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

/// A revision that callers reach.
#[derive(Debug)]
pub struct Deployment {
    /// The revision.
    pub revision: Revision,
    /// Warnings.
    pub findings: Vec<Finding>,
}

/// What is to be taken over from another environment.
#[derive(Debug, Clone)]
pub struct Promotion {
    /// Which function.
    pub function: FunctionName,
    /// From where.
    pub from: EnvironmentName,
    /// To where.
    pub to: EnvironmentName,
    /// Which revision; without one, what is live there.
    pub revision: Option<DigestPrefix>,
    /// How callers reach it.
    pub landing: Landing,
}

/// Added to the niceness of analysis.
const NICENESS: i32 = 10;
/// Stack of analysis.
const STACK_BYTES: usize = 8 << 20;

/// What every deploy shares.
pub(crate) struct Deploying {
    bounds: Bounds,
    deploys: Arc<Line>,
    checks: Arc<Line>,
    /// Held while what is live or the configuration changes, so that memory and disk agree on which came last.
    last_step: Arc<Mutex<()>>,
}

impl Deploying {
    pub(crate) fn new(config: &DeployConfig) -> Self {
        let size = Size {
            parallel: config.compile_parallel,
            waiting_max: config.waiting_max,
            waiting_per_tenant: config.waiting_per_tenant,
        };
        let words = Words {
            what: "deploys",
            per_tenant: "`[deploy] waiting_per_tenant` in airlock.toml",
            all: "`[deploy] waiting_max` in airlock.toml",
        };
        let (deploys, checks) = (Line::new(size, words), Line::new(size, words));
        Self { bounds: config.bounds.clone(), deploys, checks, last_step: Arc::default() }
    }

    pub(crate) fn last_step(&self) -> Arc<Mutex<()>> {
        Arc::clone(&self.last_step)
    }
}

/// How a revision comes to an environment.
struct Arrival {
    /// Who wrote it.
    author: String,
    promoted_from: Option<EnvironmentName>,
    landing: Landing,
}

impl App {
    /// Analyses an upload and stores nothing.
    ///
    /// # Errors
    /// When the token or the manifest is refused, or too many are under way. Findings are not an error here.
    pub async fn check(&self, bearer: Presented<'_>, upload: Upload) -> Result<CheckReport, Failure> {
        let permit = self.authorize(
            bearer,
            ControlScope::FunctionDeploy,
            About("FunctionService.Check", &upload.environment, None),
        )?;
        let turn = self.deploying.checks.turn(&permit.principal().tenant).await?;
        let judge = self.judge(&permit, self.settings())?;
        let manifest = judge.manifest(&permit, &upload)?;
        off_thread(move || {
            let _turn = turn;
            let Judged { report, component_digest, findings, .. } = judge.judge(upload, manifest)?;
            let resources = report.map(|report| report.resources).unwrap_or_default();
            let resources = resources.into_iter().map(|resource| (resource.name, resource.kind)).collect();
            Ok(CheckReport { findings, resources, digest: component_digest })
        })
        .await?
    }

    /// Analyses, compiles, stores and makes live. Dropping the future stops the work, unless the revision is being
    /// stored already.
    ///
    /// # Errors
    /// Every refusal, with its findings; nothing is stored unless all of it is.
    pub async fn deploy(&self, bearer: Presented<'_>, upload: Upload) -> Result<Deployment, Failure> {
        let permit = self.authorize(
            bearer,
            ControlScope::FunctionDeploy,
            About("FunctionService.Deploy", &upload.environment, None),
        )?;
        let author = permit.principal().subject.clone();
        let arrival = Arrival { author, promoted_from: None, landing: Landing::Live };
        // For the record of a refusal: a name that the token is not for is nobody's but the caller's own word.
        let named = FunctionManifest::name_in(&upload.manifest_toml);
        let named = named.filter(|function| permit.expect_function(function).is_ok());
        let arrived = self.install(&permit, upload, arrival).await;
        self.count_deploy("deploy", &arrived);
        arrived.map_err(|failure| self.record_deploy_refusal(&permit, named.as_ref(), failure))
    }

    /// Takes a revision over from another environment: every check of a deploy is made again, by the policy of this one and by
    /// the rights of whoever promotes. Its author stays its author.
    ///
    /// # Errors
    /// `promotion_only` when this environment takes none from there, `function_unknown`, and every refusal of a deploy.
    pub async fn promote(&self, bearer: Presented<'_>, promotion: Promotion) -> Result<Deployment, Failure> {
        let Promotion { function, from, to, revision, landing } = promotion;
        let permit = self.authorize(
            bearer,
            ControlScope::FunctionPromote,
            About("FunctionService.Promote", &to, Some(&function)),
        )?;
        let arrived = async {
            // Before anything of the other environment is looked at.
            self.judge(&permit, self.settings())?.check_promotion(&from)?;
            let revision = match &revision {
                None => None,
                Some(name) => Some(self.digest_of(&permit, (&function, &from), name).await?),
            };
            let (upload, revision) = self.stored(&function, &from, revision, &to).await?;
            let author = revision.author;
            self.install(&permit, upload, Arrival { author, promoted_from: Some(from), landing }).await
        };
        let arrived = arrived.await;
        self.count_deploy("promote", &arrived);
        arrived.map_err(|failure| self.record_deploy_refusal(&permit, Some(&function), failure))
    }

    fn count_deploy(&self, kind: &str, arrived: &Result<Deployment, Failure>) {
        self.backends.telemetry.deployed(kind, arrived.as_ref().err().map(|failure| failure.reason));
    }

    /// A stored revision, as it is and as an upload to an environment.
    async fn stored(
        &self,
        function: &FunctionName,
        from: &EnvironmentName,
        revision: Option<Digest>,
        to: &EnvironmentName,
    ) -> Result<(Upload, Revision), Failure> {
        let store = &self.backends.store;
        let found = match revision {
            None => store.live(function.clone(), from.clone()).await,
            Some(digest) => store.get(function.clone(), from.clone(), digest).await,
        };
        let unknown = || {
            let which =
                revision.map_or_else(|| "no live revision".to_owned(), |digest| format!("no revision {digest}"));
            let message = format!("there is {which} of function `{function}` in environment `{from}`");
            Failure::new(Reason::FunctionUnknown, message, format!("deploy it to `{from}` first"))
        };
        let found = found.map_err(|why| store_failure(&why))?.ok_or_else(unknown)?;
        let sources = store.sources(function.clone(), from.clone(), found.digest).await;
        let signature = store.signature(function.clone(), from.clone(), found.digest).await;
        let component = store.read_artifact(ArtifactKind::Component, found.component_digest).await;
        let upload = Upload {
            environment: to.clone(),
            manifest_toml: found.manifest.clone(),
            component: component.map_err(Failure::internal)?,
            sources: sources.map_err(|why| store_failure(&why))?.unwrap_or_default(),
            signature: signature.map_err(|why| store_failure(&why))?,
        };
        Ok((upload, found))
    }

    /// Everything between an upload and callers who reach it.
    async fn install(
        &self,
        permit: &Authorized<Control>,
        upload: Upload,
        arrival: Arrival,
    ) -> Result<Deployment, Failure> {
        // Before anything is compiled: what cannot be recorded must not fill the disk either.
        self.backends.store.ready().map_err(|why| store_failure(&why))?;
        let turn = self.turn(permit).await?;
        // By what holds now, not when it began to wait.
        let judge = self.judge(permit, self.settings())?;
        judge.check_arrival(arrival.promoted_from.as_ref())?;
        let manifest = judge.manifest(permit, &upload)?;
        // The turn goes along: analysis that nobody waits for any more still counts.
        let judged = off_thread(move || judge.judge(upload, manifest).map(|judged| (judged, turn))).await?;
        let (judged, turn) = judged?;
        let mut judged = judged.accepted()?;
        let compiled = self.loader.compile(&judged.upload.component).await?;
        let component = std::mem::take(&mut judged.upload.component);
        let stored = self.backends.store.put_artifact(ArtifactKind::Component, component).await;
        stored.map_err(|why| store_failure(&why))?;
        let deployment = self.keep(permit, judged, compiled, arrival).await;
        drop(turn);
        deployment
    }

    /// Stores a revision and lets callers reach it.
    async fn keep(
        &self,
        permit: &Authorized<Control>,
        judged: Judged,
        (program, artifact_digest): (Program, Digest),
        arrival: Arrival,
    ) -> Result<Deployment, Failure> {
        let Judged { upload, manifest, findings, statements, input, component_digest, signed, judged_by, .. } = judged;
        self.backends.store.ready().map_err(|why| store_failure(&why))?;
        let (environment, function) = (upload.environment.clone(), manifest.name.clone());
        let deployed = Deployed::new(&manifest, &upload.manifest_toml, environment.clone(), (program, input));
        let now = clock::now_unix_ms();
        let is_promotion = arrival.promoted_from.is_some();
        let new = NewRevision {
            function: manifest.name,
            environment: upload.environment,
            component_digest,
            artifact_digest,
            manifest: upload.manifest_toml,
            sources: upload.sources,
            findings: findings.clone(),
            statements,
            promoted_from: arrival.promoted_from,
            signed_by: signed.map(|signed| signed.signer().to_owned()),
            signature: upload.signature,
            author: arrival.author,
            token_id: Some(permit.token().token_id().to_string()),
            created_unix_ms: now,
        };
        let kind = if is_promotion { AuditKind::FunctionPromoted } else { AuditKind::FunctionDeployed };
        let mut event = control_event(permit, kind, Decision::Permit);
        event.message = new.promoted_from.as_ref().map(|from| match arrival.landing {
            Landing::Live => format!("from `{from}`"),
            Landing::Share(percent) => format!("from `{from}`, for {percent} % of the calls"),
        });
        let by = Releaser { author: permit.principal().subject.clone(), time_unix_ms: now };
        let (loader, reloader) = (self.loader.clone(), self.reloader.clone());
        let revision = self
            .in_order(async move {
                reloader.expect_in_force(&judged_by)?;
                let stored = loader.backends.store.deploy(new, arrival.landing, by, event).await;
                let revision = stored.map_err(|why| store_failure(&why))?;
                let fresh = Arc::new(deployed.stored_as(&revision));
                loader.refresh(&function, &environment, &[fresh]).await?;
                Ok(revision)
            })
            .await?;
        self.request_for_statements(permit, &self.settings(), &revision).await?;
        Ok(Deployment { revision, findings })
    }

    /// Runs a change of what is live: one after the other, and to its end even when the caller goes away, so that disk and
    /// memory say the same.
    pub(crate) async fn in_order<T: Send + 'static>(
        &self,
        change: impl Future<Output = Result<T, Failure>> + Send + 'static,
    ) -> Result<T, Failure> {
        let last_step = Arc::clone(&self.deploying.last_step);
        let ordered = async move {
            let _order = last_step.lock().await;
            change.await
        };
        tokio::spawn(ordered).await.map_err(Failure::internal)?
    }

    /// Has a stored revision judged by these settings as if it arrived anew, the way it once came, and gives it when nothing is
    /// against it.
    pub(crate) async fn judge_again(
        &self,
        permit: &Authorized<Control>,
        (function, environment): &(FunctionName, EnvironmentName),
        digest: Digest,
        settings: &Arc<Settings>,
    ) -> Result<Revision, Failure> {
        let judge = self.judge(permit, Arc::clone(settings))?;
        let (upload, revision) = self.stored(function, environment, Some(digest), environment).await?;
        judge.check_arrival(revision.promoted_from.as_ref())?;
        let manifest = judge.manifest(permit, &upload)?;
        off_thread(move || judge.judge(upload, manifest)?.accepted()).await??;
        Ok(revision)
    }

    /// A turn in the line of those who deploy.
    pub(crate) async fn turn(&self, permit: &Authorized<Control>) -> Result<Turn, Failure> {
        self.deploying.deploys.turn(&permit.principal().tenant).await
    }

    fn judge(&self, permit: &Authorized<Control>, settings: Arc<Settings>) -> Result<Judge, Failure> {
        let environment = permit.call().environment().clone();
        let bounds = self.deploying.bounds.clone();
        Judge::new(settings, Arc::clone(&self.backends), environment, bounds)
    }

    /// Puts on record that somebody was turned away, and gives the failure back for them.
    pub(crate) fn record_deploy_refusal(
        &self,
        permit: &Authorized<Control>,
        function: Option<&FunctionName>,
        failure: Failure,
    ) -> Failure {
        let mut event = control_event(permit, AuditKind::DeployRefused, Decision::Deny);
        event.environment = Some(permit.call().environment().into());
        event.function = function.map(Into::into);
        event.reason = Some(failure.reason.to_string());
        event.message = Some(failure.message.clone());
        if let Err(error) = self.backends.store.enqueue(event) {
            tracing::error!(%error, "a refused deploy could not be recorded");
        }
        failure
    }
}

/// An event of the control plane, by whoever holds the permit.
pub(crate) fn control_event(permit: &Authorized<Control>, kind: AuditKind, decision: Decision) -> AuditEvent {
    let mut event = AuditEvent::new(kind, clock::now_unix_ms());
    event.principal = Some(permit.principal().clone());
    event.token_id = Some(permit.token().token_id().clone());
    event.decision = Some(decision);
    event
}

/// Runs work that can take long on a thread of its own, where it holds up no request and yields the processor to those
/// who call functions. It is not stopped when nobody waits for it any more.
pub(crate) async fn off_thread<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, Failure> {
    let (send, receive) = oneshot::channel();
    let niced = move || {
        // On Linux this is the niceness of the thread. Whether it works is a matter of comfort.
        if let Err(error) = rustix::process::nice(NICENESS) {
            tracing::debug!(%error, "an analysis runs at full priority");
        }
        // Nobody hears it when the client has gone.
        drop(send.send(work()));
    };
    let thread = std::thread::Builder::new().name("analysis".to_owned()).stack_size(STACK_BYTES);
    drop(thread.spawn(niced).map_err(Failure::internal)?);
    receive.await.map_err(|_panicked| Failure::internal("an analysis panicked"))
}

pub(crate) fn rejected(findings: Vec<Finding>) -> Failure {
    let errors = findings.iter().filter(|finding| finding.severity == Severity::Error);
    let first = errors.clone().next().map(|finding| finding.message.clone()).unwrap_or_default();
    let message = format!("the component is rejected with {} finding(s): {first}", errors.count());
    Failure::new(Reason::ComponentRejected, message, "each finding says what to change").with_findings(findings)
}
