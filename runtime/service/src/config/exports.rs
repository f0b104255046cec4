//! `[[audit.export]]`: who else is given the trail.

use std::{
    collections::{BTreeMap, BTreeSet},
    num::{NonZeroU32, NonZeroU64},
    path::{Path, PathBuf},
};

use airlock_model::{AuditEvent, AuditKind, EnvironmentName, TenantName};
use airlock_resources::{CollectorConfig, CredentialRef, DocumentConfig, Needs};
use serde::{Deserialize, Serialize, Serializer};

use super::{ConfigError, SECRET};

/// Names of exports are keys of a table and part of log lines.
const NAME_CHARS_MAX: usize = 63;

/// One entry.
#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct ExportConfig {
    /// What the cursor is kept under: another name begins at the first record. 1 to 63 characters of a-z, 0-9 and `-`.
    pub name: String,
    /// Where records go; the table of that name says more.
    pub to: ExportTarget,
    /// How a record is written; not for `otlp`, which has records of its own.
    #[serde(default)]
    pub format: Option<ExportFormat>,
    /// `to = "file"`.
    #[serde(default)]
    pub file: Option<ExportFile>,
    /// `to = "otlp"`.
    #[serde(default)]
    pub otlp: Option<ExportCollector>,
    /// `to = "http"`.
    #[serde(default)]
    pub http: Option<ExportCollector>,
    /// Only these kinds of records; all when empty.
    #[serde(default)]
    pub kinds: Vec<AuditKind>,
    /// Only what is about these environments; all when empty.
    #[serde(default)]
    pub environments: Vec<EnvironmentName>,
    /// Only what these tenants did; all when empty, with what nobody did.
    #[serde(default)]
    pub tenants: Vec<TenantName>,
}

/// Where records go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ExportTarget {
    /// Lines on the standard output of the server.
    Stdout,
    /// Lines in a file that is rotated.
    File,
    /// OTLP logs over HTTP.
    Otlp,
    /// Batches over HTTP.
    Http,
}

/// How a record is written as JSON.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ExportFormat {
    /// As `airlock audit list --json` prints it.
    #[default]
    Airlock,
    /// Classes of the Open Cybersecurity Schema Framework.
    Ocsf,
    /// The standard attributes of Datadog.
    Datadog,
}

/// `file = { path = ".." }`.
#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct ExportFile {
    /// The file that is written; relative to the configuration file. The server may write to all of its directory.
    pub path: PathBuf,
    /// A file that would grow beyond this many bytes is put aside first.
    #[serde(default = "rotate_bytes", deserialize_with = "super::amount")]
    pub rotate_bytes: NonZeroU64,
    /// So is one that is older than this many seconds when a record comes.
    #[serde(default)]
    pub rotate_s: Option<NonZeroU32>,
    /// How many files that were put aside are kept.
    #[serde(default = "keep")]
    pub keep: NonZeroU32,
}

fn rotate_bytes() -> NonZeroU64 {
    NonZeroU64::MIN.saturating_add((128 << 20) - 1)
}

fn keep() -> NonZeroU32 {
    NonZeroU32::MIN.saturating_add(9)
}

/// `otlp = { url = ".." }` and `http = { url = ".." }`: posted to through the guarded client, as key sets are fetched.
#[derive(Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct ExportCollector {
    /// `https://collector.example:4318/v1/logs`.
    pub url: String,
    /// Address ranges that are allowed although they are not global.
    pub allow_private: Vec<String>,
    /// Allows `http://` to a host that is not listed in `allow_private`.
    pub allow_plaintext: bool,
    /// PEM certificates to trust instead of the public ones.
    pub ca_file: Option<PathBuf>,
    /// Headers whose values are secrets: `{ authorization = { env = "COLLECTOR_AUTH" } }`.
    #[serde(serialize_with = "names_only")]
    pub headers: BTreeMap<String, CredentialRef>,
}

fn names_only<S: Serializer>(headers: &BTreeMap<String, CredentialRef>, to: S) -> Result<S::Ok, S::Error> {
    to.collect_map(headers.keys().map(|name| (name, SECRET)))
}

impl ExportCollector {
    /// In the words of the client.
    #[must_use]
    pub fn collector(&self) -> CollectorConfig<'_> {
        let document = DocumentConfig {
            url: self.url.clone(),
            allow_private: self.allow_private.clone(),
            allow_plaintext: self.allow_plaintext,
            ca_file: self.ca_file.clone(),
        };
        CollectorConfig { document, headers: &self.headers }
    }
}

/// Which records an export is given.
#[derive(Debug, Clone, Default)]
pub struct ExportFilter {
    /// Only these kinds; all when empty.
    pub kinds: Vec<AuditKind>,
    /// Only what is about these environments; all when empty.
    pub environments: Vec<EnvironmentName>,
    /// Only what these tenants did; all when empty, with what nobody did.
    pub tenants: Vec<TenantName>,
}

impl ExportFilter {
    /// Whether a record is one of them.
    #[must_use]
    pub fn wants(&self, event: &AuditEvent) -> bool {
        let is_in = |names: &[EnvironmentName]| {
            event.environment.as_deref().is_some_and(|name| names.iter().any(|one| one.as_str() == name))
        };
        let is_of = |names: &[TenantName]| event.principal.as_ref().is_some_and(|who| names.contains(&who.tenant));
        (self.kinds.is_empty() || self.kinds.contains(&event.kind))
            && (self.environments.is_empty() || is_in(&self.environments))
            && (self.tenants.is_empty() || is_of(&self.tenants))
    }
}

impl ExportConfig {
    /// Which records it is given.
    #[must_use]
    pub fn filter(&self) -> ExportFilter {
        let Self { kinds, environments, tenants, .. } = self;
        ExportFilter { kinds: kinds.clone(), environments: environments.clone(), tenants: tenants.clone() }
    }

    /// Every reference to a secret in it.
    pub(crate) fn secrets(&self) -> impl Iterator<Item = &CredentialRef> {
        self.otlp.iter().chain(&self.http).flat_map(|collector| collector.headers.values())
    }

    pub(super) fn resolve_paths(&mut self, base: &Path) {
        if let Some(file) = &mut self.file {
            file.path = base.join(&file.path);
        }
        for collector in [&mut self.otlp, &mut self.http].into_iter().flatten() {
            collector.ca_file = collector.ca_file.take().map(|file| base.join(file));
            collector.headers.values_mut().for_each(|value| value.resolve_path(base));
        }
    }

    /// What it needs of the second wall.
    pub(super) fn needs(&self) -> Needs {
        let collector = self.otlp.iter().chain(&self.http).next();
        let mut needs = collector.map(|collector| collector.collector().needs()).unwrap_or_default();
        needs.directory = self.file.as_ref().and_then(|file| file.path.parent()).map(Path::to_owned);
        needs
    }

    /// Everything that needs no file to be looked at.
    fn check(&self, key: &str) -> Result<(), ConfigError> {
        let refuse = |member: &str, why: String| Err(ConfigError::value(format!("{key}.{member}"), why));
        let legal = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        if !(1..=NAME_CHARS_MAX).contains(&self.name.len()) || !self.name.chars().all(legal) {
            return refuse("name", format!("give 1 to {NAME_CHARS_MAX} characters of a-z, 0-9 and `-`"));
        }
        let tables = [
            ("file", ExportTarget::File, self.file.is_some()),
            ("otlp", ExportTarget::Otlp, self.otlp.is_some()),
            ("http", ExportTarget::Http, self.http.is_some()),
        ];
        for (member, target, is_there) in tables {
            if is_there != (self.to == target) {
                let why = if is_there { "goes with another `to`: remove it" } else { "is needed for this `to`" };
                return refuse(member, why.to_owned());
            }
        }
        if self.to == ExportTarget::Otlp && self.format.is_some() {
            return refuse("format", "OTLP has records of its own: remove it".to_owned());
        }
        Ok(())
    }
}

/// Checks all entries, one by one and against each other.
pub(super) fn check(exports: &[ExportConfig]) -> Result<(), ConfigError> {
    let (mut names, mut files) = (BTreeSet::new(), BTreeSet::new());
    for (index, export) in exports.iter().enumerate() {
        let key = format!("audit.export[{index}]");
        export.check(&key)?;
        if !names.insert(&export.name) {
            return Err(ConfigError::value(format!("{key}.name"), format!("`{}` stands there twice", export.name)));
        }
        if let Some(file) = &export.file
            && !files.insert(&file.path)
        {
            let why = format!("`{}` is another export's already", file.path.display());
            return Err(ConfigError::value(format!("{key}.file"), why));
        }
    }
    Ok(())
}
