//! Component bytes to a report of everything the component can touch.
//!
//! Nothing is compiled here. The bytes are first walked against [`Bounds`], then validated with exactly [`features`],
//! and only then are imports and exports read, so that no later step meets bytes an earlier one has not bounded.

mod bounds;
mod composition;
mod format;
mod handler;
mod imports;
mod nesting;
mod validate;
mod walk;

use airlock_model::{Digest, Finding, ResourceKind, ResourceName};

pub use bounds::{Bounds, Sizes};
pub use handler::{HANDLER, HandlerExport};
pub use imports::{GUEST_ALLOWED, WASI_ALLOWED};
pub use validate::features;

/// What a component can touch, and how large it is. Made only by [`inspect`], so it never describes a refused component.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ComponentReport {
    /// Of all bytes of the component.
    pub digest: Digest,
    /// Every import of the component, in the order of the binary.
    pub imports: Vec<Import>,
    /// The imported resources, sorted by name.
    pub resources: Vec<ResourceImport>,
    /// Full names of the imported WASI interfaces, sorted.
    pub wasi: Vec<String>,
    /// The one export that makes it a function.
    pub handler: HandlerExport,
    /// Measured sizes, in the units of [`Bounds`].
    pub sizes: Sizes,
}

/// One import of a component.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Import {
    /// As written in the binary, with version.
    pub name: String,
    /// What it is.
    pub class: ImportClass,
}

/// Every kind of import a function may have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ImportClass {
    /// Part of the guest contract: types, log or context.
    Guest,
    /// A resource that the manifest must declare.
    Resource(ResourceImport),
    /// The part of WASI that language runtimes need, listed in [`WASI_ALLOWED`].
    Wasi,
}

/// A resource that a component imports: the name and kind it was built for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResourceImport {
    /// Name of the resource.
    pub name: ResourceName,
    /// Protocol of the resource.
    pub kind: ResourceKind,
}

/// Reads a component and reports what it can touch.
///
/// # Errors
/// With at least one finding when the bytes are not a component, break a bound, do not validate with [`features`],
/// import something a function may not have, or lack the handler export. Rules: `not-a-component`, `bound-exceeded`,
/// `component-invalid`, `component-composed`, `import-not-allowed`, `handler-missing`, `handler-type`.
pub fn inspect(bytes: &[u8], bounds: &Bounds) -> Result<ComponentReport, Vec<Finding>> {
    format::check(bytes, bounds).map_err(|finding| vec![finding])?;
    let walked = walk::walk(bytes, bounds).map_err(|finding| vec![finding])?;
    let exceeded = bounds.exceeded_by(&walked.sizes);
    if !exceeded.is_empty() {
        return Err(exceeded);
    }
    let types = validate::validate(bytes).map_err(|finding| vec![finding])?;
    composition::check(bytes).map_err(|finding| vec![finding])?;
    let (imports, mut findings) = imports::classify(&walked.imports);
    match handler::find(types.as_ref()) {
        Ok(handler) if findings.is_empty() => Ok(report(bytes, walked.sizes, imports, handler)),
        Ok(_) => Err(findings),
        Err(finding) => {
            findings.push(finding);
            Err(findings)
        }
    }
}

fn report(bytes: &[u8], sizes: Sizes, imports: Vec<Import>, handler: HandlerExport) -> ComponentReport {
    let mut resources: Vec<_> = imports
        .iter()
        .filter_map(|import| match &import.class {
            ImportClass::Resource(resource) => Some(resource.clone()),
            ImportClass::Guest | ImportClass::Wasi => None,
        })
        .collect();
    resources.sort_by(|a, b| (&a.name, a.kind.as_str()).cmp(&(&b.name, b.kind.as_str())));
    let is_wasi = |import: &&Import| import.class == ImportClass::Wasi;
    let mut wasi: Vec<_> = imports.iter().filter(is_wasi).map(|import| import.name.clone()).collect();
    wasi.sort_unstable();
    ComponentReport { digest: Digest::of(bytes), imports, resources, wasi, handler, sizes }
}
