//! Revisions: one immutable upload each.

use std::collections::BTreeMap;

use airlock_model::{Digest, EnvironmentName, Finding, FunctionName, StatementManifest};
use serde::Serialize;

/// A revision about to be stored. Its artifacts are stored before it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewRevision {
    /// What callers name.
    pub function: FunctionName,
    /// Where it is deployed.
    pub environment: EnvironmentName,
    /// Digest of the component's bytes.
    pub component_digest: Digest,
    /// Digest of the compiled form.
    pub artifact_digest: Digest,
    /// The text of `function.toml`.
    pub manifest: String,
    /// Source files by path, when they were given.
    pub sources: BTreeMap<String, String>,
    /// What analysis found, warnings included.
    pub findings: Vec<Finding>,
    /// What it may say to its resources; `None` when neither sources nor a section of the component tell.
    pub statements: Option<StatementManifest>,
    /// Where it was promoted from; `None` for uploads.
    pub promoted_from: Option<EnvironmentName>,
    /// The name of the key whose signature over the component was checked.
    pub signed_by: Option<String>,
    /// The signature itself, as it was given.
    pub signature: Option<Vec<u8>>,
    /// Who deployed.
    pub author: String,
    /// The `jti` of the author's token.
    pub token_id: Option<String>,
    /// Milliseconds since the Unix epoch.
    pub created_unix_ms: u64,
}

impl NewRevision {
    /// What makes a revision itself: the component, the manifest and the sources, not who compiled, signed or deployed it.
    #[must_use]
    pub fn digest(&self) -> Digest {
        let built = [self.component_digest.as_bytes().as_slice(), self.manifest.as_bytes()];
        let sources = self.sources.iter().flat_map(|(path, text)| [path.as_bytes(), text.as_bytes()]);
        Digest::of_parts(&built.into_iter().chain(sources).collect::<Vec<_>>())
    }
}

/// A stored revision, without its sources.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Revision {
    /// Of component, manifest and sources.
    pub digest: Digest,
    /// What callers name.
    pub function: FunctionName,
    /// Where it is deployed.
    pub environment: EnvironmentName,
    /// Counts the revisions of this function in this environment from 1.
    pub number: u64,
    /// Digest of the component's bytes.
    pub component_digest: Digest,
    /// Digest of the compiled form.
    pub artifact_digest: Digest,
    /// The text of `function.toml`.
    pub manifest: String,
    /// What analysis found, warnings included.
    pub findings: Vec<Finding>,
    /// What it may say to its resources; `None` when neither sources nor a section of the component tell.
    pub statements: Option<StatementManifest>,
    /// Where it was promoted from; `None` for uploads.
    pub promoted_from: Option<EnvironmentName>,
    /// The name of the key whose signature over the component was checked.
    pub signed_by: Option<String>,
    /// Who deployed.
    pub author: String,
    /// The `jti` of the author's token.
    pub token_id: Option<String>,
    /// Milliseconds since the Unix epoch.
    pub created_unix_ms: u64,
}
