//! `engine = "graphql"` as the operator writes it, and as it is used.

use std::{
    num::NonZeroU64,
    path::{Path, PathBuf},
};

use airlock_model::{Digest, RequestPath};
use ipnet::IpNet;
use serde::Deserialize;

use crate::{
    ConfigError, Sources,
    config::amount,
    http::{self, HttpSettings},
    over_http::{OverHttp, OwnKeys},
};

/// A GraphQL API: the keys of an HTTP binding, with `query` and `mutation` as operations, and those below.
pub type GraphqlConfig = OverHttp<GraphqlKeys>;

/// What a GraphQL binding has beside an HTTP binding.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GraphqlKeys {
    /// Path of the endpoint below `base_url`; `/graphql` unless set.
    #[serde(default = "path_default")]
    pub path: String,
    /// A file with the schema, in the schema definition language: documents are checked against it.
    #[serde(default)]
    pub schema: Option<PathBuf>,
    /// Allows functions to ask for `__schema` and `__type`.
    #[serde(default)]
    pub introspection: bool,
    /// Most levels of fields; 12 unless set.
    #[serde(default, deserialize_with = "airlock_model::quantity::deserialize")]
    pub depth_max: Option<NonZeroU64>,
    /// Most fields that an answer could have; 10,000 unless set.
    #[serde(default, deserialize_with = "airlock_model::quantity::deserialize")]
    pub cost_max: Option<NonZeroU64>,
    /// Most aliases in a document; 20 unless set.
    #[serde(default, deserialize_with = "airlock_model::quantity::deserialize")]
    pub aliases_max: Option<NonZeroU64>,
    /// Most fragment definitions in a document; 20 unless set.
    #[serde(default, deserialize_with = "airlock_model::quantity::deserialize")]
    pub fragments_max: Option<NonZeroU64>,
    /// Most directives in a document; 20 unless set.
    #[serde(default, deserialize_with = "airlock_model::quantity::deserialize")]
    pub directives_max: Option<NonZeroU64>,
    /// How long a list counts as whose length nothing says; 10 unless set.
    #[serde(default, deserialize_with = "airlock_model::quantity::deserialize")]
    pub list_items: Option<NonZeroU64>,
}

impl OwnKeys for GraphqlKeys {
    const NAMES: &'static [&'static str] = &[
        "path",
        "schema",
        "introspection",
        "depth_max",
        "cost_max",
        "aliases_max",
        "fragments_max",
        "directives_max",
        "list_items",
    ];

    fn resolve_paths(&mut self, base: &Path) {
        self.schema = self.schema.take().map(|file| base.join(file));
    }
}

fn path_default() -> String {
    "/graphql".to_owned()
}

/// A checked GraphQL binding.
#[derive(Debug)]
pub(crate) struct GraphqlSettings {
    pub(super) http: HttpSettings,
    pub(super) path: RequestPath,
}

impl GraphqlSettings {
    /// Tells two credentials apart without showing either.
    pub(crate) fn credential_mark(&self) -> Option<Digest> {
        self.http.credential_mark()
    }

    pub(crate) fn allow_private(&self) -> &[IpNet] {
        &self.http.allow_private
    }
}

/// Checks what the operator wrote, and reads the credential and the certificates. Documents are judged elsewhere, and so
/// is the schema; here only what fits no document at all is refused.
///
/// # Errors
/// The first mistake found.
pub(crate) fn check(config: &GraphqlConfig, sources: &Sources<'_>) -> Result<GraphqlSettings, ConfigError> {
    let refuse =
        ConfigError::Key { key: "path", rule: "has to be an absolute path without a query, such as `/graphql`" };
    let path = config.own.path.parse().map_err(|_| refuse)?;
    let own = &config.own;
    for (key, written, max) in [
        ("depth_max", own.depth_max, 100),
        ("cost_max", own.cost_max, 1 << 40),
        ("aliases_max", own.aliases_max, 1_000),
        ("fragments_max", own.fragments_max, 100),
        ("directives_max", own.directives_max, 1_000),
        ("list_items", own.list_items, 1_000_000),
    ] {
        amount(key, written, 1, max)?;
    }
    Ok(GraphqlSettings { http: http::check(&config.http, sources)?, path })
}
