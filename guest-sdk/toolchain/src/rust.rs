//! A Rust guest project to a component: cargo for the core module, `wit-component` for the rest.
//!
//! The bindings that `airlock-guest` generates leave the world in a custom section of the core module, so nothing but
//! the module is needed to encode the component.

mod cargo;
mod diagnostic;
mod environment;
mod tools;

use std::fmt;
use std::path::{Path, PathBuf};

use airlock_model::{FunctionManifest, FunctionName};
use anyhow::Context as _;
use wit_component::{ComponentEncoder, DecodedWasm};

pub use diagnostic::Diagnostic;
pub use tools::{Missing, StandardLibrary, Tools};

/// The one export of a function.
const HANDLER: &str = "airlock:guest/handler@1.0.0";

/// What a successful build gives.
#[derive(Debug)]
pub struct RustComponent {
    /// The encoded component.
    pub component: Vec<u8>,
    /// The interfaces it imports, for instance `resources:orders-db/sql@1.0.0`, sorted.
    pub imports: Vec<String>,
    /// Where a copy of it lies: `<target directory>/guests/<name>/<name>.wasm`.
    pub path: PathBuf,
    /// Which compiler, linker and standard library made it.
    pub tools: Tools,
    /// What the compiler warned about in the project itself and what it depends on by path.
    pub warnings: Vec<Diagnostic>,
}

/// Why a Rust project did not become a component.
#[derive(Debug, thiserror::Error)]
pub enum RustBuildError {
    /// The project directory or its `function.toml` cannot be read, or the output cannot be written.
    #[error("could not use `{path}`")]
    File {
        /// The file or directory.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// `function.toml` is not what it should be.
    #[error(transparent)]
    Manifest(#[from] airlock_model::manifest::ManifestError),
    /// The machine cannot compile to WebAssembly yet. The text says what to install.
    #[error(transparent)]
    Tools(#[from] Missing),
    /// A program could not be started.
    #[error("could not run `{program}`: is it installed and in PATH?")]
    Start {
        /// The program.
        program: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// The compiler found errors.
    #[error("{}", diagnostic::listing(.0))]
    Compile(Vec<Diagnostic>),
    /// Cargo failed before or after compiling: a manifest, a lock file, the registry, the linker.
    #[error("cargo failed:\n{0}")]
    Cargo(String),
    /// The project is no `cdylib`, so there is no module to make a component of.
    #[error("`{name}` built no module: add `[lib]` with `crate-type = [\"cdylib\"]` to its Cargo.toml")]
    NoModule {
        /// The function.
        name: FunctionName,
    },
    /// The module does not fit the world that its own bindings describe, or has no handler.
    #[error("the module of `{name}` is no component: mark the handler with `#[airlock_guest::function]`: {reason}")]
    Encode {
        /// The function.
        name: FunctionName,
        /// What the encoder said.
        reason: String,
    },
}

/// Builds the project in `directory` in release mode. Everything written lies under `<target>/guests`.
///
/// The first build of a machine also compiles the standard library when no ready one is installed: one to two minutes on
/// two cores. Cargo's directory is shared by all projects, so later builds take seconds.
///
/// # Errors
/// See [`RustBuildError`]; what the compiler found comes with file and line.
pub fn build(directory: &Path, target: &Path) -> Result<RustComponent, RustBuildError> {
    let directory = absolute(directory)?;
    let name = function_name(&directory)?;
    let guests = std::path::absolute(target.join("guests")).map_err(at(target))?;
    let tools = Tools::find(&directory)?;
    let output = cargo::build(&directory, &guests.join("cargo"), &tools)?;
    let module = output.module.ok_or_else(|| RustBuildError::NoModule { name: name.clone() })?;
    let module = std::fs::read(&module).map_err(at(&module))?;
    let (component, imports) = encode(&name, &module)?;
    let path = store(&guests, &name, &component)?;
    Ok(RustComponent { component, imports, path, tools, warnings: output.warnings })
}

fn absolute(directory: &Path) -> Result<PathBuf, RustBuildError> {
    directory.canonicalize().map_err(at(directory))
}

fn function_name(directory: &Path) -> Result<FunctionName, RustBuildError> {
    let file = directory.join("function.toml");
    let text = std::fs::read_to_string(&file).map_err(at(&file))?;
    Ok(FunctionManifest::parse(&text)?.name)
}

/// The component and what it imports. A module without the handler's export is none.
fn encode(name: &FunctionName, module: &[u8]) -> Result<(Vec<u8>, Vec<String>), RustBuildError> {
    let refuse = |reason| RustBuildError::Encode { name: name.clone(), reason };
    let mut encoder = ComponentEncoder::default();
    let component = encoder.validate(true).module(module).and_then(ComponentEncoder::encode);
    let component = component.map_err(|error| refuse(format!("{error:#}")))?;
    let (imports, exports) = interfaces(&component).map_err(|error| refuse(format!("{error:#}")))?;
    if exports.iter().any(|export| export == HANDLER) {
        return Ok((component, imports));
    }
    Err(refuse(format!("it does not export `{HANDLER}`")))
}

/// The names of what the component imports and exports.
fn interfaces(component: &[u8]) -> anyhow::Result<(Vec<String>, Vec<String>)> {
    let decoded = wit_component::decode(component)?;
    let DecodedWasm::Component(resolve, world) = decoded else { anyhow::bail!("it is a package, not a component") };
    let world = resolve.worlds.get(world).context("it has no world")?;
    let mut imports: Vec<_> = world.imports.keys().map(|key| resolve.name_world_key(key)).collect();
    imports.sort_unstable();
    Ok((imports, world.exports.keys().map(|key| resolve.name_world_key(key)).collect()))
}

fn store(guests: &Path, name: &FunctionName, component: &[u8]) -> Result<PathBuf, RustBuildError> {
    let directory = guests.join(name.as_str());
    std::fs::create_dir_all(&directory).map_err(at(&directory))?;
    let path = directory.join(format!("{name}.wasm"));
    std::fs::write(&path, component).map_err(at(&path))?;
    Ok(path)
}

fn at(path: &Path) -> impl FnOnce(std::io::Error) -> RustBuildError {
    let path = path.to_owned();
    move |source| RustBuildError::File { path, source }
}

impl fmt::Display for RustComponent {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "`{}`, {} bytes, {}", self.path.display(), self.component.len(), self.tools)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name() -> FunctionName {
        "probe".parse().expect("legal name")
    }

    #[test]
    fn module_without_a_world_is_refused_with_the_remedy() {
        // It encodes to a component, but to one without exports.
        let refused = encode(&name(), &wasm_encoder::Module::new().finish()).expect_err("no handler").to_string();
        assert!(refused.contains("airlock_guest::function") && refused.contains(HANDLER), "{refused}");
    }

    #[test]
    fn bytes_that_are_no_module_are_refused() {
        assert!(matches!(encode(&name(), b"text"), Err(RustBuildError::Encode { .. })));
    }

    #[test]
    fn project_without_function_toml_names_the_file() {
        let project = tempfile::tempdir().expect("temporary directory");
        let error = build(project.path(), project.path()).expect_err("nothing to build");
        assert!(matches!(error, RustBuildError::File { path, .. } if path.ends_with("function.toml")));
    }
}
