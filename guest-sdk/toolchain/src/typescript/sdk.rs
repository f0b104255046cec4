//! The JavaScript half of the SDK, and the module that is written for each project.

use std::fmt::Write as _;

use airlock_model::{ResourceKind, ResourceName};

use crate::wit::ResourceImport;

/// Where the bundle begins.
pub(super) const ENTRY: &str = "airlock:sdk/entry";
/// What `entry.js` calls the project's entry file.
pub(super) const PROJECT_ENTRY: &str = "airlock:project/entry";
/// The module that is generated from `function.toml`.
pub(super) const RESOURCES: &str = "@airlock/resources";
/// A module without content.
pub(super) const NOTHING: &str = "airlock:sdk/nothing";
/// The module with `setLines`, which the bundle calls last.
pub(super) const STACK: &str = "airlock:sdk/stack";

const MODULES: &[(&str, &str)] = &[
    (ENTRY, include_str!("../../../typescript/runtime/entry.js")),
    ("airlock:sdk/lockdown", include_str!("../../../typescript/runtime/lockdown.js")),
    ("airlock:sdk/text", include_str!("../../../typescript/runtime/text.js")),
    ("airlock:sdk/console", include_str!("../../../typescript/runtime/console.js")),
    ("airlock:sdk/random", include_str!("../../../typescript/runtime/random.js")),
    ("airlock:sdk/handler", include_str!("../../../typescript/runtime/handler.js")),
    (STACK, include_str!("../../../typescript/runtime/stack.js")),
    ("airlock:sdk/errors", include_str!("../../../typescript/runtime/errors.js")),
    ("airlock:sdk/sql", include_str!("../../../typescript/runtime/sql.js")),
    ("airlock:sdk/fetch", include_str!("../../../typescript/runtime/fetch.js")),
    // In the place of the resources of a function that has none of kind `http`.
    (NOTHING, ""),
    ("airlock:sdk/http", include_str!("../../../typescript/runtime/http.js")),
    ("airlock:sdk/kv", include_str!("../../../typescript/runtime/kv.js")),
    ("airlock:sdk/blob", include_str!("../../../typescript/runtime/blob.js")),
    ("airlock:sdk/graphql", include_str!("../../../typescript/runtime/graphql.js")),
    ("airlock:sdk/llm", include_str!("../../../typescript/runtime/llm.js")),
    ("airlock:sdk/soql", include_str!("../../../typescript/runtime/soql.js")),
    ("airlock:sdk/context", include_str!("../../../typescript/runtime/context.js")),
];

/// Names a project may import, and the SDK modules behind them.
const PUBLIC: &[(&str, &str)] = &[
    ("@airlock/errors", "airlock:sdk/errors"),
    ("@airlock/soql", "airlock:sdk/soql"),
    ("@airlock/context", "airlock:sdk/context"),
];

/// Words that cannot name a binding in a module.
const RESERVED: &[&str] = &[
    "arguments",
    "await",
    "break",
    "case",
    "catch",
    "class",
    "const",
    "continue",
    "debugger",
    "default",
    "delete",
    "do",
    "else",
    "enum",
    "eval",
    "export",
    "extends",
    "false",
    "finally",
    "for",
    "function",
    "if",
    "implements",
    "import",
    "in",
    "instanceof",
    "interface",
    "let",
    "new",
    "null",
    "package",
    "private",
    "protected",
    "public",
    "return",
    "static",
    "super",
    "switch",
    "this",
    "throw",
    "true",
    "try",
    "typeof",
    "var",
    "void",
    "while",
    "with",
    "yield",
];

/// The text of an SDK module.
pub(super) fn module(specifier: &str) -> Option<&'static str> {
    MODULES.iter().find(|(name, _)| *name == specifier).map(|(_, text)| *text)
}

/// The specifier of an SDK module, with the life of the program.
pub(super) fn name_of(specifier: &str) -> Option<&'static str> {
    MODULES.iter().find(|(name, _)| *name == specifier).map(|(name, _)| *name)
}

/// The SDK module that a project means.
pub(super) fn public(specifier: &str) -> Option<&'static str> {
    PUBLIC.iter().find(|(name, _)| *name == specifier).map(|(_, module)| *module)
}

/// Everything a project may import by a bare name, for error texts.
pub(super) fn public_names() -> String {
    let names = PUBLIC.iter().map(|(name, _)| *name);
    std::iter::once(RESOURCES).chain(names).map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

/// The name under which a program knows a resource: `orders-db` is `ordersDb`, and `new` is `new_`.
pub fn binding_name(resource: &ResourceName) -> String {
    let mut name = String::new();
    for (index, word) in resource.as_str().split('-').enumerate() {
        let mut characters = word.chars();
        match characters.next() {
            Some(first) if index > 0 => name.extend(first.to_uppercase()),
            Some(first) => name.push(first),
            None => {}
        }
        name.push_str(characters.as_str());
    }
    if RESERVED.contains(&name.as_str()) {
        name.push('_');
    }
    name
}

/// The text of `@airlock/resources`: one client per resource.
pub(super) fn resources_module(resources: &[ResourceImport]) -> String {
    let mut text = String::new();
    for kind in ResourceKind::ALL {
        let _ = writeln!(text, "import {{ {kind}Client }} from \"airlock:sdk/{kind}\";");
    }
    for (index, resource) in resources.iter().enumerate() {
        let _ = writeln!(text, "import host{index} from \"{}\";", resource.interface());
    }
    for (index, resource) in resources.iter().enumerate() {
        let (binding, kind, name) = (binding_name(&resource.name), resource.kind, &resource.name);
        let _ = writeln!(text, "export const {binding} = {kind}Client(\"{name}\", host{index});");
    }
    text
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn resource_names_become_identifiers() {
        for (resource, expected) in [("orders-db", "ordersDb"), ("crm", "crm"), ("a-b-c2", "aBC2"), ("new", "new_")] {
            assert_eq!(binding_name(&resource.parse().unwrap()), expected);
        }
    }
}
