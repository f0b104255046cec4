//! From a stored revision to one that can run.

use std::{sync::Arc, time::Duration};

use airlock_model::{Digest, EnvironmentName, Failure, Finding, FunctionManifest, FunctionName};
use airlock_sandbox::{CompileError, Compiler, Engine, LoadError, Program};
use airlock_store::{ArtifactKind, LiveFunction, Revision, StoreError};

use crate::{
    app::{Backends, store_failure},
    deploy::{off_thread, rejected},
    input::InputSchema,
    registry::{Deployed, Registry, Served},
};

/// How often, and how far apart, memory is brought to what the store says when the store cannot say.
const REFRESHES_MAX: usize = 100;
const REFRESH_PAUSE: Duration = Duration::from_millis(100);

/// What it takes to bring revisions into memory. Clones share it.
#[derive(Clone)]
pub(crate) struct Loader {
    pub(crate) backends: Arc<Backends>,
    pub(crate) registry: Registry,
    pub(crate) engine: Engine,
    pub(crate) compiler: Arc<Compiler>,
}

impl Loader {
    /// Loads what was live when the last process stopped. A revision that cannot run is logged and left out.
    pub(crate) async fn load_live_revisions(&self) -> Result<(), StoreError> {
        for live in self.backends.store.all_live().await? {
            let (function, environment) = (live.revision.function.clone(), live.revision.environment.clone());
            match self.serve(live, &[]).await {
                Ok(served) => self.registry.put((&function, &environment), Some(&Arc::new(served))),
                Err(failure) => tracing::error!(
                    %function, %environment, log = failure.log, "a live revision cannot be loaded: {failure}"
                ),
            }
        }
        Ok(())
    }

    /// Lets callers of a function meet what the store says is live, which is decided already: tries again for a while when the
    /// store is too busy to say. `fresh` are revisions that were loaded for it.
    pub(crate) async fn refresh(
        &self,
        function: &FunctionName,
        environment: &EnvironmentName,
        fresh: &[Arc<Deployed>],
    ) -> Result<(), Failure> {
        for _ in 0..REFRESHES_MAX {
            if self.refresh_once(function, environment, fresh).await.is_ok() {
                return Ok(());
            }
            tokio::time::sleep(REFRESH_PAUSE).await;
        }
        self.refresh_once(function, environment, fresh).await
    }

    async fn refresh_once(
        &self,
        function: &FunctionName,
        environment: &EnvironmentName,
        fresh: &[Arc<Deployed>],
    ) -> Result<(), Failure> {
        let live = self.backends.store.live_function(function.clone(), environment.clone()).await;
        let served = match live.map_err(|why| store_failure(&why))? {
            Some(live) => Some(Arc::new(self.serve(live, fresh).await?)),
            None => None,
        };
        self.registry.put((function, environment), served.as_ref());
        Ok(())
    }

    async fn serve(&self, live: LiveFunction, fresh: &[Arc<Deployed>]) -> Result<Served, Failure> {
        let deployed = self.loaded(&live.revision, fresh).await?;
        // One of each, whichever aliases lead to it.
        let mut ready = fresh.to_vec();
        ready.push(Arc::clone(&deployed));
        let mut aliases = Vec::new();
        for (alias, shares) in live.aliases {
            let mut loaded = Vec::with_capacity(shares.len());
            for (percent, revision) in shares {
                match self.loaded(&revision, &ready).await {
                    Ok(one) => {
                        ready.push(Arc::clone(&one));
                        loaded.push((percent, one));
                    }
                    // What is live serves all the same.
                    Err(failure) => tracing::error!(
                        function = %revision.function, %alias, log = failure.log, "a share cannot be loaded: {failure}"
                    ),
                }
            }
            if !loaded.is_empty() {
                aliases.push((alias, loaded));
            }
        }
        Ok(Served::new(deployed, live.disabled.map(Into::into), aliases))
    }

    /// A revision, from memory where it is there or among those that are ready.
    pub(crate) async fn loaded(&self, revision: &Revision, ready: &[Arc<Deployed>]) -> Result<Arc<Deployed>, Failure> {
        let digest = revision.digest.to_string();
        let found = ready.iter().find(|one| *one.revision == *digest);
        match found.cloned().or_else(|| self.registry.loaded(revision)) {
            Some(deployed) => Ok(deployed),
            None => self.load(revision).await.map(Arc::new),
        }
    }

    /// Maps the compiled form of a stored revision, compiling again after an engine upgrade.
    async fn load(&self, revision: &Revision) -> Result<Deployed, Failure> {
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
        let deployed = Deployed::new(&manifest, &revision.manifest, revision.environment.clone(), (program, input));
        Ok(deployed.stored_as(revision))
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
