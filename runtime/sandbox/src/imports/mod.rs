//! Links exactly what a component imports, and nothing that is not ours to give.

mod asking;
mod blob;
mod charge;
mod charged;
mod graphql;
mod guest;
mod http;
mod kv;
mod llm;
mod sql;
mod types;
mod wasi;

use airlock_model::{ResourceKind, ResourceName};
use wasmtime::component::{Component, Linker, types::ComponentItem};

use crate::{engine::Engine, state::CallState};

pub use wasi::LINKED_WASI;

/// A component imports something that no host function exists for.
#[derive(Debug, thiserror::Error)]
pub enum UnlinkedImport {
    /// Neither ours nor in the WASI subset.
    #[error("the component imports `{0}`, which Airlock does not offer; guests reach the world through resources only")]
    Unknown(String),
    /// Wasmtime refused a definition.
    #[error("the import `{import}` could not be linked")]
    Link {
        /// Name of the import.
        import: String,
        /// What Wasmtime said.
        #[source]
        source: wasmtime::Error,
    },
}

/// Makes a linker for one component, from its own import list.
pub(crate) fn linker_for(engine: &Engine, component: &Component) -> Result<Linker<CallState>, UnlinkedImport> {
    let mut linker = Linker::new(&engine.wasmtime);
    let mut needs_wasi = false;
    for (name, item) in component.component_type().imports(&engine.wasmtime) {
        if name.starts_with("wasi:") {
            needs_wasi = true;
            continue;
        }
        if !matches!(item.ty, ComponentItem::ComponentInstance(_)) {
            return Err(UnlinkedImport::Unknown(name.to_owned()));
        }
        link_one(&mut linker, name)?;
    }
    if needs_wasi {
        wasi::link(&mut linker).map_err(|source| UnlinkedImport::Link { import: "wasi".to_owned(), source })?;
    }
    Ok(linker)
}

fn link_one(linker: &mut Linker<CallState>, name: &str) -> Result<(), UnlinkedImport> {
    let linked = match (name, resource_of(name)) {
        // Type definitions only: nothing to link.
        ("airlock:guest/types@1.0.0", _) => Ok(()),
        ("airlock:guest/log@1.0.0", _) => guest::link_log(linker, name),
        ("airlock:guest/context@1.0.0", _) => guest::link_context(linker, name),
        (_, Some((resource, ResourceKind::Sql))) => sql::link(linker, name, &resource),
        (_, Some((resource, ResourceKind::Http))) => http::link(linker, name, &resource),
        (_, Some((resource, ResourceKind::Kv))) => kv::link(linker, name, &resource),
        (_, Some((resource, ResourceKind::Blob))) => blob::link(linker, name, &resource),
        (_, Some((resource, ResourceKind::Graphql))) => graphql::link(linker, name, &resource),
        (_, Some((resource, ResourceKind::Llm))) => llm::link(linker, name, &resource),
        (_, None) => return Err(UnlinkedImport::Unknown(name.to_owned())),
    };
    linked.map_err(|source| UnlinkedImport::Link { import: name.to_owned(), source })
}

/// Reads `resources:<name>/<kind>@1.0.0`.
fn resource_of(import: &str) -> Option<(ResourceName, ResourceKind)> {
    let (resource, kind) = import.strip_prefix("resources:")?.strip_suffix("@1.0.0")?.split_once('/')?;
    Some((resource.parse().ok()?, kind.parse().ok()?))
}
