//! One revision, compiled, linked and ready to be instantiated for every call.

use std::path::Path;

use wasmtime::component::{Component, ComponentExportIndex, InstancePre};

use crate::{
    engine::{Engine, shared_config},
    imports::{self, UnlinkedImport},
    state::CallState,
};

const HANDLER_INTERFACE: &str = "airlock:guest/handler@1.0.0";

/// A compiled component with all its imports linked. Cheap to clone, shared by all calls of a revision.
#[derive(Clone)]
pub struct Program {
    pub(crate) pre: InstancePre<CallState>,
    pub(crate) handle: ComponentExportIndex,
    /// Whether it imports host functions that take as much as the guest likes to give.
    pub(crate) sends_bytes: bool,
}

/// Why a compiled component cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The file is not an artifact of this engine: another version, other settings, or damage. Compile it again.
    #[error("the compiled form does not fit this engine; it has to be compiled again")]
    Artifact(#[source] wasmtime::Error),
    /// The bytes are not a component this engine accepts.
    #[error("the component does not compile: {0:#}")]
    Compile(wasmtime::Error),
    /// It wants more memories, tables or instances than a slot of the pool has, or larger ones.
    #[error("the component does not fit the sandbox: {0:#}")]
    Pool(wasmtime::Error),
    /// It imports something we do not offer.
    #[error(transparent)]
    Import(#[from] UnlinkedImport),
    /// An import has another type than ours, or the pool cannot hold an instance.
    #[error("the component does not fit the host: {0:#}")]
    Mismatch(wasmtime::Error),
    /// It does not export the handler.
    #[error("the component does not export `{HANDLER_INTERFACE}`; build it with `airlock build`")]
    NoHandler,
}

impl Program {
    /// Maps a compiled component from disk.
    ///
    /// INVARIANT: `artifact` is a file that [`crate::Compiler`] wrote and whose authenticity code the store has
    /// checked since. Machine code cannot be checked afterwards; this is the one place that trusts it.
    ///
    /// # Errors
    /// When the file is not of this engine, or the component does not fit the host.
    pub fn load(engine: &Engine, artifact: &Path) -> Result<Self, LoadError> {
        let component = map(&engine.wasmtime, artifact).map_err(|why| misfit(artifact, why))?;
        Self::link(engine, &component)
    }

    /// Compiles in this process, without the child and its limits: for the local runner's own tests and tools.
    ///
    /// # Errors
    /// When the bytes are not a component, or it does not fit the host.
    pub fn compile_in_process(engine: &Engine, component: &[u8]) -> Result<Self, LoadError> {
        let component = Component::from_binary(&engine.wasmtime, component).map_err(LoadError::Compile)?;
        Self::link(engine, &component)
    }

    fn link(engine: &Engine, component: &Component) -> Result<Self, LoadError> {
        let interface = component.get_export_index(None, HANDLER_INTERFACE).ok_or(LoadError::NoHandler)?;
        let handle = component.get_export_index(Some(&interface), "handle").ok_or(LoadError::NoHandler)?;
        let linker = imports::linker_for(engine, component)?;
        let pre = linker.instantiate_pre(component).map_err(LoadError::Mismatch)?;
        let imports = component.component_type();
        let mut names = imports.imports(&engine.wasmtime).map(|(name, _)| name);
        let sends_bytes = names.any(|name| name.starts_with("resources:") || name.starts_with("airlock:guest/log@"));
        Ok(Self { pre, handle, sends_bytes })
    }
}

/// See the INVARIANT of [`Program::load`].
fn map(engine: &wasmtime::Engine, artifact: &Path) -> wasmtime::Result<Component> {
    #[expect(unsafe_code, reason = "the file was written by this host and its authenticity code was verified")]
    unsafe {
        Component::deserialize_file(engine, artifact)
    }
}

/// An artifact that an engine without a pool takes is sound: it asks for more than a slot of the pool has.
fn misfit(artifact: &Path, why: wasmtime::Error) -> LoadError {
    let without_pool = wasmtime::Engine::new(&shared_config()).and_then(|engine| map(&engine, artifact));
    if without_pool.is_ok() { LoadError::Pool(why) } else { LoadError::Artifact(why) }
}
