//! `function.toml`: what a function is, what it asks for and how it limits itself.

use std::{collections::BTreeMap, fmt, str::FromStr, sync::Arc};

use serde::{Deserialize, Serialize};

use crate::{FunctionName, Grant, Limit, LimitCaps, Operation, PlaceTable, ResourceName, place::key_lines};

/// The protocol of a resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ResourceKind {
    /// A SQL database.
    Sql,
    /// An HTTP API.
    Http,
    /// A key-value store.
    Kv,
    /// An object store.
    Blob,
    /// A GraphQL API.
    Graphql,
    /// Language models of a provider.
    Llm,
}

impl ResourceKind {
    /// Every kind.
    pub const ALL: [Self; 6] = [Self::Sql, Self::Http, Self::Kv, Self::Blob, Self::Graphql, Self::Llm];

    /// The name of the kind, which is also the name of its WIT interface.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Sql => "sql",
            Self::Http => "http",
            Self::Kv => "kv",
            Self::Blob => "blob",
            Self::Graphql => "graphql",
            Self::Llm => "llm",
        }
    }
}

impl fmt::Display for ResourceKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for ResourceKind {
    type Err = ();
    fn from_str(text: &str) -> Result<Self, ()> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text).ok_or(())
    }
}

/// The language of a function's source.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Language {
    /// Built in process by the toolchain.
    Typescript,
    /// Built by cargo.
    Rust,
    /// A component that somebody else built.
    Component,
}

impl Language {
    /// The entry file of a project that names none; `None` for components that somebody else built.
    #[must_use]
    pub const fn usual_entry(self) -> Option<&'static str> {
        match self {
            Self::Typescript => Some("src/main.ts"),
            Self::Rust => Some("src/lib.rs"),
            Self::Component => None,
        }
    }
}

/// One resource that a function asks for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ResourceUse {
    /// Its protocol.
    pub kind: ResourceKind,
    /// What the function does to it, at most.
    pub operations: Vec<Operation>,
}

/// The parsed `function.toml`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FunctionManifest {
    /// What callers name.
    pub name: FunctionName,
    /// Source language.
    pub language: Language,
    /// Path of the entry file inside the project, for TypeScript.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub entry: Option<String>,
    /// One sentence for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Resources by name.
    #[serde(default)]
    pub resources: BTreeMap<ResourceName, ResourceUse>,
    /// Limits that the function sets itself.
    #[serde(default)]
    pub limits: LimitCaps,
    /// JSON Schema of the input.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub input: Option<serde_json::Value>,
    /// JSON Schema of the output.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output: Option<serde_json::Value>,
}

/// Bytes of a `function.toml`.
const MANIFEST_BYTES_MAX: usize = 256 << 10;
/// Resources of one function, and operations on each.
const RESOURCES_MAX: usize = 64;
/// Characters of a parser's complaint: it quotes the line, which may be all of the file.
const COMPLAINT_CHARS_MAX: usize = 1_000;

/// Why a `function.toml` is not accepted. The text names line, key and remedy.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ManifestError {
    /// Larger than any function needs.
    #[error("function.toml has {found} {what}, at most {allowed} are allowed")]
    TooLarge {
        /// What there is too much of.
        what: &'static str,
        /// How much is allowed.
        allowed: usize,
        /// How much there is.
        found: usize,
    },
    /// Not TOML, an unknown key or a value of the wrong shape.
    #[error("function.toml is not valid: {0}")]
    Syntax(String),
    /// An operation that the resource's kind does not have.
    #[error("function.toml: resource `{resource}` is of kind `{kind}`, which has no operation `{operation}`")]
    Operation {
        /// The resource.
        resource: ResourceName,
        /// Its kind.
        kind: ResourceKind,
        /// The operation as written.
        operation: String,
    },
    /// A resource without operations grants nothing, which is never meant.
    #[error("function.toml: resource `{0}` lists no operations: add for instance `operations = [\"read\"]`")]
    NoOperations(ResourceName),
}

impl FunctionManifest {
    /// Reads a `function.toml`.
    ///
    /// # Errors
    /// When the text is not TOML, has an unknown key, or asks for an operation its resource cannot have.
    pub fn parse(text: &str) -> Result<Self, ManifestError> {
        at_most(MANIFEST_BYTES_MAX, "bytes", text.len())?;
        let cut = |why: toml::de::Error| why.to_string().chars().take(COMPLAINT_CHARS_MAX).collect();
        let manifest: Self = toml::from_str(text).map_err(|why| ManifestError::Syntax(cut(why)))?;
        at_most(RESOURCES_MAX, "resources", manifest.resources.len())?;
        for (resource, usage) in &manifest.resources {
            at_most(RESOURCES_MAX, "operations on one resource", usage.operations.len())?;
            if usage.operations.is_empty() {
                return Err(ManifestError::NoOperations(resource.clone()));
            }
            if let Some(stray) = usage.operations.iter().find(|operation| !operation.is_known_to(usage.kind)) {
                let operation = stray.to_string();
                return Err(ManifestError::Operation { resource: resource.clone(), kind: usage.kind, operation });
            }
        }
        Ok(manifest)
    }

    /// The name in a text that may be no manifest otherwise; `None` when it is larger than any manifest.
    #[must_use]
    pub fn name_in(text: &str) -> Option<FunctionName> {
        at_most(MANIFEST_BYTES_MAX, "bytes", text.len()).ok()?;
        toml::from_str::<toml::Table>(text).ok()?.get("name")?.as_str()?.parse().ok()
    }

    /// Where each limit of a `function.toml` stands.
    #[must_use]
    pub fn limit_places(text: &str) -> PlaceTable {
        let lines = key_lines(text);
        let place = |limit: &Limit| {
            let line = lines.get(&format!("limits.{limit}"))?;
            Some((*limit, format!("[limits] {limit} (function.toml:{line})")))
        };
        Limit::ALL.iter().filter_map(place).collect()
    }

    /// Where a `function.toml` says what the function does to each resource.
    #[must_use]
    pub fn grant_places(text: &str) -> BTreeMap<ResourceName, String> {
        let place = |(key, line): (String, usize)| {
            let name = key.strip_prefix("resources.")?.strip_suffix(".operations")?;
            Some((name.parse().ok()?, format!("[resources.{name}] operations (function.toml:{line})")))
        };
        key_lines(text).into_iter().filter_map(place).collect()
    }

    /// What the function may do at most.
    #[must_use]
    pub fn grants(&self) -> Arc<[Grant]> {
        let of_one = |(resource, usage): (&ResourceName, &ResourceUse)| {
            let resource = resource.clone();
            let grant = move |operation: &Operation| Grant { resource: resource.clone(), operation: operation.clone() };
            usage.operations.iter().map(grant).collect::<Vec<_>>()
        };
        self.resources.iter().flat_map(of_one).collect()
    }
}

fn at_most(allowed: usize, what: &'static str, found: usize) -> Result<(), ManifestError> {
    if found > allowed { Err(ManifestError::TooLarge { what, allowed, found }) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// On a stack as small as a worker's.
    #[test]
    fn texts_that_are_too_large_or_nest_without_end_are_refused() {
        let head = "name = \"f\"\nlanguage = \"rust\"\n";
        let nest = |open: &str, close: &str| format!("{}1{}", open.repeat(20_000), close.repeat(20_000));
        let texts = [
            format!("{head}description = \"{}\"", "x".repeat(8 << 20)),
            format!("{head}input = {}", nest("[", "]")),
            format!("{head}input = {}", nest("{a=", "}")),
            format!("{head}input.{}b = 1", "a.".repeat(20_000)),
            format!("{head}[input.{}b]", "a.".repeat(20_000)),
            format!("{head}{}", (0..5_000).map(|n| format!("[input.{}b{n}]\n", "a.".repeat(20))).collect::<String>()),
            format!(
                "{head}{}",
                (0..100)
                    .map(|n| format!("[resources.r{n}]\nkind=\"sql\"\noperations=[\"read\"]\n"))
                    .collect::<String>()
            ),
            format!("{head}[resources.r]\nkind = \"sql\"\noperations = [{}]", "\"read\",".repeat(100)),
            format!("{head}x = \"{}\"", "x".repeat(100_000)),
        ];
        let run = move || {
            for text in texts {
                let began = std::time::Instant::now();
                let parsed = FunctionManifest::parse(&text);
                let shown: String = text.chars().take(60).collect();
                assert!(began.elapsed() < std::time::Duration::from_secs(5), "{shown}: {:?}", began.elapsed());
                let error = parsed.expect_err(&shown);
                assert!(error.to_string().len() < 5_000, "{shown}");
            }
        };
        std::thread::Builder::new().stack_size(2 << 20).spawn(run).expect("a thread").join().expect("no panic");
    }

    const ORDER_SUMMARY: &str = r#"
        name = "order-summary"
        language = "typescript"
        entry = "src/main.ts"
        [resources.orders-db]
        kind = "sql"
        operations = ["read"]
        [resources.crm]
        kind = "http"
        operations = ["GET:/customers/*"]
        [limits]
        memory_bytes = "32MiB"
    "#;

    #[test]
    fn a_manifest_reads_into_grants_and_limits() {
        let manifest = FunctionManifest::parse(ORDER_SUMMARY).expect("valid");
        let grants: Vec<_> = manifest.grants().iter().map(ToString::to_string).collect();
        assert_eq!(grants, ["crm:GET:/customers/*", "orders-db:read"]);
        assert_eq!(manifest.limits.memory_bytes.map(std::num::NonZero::get), Some(32 << 20));
        let places = FunctionManifest::limit_places(ORDER_SUMMARY);
        assert_eq!(places.get(Limit::MemoryBytes), Some("[limits] memory_bytes (function.toml:12)"));
        assert_eq!(places.get(Limit::Fuel), None);
    }

    #[test]
    fn a_name_is_found_in_what_is_no_manifest_and_nothing_in_what_is_too_large_for_one() {
        assert_eq!(FunctionManifest::name_in("name = \"f\"\nodd = 1").as_ref().map(FunctionName::as_str), Some("f"));
        for text in ["", "name = 7", "name = \"F!\"", "odd"] {
            assert_eq!(FunctionManifest::name_in(text), None, "{text}");
        }
        let large = format!("name = \"f\"\nx = [{}1]", "1,".repeat(MANIFEST_BYTES_MAX / 2));
        assert_eq!(FunctionManifest::name_in(&large), None);
    }

    #[test]
    fn mistakes_are_named() {
        let stray = ORDER_SUMMARY.replace("[\"read\"]", "[\"GET\"]");
        assert!(matches!(FunctionManifest::parse(&stray), Err(ManifestError::Operation { .. })));
        let empty = ORDER_SUMMARY.replace("[\"read\"]", "[]");
        assert!(matches!(FunctionManifest::parse(&empty), Err(ManifestError::NoOperations(_))));
        let unknown = ORDER_SUMMARY.replace("entry", "entri");
        let Err(ManifestError::Syntax(text)) = FunctionManifest::parse(&unknown) else { panic!("accepted") };
        assert!(text.contains("entri"), "{text}");
    }
}
