//! Type declarations for editors and for `tsc`.

use std::fmt::Write as _;

use airlock_model::ResourceKind;

use super::sdk::binding_name;
use crate::wit::ResourceImport;

/// Declarations that are the same for every project: the globals and the `@airlock/..` modules.
pub const AMBIENT: &str = include_str!("../../../typescript/types/airlock.d.ts");

/// Declarations of `@airlock/resources` for these resources.
pub fn declarations(resources: &[ResourceImport]) -> String {
    let mut text = String::from("// Written by `airlock bindings` from function.toml. Do not edit.\n\n");
    text.push_str("declare module \"@airlock/resources\" {\n");
    text.push_str(
        "  import type { BlobClient, GraphqlClient, HttpClient, KvClient, LlmClient, SqlClient } from \"@airlock/clients\";\n",
    );
    for resource in resources {
        let (binding, name, kind) = (binding_name(&resource.name), &resource.name, resource.kind);
        let client = match kind {
            ResourceKind::Sql => "SqlClient",
            ResourceKind::Http => "HttpClient",
            ResourceKind::Kv => "KvClient",
            ResourceKind::Blob => "BlobClient",
            ResourceKind::Graphql => "GraphqlClient",
            ResourceKind::Llm => "LlmClient",
        };
        let _ =
            write!(text, "\n  /** The resource `{name}` of kind `{kind}`. */\n  export const {binding}: {client};\n");
    }
    text.push_str("}\n");
    text
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn each_resource_has_its_client() {
        let resources = [("orders-db", ResourceKind::Sql), ("crm", ResourceKind::Http), ("cache", ResourceKind::Kv)];
        let resources = resources.map(|(name, kind)| ResourceImport { name: name.parse().unwrap(), kind });
        let text = declarations(&resources);
        for (binding, client) in [("ordersDb", "SqlClient"), ("crm", "HttpClient"), ("cache", "KvClient")] {
            assert!(text.contains(&format!("export const {binding}: {client};")), "{text}");
        }
    }
}
