//! A guest project on disk.

use std::fs;
use std::path::{Path, PathBuf};

use airlock_model::{FunctionManifest, FunctionName, Language};

use crate::error::BuildError;
use crate::wit::ResourceImport;

/// Name of the file that makes a directory a project.
pub const MANIFEST: &str = "function.toml";

/// A guest project: its directory and what its `function.toml` says.
#[derive(Clone, Debug)]
pub struct Project {
    /// Directory that holds `function.toml`.
    pub dir: PathBuf,
    /// What callers will name.
    pub name: FunctionName,
    /// Source language.
    pub language: Language,
    /// Entry file, relative to `dir`.
    pub entry: PathBuf,
    /// Declared resources, in the order of their names.
    pub resources: Vec<ResourceImport>,
    /// The parsed `function.toml`.
    pub manifest: FunctionManifest,
    /// `function.toml` as it is on disk.
    pub manifest_text: String,
}

impl Project {
    /// Reads the project in `dir`.
    ///
    /// # Errors
    /// [`BuildError::Read`] and [`BuildError::Manifest`].
    pub fn load(dir: &Path) -> Result<Self, BuildError> {
        let manifest_text = fs::read_to_string(dir.join(MANIFEST))
            .map_err(|source| BuildError::Read { file: MANIFEST.to_owned(), source })?;
        let manifest = FunctionManifest::parse(&manifest_text)?;
        let entry = manifest.entry.as_deref().or(manifest.language.usual_entry()).unwrap_or("function.wasm");
        let resources = manifest.resources.iter();
        let resources =
            resources.map(|(name, usage)| ResourceImport { name: name.clone(), kind: usage.kind }).collect();
        Ok(Self {
            dir: dir.to_owned(),
            name: manifest.name.clone(),
            language: manifest.language,
            entry: entry.into(),
            resources,
            manifest,
            manifest_text,
        })
    }
}
