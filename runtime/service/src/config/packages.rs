//! `[environments.<name>.packages]`: what a function may bring along.

use std::path::{Path, PathBuf};

use airlock_analysis::packages::{Approved, SourceRule};
use serde::{Deserialize, Serialize};

use super::ConfigError;

/// `[environments.<name>.packages]`.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct PackagesConfig {
    /// Packages that may come in whatever their age: `npm:zod`, `npm:@scope/*`, `pypi:httpx@>=0.27`, `crates:serde`.
    pub approved: Option<Vec<String>>,
    /// Days that every other package must have been out.
    pub minimum_age_days: Option<u64>,
    /// Where packages may come from: `registry`, `git`, `path`, `url`, or the address of a mirror.
    pub sources: Vec<String>,
    /// Whether each package needs a hash in the lockfile.
    pub require_integrity: bool,
    /// A file of release times, relative to the configuration file.
    pub index: Option<PathBuf>,
    /// Whether release times that a lockfile states count where the index has none.
    pub lockfile_times: bool,
}

impl Default for PackagesConfig {
    fn default() -> Self {
        Self {
            approved: None,
            minimum_age_days: None,
            sources: vec!["registry".to_owned()],
            require_integrity: false,
            index: None,
            lockfile_times: true,
        }
    }
}

impl PackagesConfig {
    pub(super) fn resolve_paths(&mut self, base: &Path) {
        if let Some(index) = &mut self.index {
            *index = base.join(&*index);
        }
    }

    /// The approved list, as understood. `section` is where it stands, for errors.
    pub(crate) fn approved(&self, section: &str) -> Result<Option<Vec<Approved>>, ConfigError> {
        let refuse = |why| ConfigError::value(format!("{section}.approved"), why);
        let read = |list: &Vec<String>| list.iter().map(|one| one.parse().map_err(refuse)).collect();
        self.approved.as_ref().map(read).transpose()
    }

    /// The allowed sources, as understood.
    pub(crate) fn sources(&self, section: &str) -> Result<Vec<SourceRule>, ConfigError> {
        let refuse = |why| ConfigError::value(format!("{section}.sources"), why);
        self.sources.iter().map(|one| one.parse::<SourceRule>().map_err(refuse)).collect()
    }
}
