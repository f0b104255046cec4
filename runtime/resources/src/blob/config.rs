//! `engine = "directory"` and `engine = "s3"` as the operator writes them.

use std::{
    num::NonZeroU64,
    path::{Path, PathBuf},
};

use airlock_model::Operation;
use serde::Deserialize;

use crate::CredentialRef;

/// Objects in files of a directory.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DirectoryConfig {
    /// The directory, which nobody else writes to. It must exist when the server starts.
    pub path: PathBuf,
    /// What the environment allows: `read`, `write`.
    pub operations: Vec<Operation>,
    /// Calls of all functions together in a second, spread evenly; as many as come unless set. Those beyond wait their turn.
    #[serde(default, deserialize_with = "airlock_model::quantity::deserialize")]
    pub calls_per_second_max: Option<NonZeroU64>,
    /// Whether all tenants have the same objects; each has its own unless set.
    #[serde(default)]
    pub shared: bool,
    /// Largest object, in bytes; 8 MiB unless set.
    #[serde(default, deserialize_with = "airlock_model::quantity::deserialize")]
    pub object_bytes_max: Option<NonZeroU64>,
    /// Most bytes of one tenant; 1 GiB unless set.
    #[serde(default, deserialize_with = "airlock_model::quantity::deserialize")]
    pub tenant_bytes_max: Option<NonZeroU64>,
    /// Most objects of one tenant; 10,000 unless set. Every change and listing looks at all of them.
    #[serde(default, deserialize_with = "airlock_model::quantity::deserialize")]
    pub tenant_objects_max: Option<NonZeroU64>,
}

/// A bucket of a server that speaks S3. Holds a secret reference, so it is not `Clone`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct S3Config {
    /// Scheme, host and port of the server: `https://s3.eu-central-1.amazonaws.com`.
    pub base_url: String,
    /// Name of the bucket, which stands in the path.
    pub bucket: String,
    /// Region that requests are signed for; `us-east-1` unless set.
    #[serde(default = "region_default")]
    pub region: String,
    /// Who signs.
    pub credential: S3Credential,
    /// What the environment allows: `read`, `write`.
    pub operations: Vec<Operation>,
    /// Calls of all functions together in a second, spread evenly; as many as come unless set. Those beyond wait their turn.
    #[serde(default, deserialize_with = "airlock_model::quantity::deserialize")]
    pub calls_per_second_max: Option<NonZeroU64>,
    /// What all keys begin with, up to a `/`; `airlock/<resource>/<environment>/` unless set.
    #[serde(default)]
    pub prefix: Option<String>,
    /// Whether all tenants have the same objects; each has its own, below its name, unless set.
    #[serde(default)]
    pub shared: bool,
    /// Longest life of a signed URL, in milliseconds; functions get none unless set. Such a URL names host and bucket.
    #[serde(default, deserialize_with = "airlock_model::quantity::deserialize")]
    pub signed_url_ms_max: Option<NonZeroU64>,
    /// Largest object that is stored, in bytes; 8 MiB unless set.
    #[serde(default, deserialize_with = "airlock_model::quantity::deserialize")]
    pub object_bytes_max: Option<NonZeroU64>,
    /// Address ranges that are allowed although they are not global: `["10.0.0.0/8"]`.
    #[serde(default)]
    pub allow_private: Vec<String>,
    /// Allows `http://` to a host that is not listed in `allow_private`.
    #[serde(default)]
    pub allow_plaintext: bool,
    /// PEM certificates to trust instead of the public ones.
    #[serde(default)]
    pub ca_file: Option<PathBuf>,
    /// Longest time to resolve and connect, in milliseconds; 3 s unless set.
    #[serde(default, deserialize_with = "airlock_model::quantity::deserialize")]
    pub connect_timeout_ms: Option<NonZeroU64>,
}

/// An access key. There is no other way to be somebody: no environment, no metadata service, no profile.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct S3Credential {
    /// Its name, which is no secret to the server.
    pub access_key_id: String,
    /// What requests are signed with.
    pub secret: CredentialRef,
}

impl S3Config {
    /// Takes every relative path from `base`.
    pub(crate) fn resolve_paths(&mut self, base: &Path) {
        self.ca_file = self.ca_file.take().map(|file| base.join(file));
        self.credential.secret.resolve_path(base);
    }
}

fn region_default() -> String {
    "us-east-1".to_owned()
}
