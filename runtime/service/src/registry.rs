//! The live revisions, ready to run.

use std::{collections::HashMap, sync::Arc};

use airlock_access::{Authorized, Control, Invoke};
use airlock_model::{EnvironmentName, Failure, FunctionManifest, FunctionName, Grant, LimitCaps, PlaceTable};
use airlock_sandbox::{LoadError, Program};
use airlock_store::{ArtifactKind, Revision, StoreError};
use arc_swap::ArcSwap;

use crate::{App, control::function_unknown, input::InputSchema};

/// One live revision in one environment, with everything about it that depends neither on the call nor on the
/// configuration, which may be read again at any time.
pub(crate) struct Deployed {
    pub(crate) function: FunctionName,
    pub(crate) environment: EnvironmentName,
    /// Digest of the revision, as text.
    pub(crate) revision: Arc<str>,
    pub(crate) program: Program,
    pub(crate) limits: LimitCaps,
    /// Where those stand in its `function.toml`.
    pub(crate) limit_places: Arc<PlaceTable>,
    pub(crate) manifest_grants: Arc<[Grant]>,
    pub(crate) input: Option<InputSchema>,
}

type ByFunction = HashMap<FunctionName, Arc<Deployed>>;

/// Live revisions by environment and function. Reads never wait; a deploy swaps the whole map. Clones are one registry.
#[derive(Clone, Default)]
pub(crate) struct Registry {
    live: Arc<ArcSwap<HashMap<EnvironmentName, ByFunction>>>,
}

impl Registry {
    /// The live revision that an authorized call means. Cannot be asked without the permit.
    pub(crate) fn resolve(&self, authorized: &Authorized<Invoke>) -> Result<Arc<Deployed>, Failure> {
        let call = authorized.call();
        let live = self.live.load();
        let found = live.get(call.environment()).and_then(|functions| functions.get(call.function()));
        found.cloned().ok_or_else(|| function_unknown(call.function(), call.environment()))
    }

    /// The live revision of a function, for showing what holds for it.
    pub(crate) fn look_up(&self, permit: &Authorized<Control>, function: &FunctionName) -> Option<Arc<Deployed>> {
        self.live.load().get(permit.call().environment())?.get(function).cloned()
    }

    /// Makes a revision the live one; calls in flight finish on the old one.
    pub(crate) fn make_live(&self, deployed: &Arc<Deployed>) {
        self.live.rcu(|live| {
            let mut live = HashMap::clone(live);
            let functions = live.entry(deployed.environment.clone()).or_default();
            functions.insert(deployed.function.clone(), deployed.clone());
            live
        });
    }
}

impl App {
    /// Loads what was live when the last process stopped. A revision that cannot run is logged and left out.
    pub(crate) async fn load_live_revisions(&self) -> Result<(), StoreError> {
        for revision in self.backends.store.all_live().await? {
            match self.load(&revision).await {
                Ok(deployed) => self.registry.make_live(&Arc::new(deployed)),
                Err(failure) => tracing::error!(
                    function = %revision.function, environment = %revision.environment, log = failure.log,
                    "a live revision cannot be loaded: {failure}"
                ),
            }
        }
        Ok(())
    }

    /// Maps the compiled form of a stored revision, compiling again after an engine upgrade.
    pub(crate) async fn load(&self, revision: &Revision) -> Result<Deployed, Failure> {
        let store = &self.backends.store;
        let path = store.artifact_path(ArtifactKind::Compiled, revision.artifact_digest).await;
        let program = match path.map(|path| Program::load(&self.engine, &path)) {
            Ok(Ok(program)) => program,
            Ok(Err(LoadError::Artifact(_)))
            | Err(StoreError::ArtifactMissing { .. } | StoreError::ArtifactAltered { .. }) => {
                self.compile_again(revision).await?
            }
            Ok(Err(error)) => return Err(Failure::internal(error)),
            Err(error) => return Err(Failure::internal(error)),
        };
        Self::deployed(revision, program)
    }

    async fn compile_again(&self, revision: &Revision) -> Result<Program, Failure> {
        tracing::info!(function = %revision.function, "compiling again for this engine");
        let store = &self.backends.store;
        let component = store.read_artifact(ArtifactKind::Component, revision.component_digest).await;
        let component = component.map_err(Failure::internal)?;
        let (program, artifact) = self.compile(&component).await?;
        store.set_artifact(revision.component_digest, artifact).await.map_err(Failure::internal)?;
        Ok(program)
    }

    fn deployed(revision: &Revision, program: Program) -> Result<Deployed, Failure> {
        let manifest = FunctionManifest::parse(&revision.manifest).map_err(Failure::internal)?;
        let input = manifest.input.as_ref().map(InputSchema::new).transpose().map_err(Failure::internal)?;
        let deployed = Self::prepared(&manifest, &revision.manifest, revision.environment.clone(), (program, input));
        Ok(Deployed { revision: revision.digest.to_string().into(), ..deployed })
    }

    /// Everything about a revision but its digest, which it gets when it is stored.
    pub(crate) fn prepared(
        manifest: &FunctionManifest,
        manifest_text: &str,
        environment: EnvironmentName,
        (program, input): (Program, Option<InputSchema>),
    ) -> Deployed {
        Deployed {
            function: manifest.name.clone(),
            environment,
            revision: "".into(),
            program,
            limits: manifest.limits.clone(),
            limit_places: Arc::new(FunctionManifest::limit_places(manifest_text)),
            manifest_grants: manifest.grants(),
            input,
        }
    }
}
