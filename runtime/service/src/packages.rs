//! What environments say of packages: their policies, read with the configuration, and the findings they make.

use std::{collections::BTreeMap, fs::File, io::Read as _, path::Path, sync::Arc};

use airlock_analysis::packages::{PackagePolicy, TimeIndex, check};
use airlock_model::{Digest, EnvironmentName, Finding, Language};

use crate::{
    clock,
    config::{Config, ConfigError, Origin, PackagesConfig, Setting},
};

/// Bytes of a file of release times.
const INDEX_BYTES_MAX: u64 = 32 << 20;

/// The policies of all environments that have one, and what the list of settings says of their index files.
pub(crate) type Policies = (BTreeMap<EnvironmentName, Arc<PackagePolicy>>, Vec<Setting>);

/// Reads every policy with its index.
pub(crate) fn policies(config: &Config) -> Result<Policies, ConfigError> {
    let (mut policies, mut listed) = (BTreeMap::new(), Vec::new());
    for (name, environment) in &config.environments {
        let Some(written) = &environment.packages else { continue };
        let section = format!("environments.{name}.packages");
        let (policy, setting) = policy(&section, written).map_err(|why| config.origins.locate(why))?;
        policies.insert(name.clone(), Arc::new(policy));
        listed.extend(setting);
    }
    Ok((policies, listed))
}

fn policy(section: &str, written: &PackagesConfig) -> Result<(PackagePolicy, Option<Setting>), ConfigError> {
    let (index, setting) = match &written.index {
        None => (TimeIndex::default(), None),
        Some(path) => {
            let refuse = |why| ConfigError::value(format!("{section}.index"), format!("`{}`: {why}", path.display()));
            let (index, digest) = read_index(path).map_err(refuse)?;
            let digest = digest.excerpt();
            let value = format!("{} times (sha256 {digest})", index.len());
            let origin = Origin::NamedFile(path.clone());
            (index, Some(Setting { key: format!("{section}.times"), value, origin }))
        }
    };
    let policy = PackagePolicy {
        approved: written.approved(section)?,
        minimum_age_days: written.minimum_age_days,
        sources: written.sources(section)?,
        require_integrity: written.require_integrity,
        index: Arc::new(index),
        lockfile_times: written.lockfile_times,
    };
    Ok((policy, setting))
}

fn read_index(path: &Path) -> Result<(TimeIndex, Digest), String> {
    let mut text = String::new();
    let file = File::open(path).map_err(|why| why.to_string())?;
    file.take(INDEX_BYTES_MAX + 1).read_to_string(&mut text).map_err(|why| why.to_string())?;
    if u64::try_from(text.len()).unwrap_or(u64::MAX) > INDEX_BYTES_MAX {
        return Err(format!("more than {INDEX_BYTES_MAX} bytes"));
    }
    let index = TimeIndex::parse(&text).map_err(|why| match why.line {
        Some(line) => format!("line {line}: {why}"),
        None => why.to_string(),
    })?;
    Ok((index, Digest::of(text.as_bytes())))
}

/// What a policy says of the package files among sources; nothing where there is no policy.
pub(crate) fn findings(
    policy: Option<&PackagePolicy>,
    language: Language,
    sources: &BTreeMap<String, String>,
) -> Vec<Finding> {
    policy.map(|policy| check(policy, language, sources, clock::now_unix_s())).unwrap_or_default()
}

/// What an environment of a configuration would say of a project's package files, without a server.
///
/// # Errors
/// When there is no such environment, or its policy cannot be read.
pub fn check_packages(
    config: &Config,
    environment: &EnvironmentName,
    language: Language,
    sources: &BTreeMap<String, String>,
) -> Result<Vec<Finding>, ConfigError> {
    if !config.environments.contains_key(environment) {
        let message = format!("there is no `[environments.{environment}]`");
        return Err(ConfigError::value("environments", message));
    }
    let (policies, _) = policies(config)?;
    Ok(findings(policies.get(environment).map(AsRef::as_ref), language, sources))
}
