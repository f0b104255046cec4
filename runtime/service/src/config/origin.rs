//! Where each value of a configuration was written: file and line, variable, or nowhere.

use std::{
    collections::BTreeMap,
    fmt,
    path::{Path, PathBuf},
};

use airlock_model::{
    Limit, LimitCaps, PlaceTable,
    place::{BUILT_IN, key_lines},
};

use super::{ConfigError, listing, overlay};

/// Where a value comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// The configuration file.
    File {
        /// Its name, without its directory: callers see it too.
        name: String,
        /// From 1.
        line: usize,
    },
    /// A variable of the process environment.
    Variable(String),
    /// A file that the configuration names.
    NamedFile(PathBuf),
    /// Nobody set it.
    BuiltIn,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File { name, line } => write!(f, "{name}:{line}"),
            Self::Variable(name) => write!(f, "the variable {name}"),
            Self::NamedFile(path) => write!(f, "the file {}", path.display()),
            Self::BuiltIn => f.write_str(BUILT_IN),
        }
    }
}

/// The origins of one configuration.
#[derive(Debug, Default)]
pub(crate) struct Origins {
    /// The file, absolute; `None` for a configuration that is text only.
    pub(super) path: Option<PathBuf>,
    name: String,
    lines: BTreeMap<String, usize>,
    /// Names of variables by the key they set.
    variables: BTreeMap<String, String>,
    /// `[resources]` as written, flat and without secrets.
    pub(super) resources: BTreeMap<String, String>,
}

impl Origins {
    pub(super) fn new(text: &str, origin: &str, variables: &[(String, String)], table: &toml::Table) -> Self {
        let name = Path::new(origin).file_name().map_or(origin.into(), |name| name.to_string_lossy());
        let variables = variables.iter().map(|(name, _)| (overlay::key(name).join("."), name.clone()));
        Self {
            path: None,
            name: name.into_owned(),
            lines: key_lines(text),
            variables: variables.collect(),
            resources: listing::resources(table),
        }
    }

    /// Where this key was set.
    pub(crate) fn of(&self, key: &str) -> Origin {
        let variable = ancestors(key).find_map(|key| self.variables.get(key));
        match (variable, self.lines.get(key)) {
            (Some(name), _) => Origin::Variable(name.clone()),
            (None, Some(line)) => Origin::File { name: self.name.clone(), line: *line },
            (None, None) => Origin::BuiltIn,
        }
    }

    /// Adds to an error about a value where the value, or the section that should have it, stands.
    pub(crate) fn locate(&self, error: ConfigError) -> ConfigError {
        let ConfigError::Value { key, place: None, message } = error else { return error };
        let origin = ancestors(&key).map(|key| self.of(key)).find(|origin| *origin != Origin::BuiltIn);
        ConfigError::Value { key, place: origin.map(|origin| origin.to_string()), message }
    }

    /// Where the limits of one section stand; `None` when it sets none.
    pub(crate) fn limit_places(&self, section: &str, caps: &LimitCaps) -> Option<PlaceTable> {
        (*caps != LimitCaps::default())
            .then(|| Limit::ALL.iter().map(|limit| self.limit_place(section, *limit)).collect())
    }

    /// Where the operator's own limits stand, all of them.
    pub(crate) fn operator_places(&self) -> PlaceTable {
        Limit::ALL.iter().map(|limit| self.limit_place("limits.default", *limit)).collect()
    }

    fn limit_place(&self, section: &str, limit: Limit) -> (Limit, String) {
        let place = match self.of(&format!("{section}.{limit}")) {
            Origin::BuiltIn => BUILT_IN.to_owned(),
            written => format!("[{section}] {limit} ({written})"),
        };
        (limit, place)
    }
}

/// A key and the sections it stands in, from the inside.
fn ancestors(key: &str) -> impl Iterator<Item = &str> {
    std::iter::successors(Some(key), |key| key.rfind(['.', '[']).and_then(|at| key.get(..at)))
}
