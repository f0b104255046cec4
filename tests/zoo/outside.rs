//! A component from outside: run with the same harness, judged only by whether it was contained.

use std::{collections::BTreeMap, fs, path::Path};

use airlock_analysis::{Bounds, inspect};
use airlock_model::FunctionManifest;
use anyhow::Context as _;

use crate::select::{Guest, UsageError};

/// The guest that is one file.
///
/// # Errors
/// When a file cannot be read, the manifest has no name, or the payload is no JSON.
pub(crate) fn guest(component: &Path, manifest: Option<&Path>, payload: &str) -> anyhow::Result<Guest> {
    serde_json::from_str::<serde::de::IgnoredAny>(payload)
        .map_err(|why| UsageError::new(format!("--payload is not JSON: {why}")))?;
    let read = |path: &Path| {
        fs::read_to_string(path).map_err(|why| UsageError::new(format!("cannot read `{}`: {why}", path.display())))
    };
    let bytes =
        fs::read(component).map_err(|why| UsageError::new(format!("cannot read `{}`: {why}", component.display())))?;
    let manifest = manifest.map(read).transpose()?.unwrap_or_else(|| from_imports(&bytes));
    let name = FunctionManifest::parse(&manifest)
        .map(|manifest| manifest.name.to_string())
        .map_err(|why| UsageError::new(why.to_string()))?;
    let component = component.canonicalize().context("the component has gone")?;
    Ok(Guest { name, group: "outside", manifest, payload: payload.to_owned(), expected: String::new(), component })
}

/// A manifest that declares what the component imports. Whatever the harness binds under these names, it gets; a name
/// that is not bound is refused at deploy, which is then the outcome.
fn from_imports(component: &[u8]) -> String {
    let imported: BTreeMap<_, _> = inspect(component, &Bounds::BUILT_IN)
        .map(|report| report.resources.iter().map(|found| (found.name.to_string(), found.kind)).collect())
        .unwrap_or_default();
    let mut text = "name = \"outside\"\nlanguage = \"component\"\n".to_owned();
    for (name, kind) in imported {
        let operations = match kind {
            airlock_model::ResourceKind::Sql | airlock_model::ResourceKind::Kv | airlock_model::ResourceKind::Blob => {
                r#"["read", "write"]"#
            }
            airlock_model::ResourceKind::Graphql => r#"["query", "mutation"]"#,
            airlock_model::ResourceKind::Llm => r#"["complete"]"#,
            airlock_model::ResourceKind::Http => r#"["GET", "POST:/echo"]"#,
        };
        text += &format!("[resources.{name}]\nkind = \"{kind}\"\noperations = {operations}\n");
    }
    text
}
