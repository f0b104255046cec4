//! The world of a function, written from the resources that its `function.toml` declares.
//!
//! Each resource becomes a package of its own, `resources:<name>@1.0.0`, holding a copy of the interface of its kind. So
//! the import list of a component is the list of what it can touch.

use std::fmt::Write as _;

use airlock_model::{ResourceKind, ResourceName};
use wit_parser::{Resolve, WorldId};

const GUEST: &str = include_str!("../../wit/guest.wit");
const SQL: &str = include_str!("../../wit/kinds/sql.wit");
const HTTP: &str = include_str!("../../wit/kinds/http.wit");
const KV: &str = include_str!("../../wit/kinds/kv.wit");
const BLOB: &str = include_str!("../../wit/kinds/blob.wit");
const LLM: &str = include_str!("../../wit/kinds/llm.wit");
const GRAPHQL: &str = include_str!("../../wit/kinds/graphql.wit");
/// The package line of `guest.wit`. A text with several packages needs braces instead.
const GUEST_PACKAGE: &str = "package airlock:guest@1.0.0;";
/// Words that the WIT grammar keeps for itself and that need a `%` in front when they are a name.
const KEYWORDS: &[&str] = &[
    "as",
    "async",
    "bool",
    "borrow",
    "char",
    "constructor",
    "enum",
    "error-context",
    "export",
    "f32",
    "f64",
    "flags",
    "from",
    "func",
    "future",
    "import",
    "include",
    "interface",
    "list",
    "map",
    "option",
    "own",
    "package",
    "record",
    "resource",
    "result",
    "s16",
    "s32",
    "s64",
    "s8",
    "static",
    "stream",
    "string",
    "tuple",
    "type",
    "u16",
    "u32",
    "u64",
    "u8",
    "use",
    "variant",
    "with",
    "world",
];

/// One resource a function imports.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResourceImport {
    /// Name in `function.toml`, for instance `orders-db`.
    pub name: ResourceName,
    /// Protocol of the resource.
    pub kind: ResourceKind,
}

impl ResourceImport {
    /// The name of the component's import, for instance `resources:orders-db/sql@1.0.0`.
    pub fn interface(&self) -> String {
        format!("resources:{}/{}@1.0.0", self.name, self.kind)
    }
}

/// Why no world could be written.
#[derive(Debug, thiserror::Error)]
pub enum WitError {
    /// Two resources have the same name.
    #[error("the resource `{0}` is declared twice; give each resource its own name")]
    Twice(ResourceName),
    /// The text does not parse, which is a bug of this crate.
    #[error("the generated WIT is not valid")]
    Invalid(#[source] anyhow::Error),
}

/// The world of a function with these resources, as one WIT text holding several packages.
///
/// # Errors
/// A name that occurs twice.
pub fn world_wit(resources: &[ResourceImport]) -> Result<String, WitError> {
    world_wit_with(resources, "", &[])
}

/// The world of [`world_wit`], parsed.
///
/// # Errors
/// The same as [`world_wit`].
pub fn resolve(resources: &[ResourceImport]) -> Result<(Resolve, WorldId), WitError> {
    parse(&world_wit(resources)?)
}

/// A world with `imports` beside those of the contract, for language runtimes; `packages` declares them.
pub(crate) fn world_wit_with(
    resources: &[ResourceImport],
    packages: &str,
    imports: &[&str],
) -> Result<String, WitError> {
    let mut text = String::from("package airlock:project;\n\nworld function {\n");
    text.push_str("    import airlock:guest/log@1.0.0;\n    import airlock:guest/context@1.0.0;\n");
    for import in imports {
        let _ = writeln!(text, "    import {import};");
    }
    for (index, resource) in resources.iter().enumerate() {
        if resources.iter().take(index).any(|earlier| earlier.name == resource.name) {
            return Err(WitError::Twice(resource.name.clone()));
        }
        let (name, kind) = (escaped(&resource.name), resource.kind);
        let _ = writeln!(text, "    import resources:{name}/{kind}@1.0.0;");
    }
    text.push_str("    export airlock:guest/handler@1.0.0;\n}\n\n");
    text.push_str(&GUEST.replace(GUEST_PACKAGE, "package airlock:guest@1.0.0 {"));
    text.push_str("}\n");
    for resource in resources {
        let (name, interface) = (escaped(&resource.name), interface(resource.kind));
        let _ = write!(text, "\npackage resources:{name}@1.0.0 {{\n{interface}}}\n");
    }
    text.push_str(packages);
    Ok(text)
}

pub(crate) fn parse(text: &str) -> Result<(Resolve, WorldId), WitError> {
    let mut resolve = Resolve::default();
    let package = resolve.push_str("function.wit", text).map_err(WitError::Invalid)?;
    let world = resolve.select_world(&[package], Some("function")).map_err(WitError::Invalid)?;
    Ok((resolve, world))
}

fn interface(kind: ResourceKind) -> &'static str {
    match kind {
        ResourceKind::Sql => SQL,
        ResourceKind::Http => HTTP,
        ResourceKind::Kv => KV,
        ResourceKind::Blob => BLOB,
        ResourceKind::Graphql => GRAPHQL,
        ResourceKind::Llm => LLM,
    }
}

fn escaped(name: &ResourceName) -> String {
    if KEYWORDS.contains(&name.as_str()) { format!("%{name}") } else { name.to_string() }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn sql(name: &str) -> ResourceImport {
        ResourceImport { name: name.parse().unwrap(), kind: ResourceKind::Sql }
    }

    #[test]
    fn every_resource_becomes_its_own_import() {
        let http = ResourceImport { name: "crm".parse().unwrap(), kind: ResourceKind::Http };
        let (resolve, world) = resolve(&[sql("orders-db"), sql("billing"), http]).unwrap();
        let imports: Vec<String> =
            resolve.worlds[world].imports.keys().map(|key| resolve.name_world_key(key)).collect();
        for expected in [
            "airlock:guest/log@1.0.0",
            "airlock:guest/context@1.0.0",
            "resources:orders-db/sql@1.0.0",
            "resources:crm/http@1.0.0",
        ] {
            assert!(imports.iter().any(|import| import == expected), "{expected} is not in {imports:?}");
        }
        let exports: Vec<String> =
            resolve.worlds[world].exports.keys().map(|key| resolve.name_world_key(key)).collect();
        assert!(exports.contains(&"airlock:guest/handler@1.0.0".to_owned()), "{exports:?}");
    }

    #[test]
    fn keywords_are_escaped() {
        for keyword in KEYWORDS.iter().filter(|keyword| keyword.parse::<ResourceName>().is_ok()) {
            resolve(&[sql(keyword)]).unwrap_or_else(|error| panic!("{keyword}: {error:?}"));
        }
    }

    #[test]
    fn one_name_twice_is_refused() {
        assert!(matches!(world_wit(&[sql("db"), sql("db")]), Err(WitError::Twice(name)) if name.as_str() == "db"));
    }
}
