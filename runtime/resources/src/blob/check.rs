//! From the operator's text to settings that hold.

use std::{num::NonZeroU64, path::PathBuf, sync::Arc, time::Duration};

use airlock_model::Digest;
use ipnet::IpNet;
use rustls::ClientConfig;

use super::{DirectoryConfig, S3Config};
use crate::{ConfigError, Secret, Sources, address, config::amount, http::BaseUrl, tls};

/// A checked binding of an object store.
#[derive(Debug)]
pub(crate) enum BlobSettings {
    Directory(DirectorySettings),
    S3(Box<S3Settings>),
}

/// A checked directory.
#[derive(Debug)]
pub(crate) struct DirectorySettings {
    pub(super) path: PathBuf,
    pub(super) is_shared: bool,
    pub(super) object_bytes_max: u64,
    pub(super) tenant_bytes_max: u64,
    pub(super) tenant_objects_max: u64,
}

/// A checked S3 binding.
#[derive(Debug)]
pub(crate) struct S3Settings {
    pub(super) base: BaseUrl,
    pub(super) bucket: String,
    pub(super) region: String,
    pub(super) access_key_id: String,
    pub(super) secret: Secret,
    pub(super) prefix: Option<String>,
    pub(super) is_shared: bool,
    pub(super) signed_url_ms_max: Option<NonZeroU64>,
    pub(super) object_bytes_max: u64,
    pub(super) allow_private: Vec<IpNet>,
    pub(super) tls: Arc<ClientConfig>,
    pub(super) connect_timeout: Duration,
}

const OBJECT_BYTES_DEFAULT: u64 = 8 << 20;
const OBJECT_BYTES_MAX: u64 = 64 << 20;
const TENANT_BYTES_DEFAULT: u64 = 1 << 30;
const TENANT_BYTES_MAX: u64 = 1 << 44;
const TENANT_OBJECTS_DEFAULT: u64 = 10_000;
const TENANT_OBJECTS_MAX: u64 = 1_000_000;
const TIMEOUT_MS_MAX: u64 = 10 * 60 * 1000;
const PREFIX_BYTES_MAX: usize = 256;
/// AWS's own limit.
const SIGNED_URL_MS_MAX: u64 = 7 * 24 * 3_600_000;

impl BlobSettings {
    /// Tells two credentials apart without showing either.
    pub(crate) fn credential_mark(&self) -> Option<Digest> {
        match self {
            Self::Directory(_) => None,
            Self::S3(settings) => {
                Some(Digest::of_parts(&[settings.access_key_id.as_bytes(), settings.secret.expose().as_bytes()]))
            }
        }
    }
}

/// Checks what the operator wrote.
///
/// # Errors
/// When the path is empty or an amount too large.
pub(crate) fn check_directory(config: &DirectoryConfig) -> Result<BlobSettings, ConfigError> {
    if config.path.as_os_str().is_empty() {
        return Err(ConfigError::Path { path: config.path.clone(), rule: "name the directory" });
    }
    let objects = config.tenant_objects_max;
    Ok(BlobSettings::Directory(DirectorySettings {
        path: config.path.clone(),
        is_shared: config.shared,
        object_bytes_max: amount("object_bytes_max", config.object_bytes_max, OBJECT_BYTES_DEFAULT, OBJECT_BYTES_MAX)?,
        tenant_bytes_max: amount("tenant_bytes_max", config.tenant_bytes_max, TENANT_BYTES_DEFAULT, TENANT_BYTES_MAX)?,
        tenant_objects_max: amount("tenant_objects_max", objects, TENANT_OBJECTS_DEFAULT, TENANT_OBJECTS_MAX)?,
    }))
}

/// Checks what the operator wrote, and reads the secret and the certificates.
///
/// # Errors
/// The first mistake found.
pub(crate) fn check_s3(config: &S3Config, sources: &Sources<'_>) -> Result<BlobSettings, ConfigError> {
    let refuse = |key, rule| ConfigError::Key { key, rule };
    let base = BaseUrl::parse(&config.base_url)?;
    if !base.has_no_path() {
        return Err(ConfigError::BaseUrl("has a path: `bucket` and `prefix` are keys of their own"));
    }
    let allow_private = address::parse_nets(&config.allow_private)?;
    if !base.is_secure() && !config.allow_plaintext && !base.is_listed_in(&allow_private) {
        return Err(ConfigError::Plaintext { host: base.host().to_owned() });
    }
    let is_name = |text: &str| {
        let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_');
        (1..=63).contains(&text.len()) && text.chars().all(legal) && !text.starts_with('.')
    };
    if !is_name(&config.bucket) {
        return Err(refuse("bucket", "has to be 1 to 63 letters, digits, `-`, `.` and `_`"));
    }
    if !is_name(&config.region) {
        return Err(refuse("region", "has to be a region such as `eu-central-1`"));
    }
    if !is_name(&config.credential.access_key_id) {
        return Err(ConfigError::Credential("has an `access_key_id` that is not letters and digits"));
    }
    let lifetime = config.signed_url_ms_max;
    amount("signed_url_ms_max", lifetime, 1, SIGNED_URL_MS_MAX)?;
    Ok(BlobSettings::S3(Box::new(S3Settings {
        base,
        bucket: config.bucket.clone(),
        region: config.region.clone(),
        access_key_id: config.credential.access_key_id.clone(),
        secret: config.credential.secret.resolve(sources)?,
        prefix: prefix(config.prefix.as_deref())?,
        is_shared: config.shared,
        signed_url_ms_max: lifetime,
        object_bytes_max: amount("object_bytes_max", config.object_bytes_max, OBJECT_BYTES_DEFAULT, OBJECT_BYTES_MAX)?,
        allow_private,
        tls: Arc::new(tls::client(config.ca_file.as_deref())?),
        connect_timeout: amount("connect_timeout_ms", config.connect_timeout_ms, 3_000, TIMEOUT_MS_MAX)
            .map(Duration::from_millis)?,
    })))
}

/// It ends in `/`, because the name of a tenant or a key follows, and is itself made of parts like a key's.
fn prefix(written: Option<&str>) -> Result<Option<String>, ConfigError> {
    let is_legal = |text: &str| {
        let parts = text.strip_suffix('/').unwrap_or_default();
        text.len() <= PREFIX_BYTES_MAX && airlock_model::ObjectKey::parse(parts.to_owned()).is_ok()
    };
    match written {
        Some(text) if !is_legal(text) => {
            let rule = "has to end in `/`, with no empty part, `.` or `..` before it, and at most 256 bytes";
            Err(ConfigError::Key { key: "prefix", rule })
        }
        written => Ok(written.map(str::to_owned)),
    }
}
