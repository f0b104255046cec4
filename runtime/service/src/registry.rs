//! The live revisions, ready to run.

mod served;

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    sync::{Arc, OnceLock},
};

use airlock_access::{Authorized, Control, Invoke};
use airlock_model::{
    AliasName, Digest, EnvironmentName, Failure, FunctionManifest, FunctionName, Grant, LimitCaps, PlaceTable,
    ResourceName, StatementManifest,
};
use airlock_sandbox::Program;
use airlock_store::Revision;
use arc_swap::ArcSwap;

use crate::{
    control::function_unknown,
    input::InputSchema,
    telemetry::{FunctionMetrics, Telemetry},
};

pub(crate) use served::{Foreseen, Served};

/// One live revision in one environment, with everything about it that depends neither on the call nor on the
/// configuration, which may be read again at any time.
pub(crate) struct Deployed {
    pub(crate) function: FunctionName,
    pub(crate) environment: EnvironmentName,
    /// Digest of the revision, as text.
    pub(crate) revision: Arc<str>,
    /// Who wrote it: the subject that uploaded it.
    pub(crate) author: Arc<str>,
    /// Fingerprints of everything that it may say, when that is known.
    pub(crate) statements: Option<Arc<HashSet<Digest>>>,
    pub(crate) program: Program,
    pub(crate) limits: LimitCaps,
    /// Where those stand in its `function.toml`.
    pub(crate) limit_places: Arc<PlaceTable>,
    pub(crate) manifest_grants: Arc<[Grant]>,
    /// Where those stand in its `function.toml`.
    pub(crate) grant_places: Arc<BTreeMap<ResourceName, String>>,
    pub(crate) input: Option<InputSchema>,
    metrics: OnceLock<Arc<FunctionMetrics>>,
}

impl Deployed {
    /// Everything about a revision but what it gets when it is stored.
    pub(crate) fn new(
        manifest: &FunctionManifest,
        manifest_text: &str,
        environment: EnvironmentName,
        (program, input): (Program, Option<InputSchema>),
    ) -> Self {
        Self {
            function: manifest.name.clone(),
            environment,
            revision: "".into(),
            author: "".into(),
            statements: None,
            program,
            limits: manifest.limits.clone(),
            limit_places: Arc::new(FunctionManifest::limit_places(manifest_text)),
            manifest_grants: manifest.grants(),
            grant_places: Arc::new(FunctionManifest::grant_places(manifest_text)),
            input,
            metrics: OnceLock::new(),
        }
    }

    /// The counters of the function: looked up once for each revision.
    pub(crate) fn metrics(&self, telemetry: &Telemetry) -> &FunctionMetrics {
        self.metrics.get_or_init(|| telemetry.function(self.environment.as_str(), self.function.as_str()))
    }

    /// The same under the name that the store gave it.
    pub(crate) fn stored_as(self, revision: &Revision) -> Self {
        let fingerprints = |manifest: &StatementManifest| Arc::new(manifest.fingerprints().collect());
        Self {
            revision: revision.digest.to_string().into(),
            author: revision.author.as_str().into(),
            statements: revision.statements.as_ref().map(fingerprints),
            ..self
        }
    }
}

type ByFunction = HashMap<FunctionName, Arc<Served>>;

/// Live revisions by environment and function. Reads never wait; a change swaps the whole map. Clones are one registry.
#[derive(Clone, Default)]
pub(crate) struct Registry {
    live: Arc<ArcSwap<HashMap<EnvironmentName, ByFunction>>>,
}

impl Registry {
    /// The revision that an authorized call means. Cannot be asked without the permit.
    pub(crate) fn resolve(
        &self,
        authorized: &Authorized<Invoke>,
        alias: Option<&AliasName>,
    ) -> Result<Arc<Deployed>, Failure> {
        let call = authorized.call();
        let live = self.live.load();
        let found = live.get(call.environment()).and_then(|functions| functions.get(call.function()));
        found.ok_or_else(|| function_unknown(call.function(), call.environment()))?.choose(alias)
    }

    /// What [`Self::resolve`] would say now. Counts no call, so that shares stay exact.
    pub(crate) fn foresee(
        &self,
        authorized: &Authorized<Invoke>,
        alias: Option<&AliasName>,
    ) -> Result<Foreseen, Failure> {
        let call = authorized.call();
        let live = self.live.load();
        let found = live.get(call.environment()).and_then(|functions| functions.get(call.function()));
        found.ok_or_else(|| function_unknown(call.function(), call.environment()))?.foresee(alias)
    }

    /// The live revision of a function, for showing what holds for it.
    pub(crate) fn look_up(&self, permit: &Authorized<Control>, function: &FunctionName) -> Option<Arc<Deployed>> {
        self.live.load().get(permit.call().environment())?.get(function).map(|served| served.live().clone())
    }

    /// A revision that is in memory already.
    pub(crate) fn loaded(&self, revision: &Revision) -> Option<Arc<Deployed>> {
        let live = self.live.load();
        live.get(&revision.environment)?.get(&revision.function)?.find(&revision.digest.to_string())
    }

    /// What callers of a function meet from now on, nothing when it is gone; calls in flight finish on what they began with.
    pub(crate) fn put(&self, (function, environment): (&FunctionName, &EnvironmentName), served: Option<&Arc<Served>>) {
        self.live.rcu(|live| {
            let mut live = HashMap::clone(live);
            let functions = live.entry(environment.clone()).or_default();
            match served {
                Some(served) => functions.insert(function.clone(), Arc::clone(served)),
                None => functions.remove(function),
            };
            live
        });
    }
}
