//! The live revisions, ready to run.

use std::{collections::HashMap, sync::Arc};

use airlock_access::{Authorized, Invoke};
use airlock_model::{EnvironmentName, Failure, FunctionManifest, FunctionName, Grant, LimitCaps, ResourceName};
use airlock_resources::Resources;
use airlock_sandbox::{LoadError, Program};
use airlock_store::{ArtifactKind, Revision, StoreError};
use arc_swap::ArcSwap;

use crate::{App, config::WritePolicy, control::function_unknown, input::InputSchema};

/// One live revision in one environment, with everything about it that does not depend on the call.
pub(crate) struct Deployed {
    pub(crate) function: FunctionName,
    pub(crate) environment: EnvironmentName,
    /// Digest of the revision, as text.
    pub(crate) revision: Arc<str>,
    pub(crate) program: Program,
    pub(crate) limits: LimitCaps,
    pub(crate) manifest_grants: Arc<[Grant]>,
    pub(crate) environment_grants: Arc<[Grant]>,
    pub(crate) writes: WritePolicy,
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
        self.deployed(revision, program)
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

    fn deployed(&self, revision: &Revision, program: Program) -> Result<Deployed, Failure> {
        let manifest = FunctionManifest::parse(&revision.manifest).map_err(Failure::internal)?;
        let input = manifest.input.as_ref().map(InputSchema::new).transpose().map_err(Failure::internal)?;
        let deployed = self.prepared(&manifest, revision.environment.clone(), program, input);
        Ok(Deployed { revision: revision.digest.to_string().into(), ..deployed })
    }

    /// Everything about a revision but its digest, which it gets when it is stored.
    pub(crate) fn prepared(
        &self,
        manifest: &FunctionManifest,
        environment: EnvironmentName,
        program: Program,
        input: Option<InputSchema>,
    ) -> Deployed {
        let resources = &self.backends.resources;
        Deployed {
            function: manifest.name.clone(),
            revision: "".into(),
            program,
            limits: manifest.limits.clone(),
            manifest_grants: manifest.grants(),
            environment_grants: environment_grants(resources, &environment, manifest.resources.keys()),
            writes: self.policies.environment(&environment).map_or(WritePolicy::Deny, |e| e.writes),
            environment,
            input,
        }
    }
}

fn environment_grants<'a>(
    resources: &Resources,
    environment: &EnvironmentName,
    names: impl Iterator<Item = &'a ResourceName>,
) -> Arc<[Grant]> {
    let of_one = |name| resources.operations_of(name, environment);
    names.filter_map(of_one).flat_map(|grants| grants.to_vec()).collect()
}
