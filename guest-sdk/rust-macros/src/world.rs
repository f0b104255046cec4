//! The WIT world of one function, as text for `wit_bindgen::generate!`.

use std::fmt::Write;

use crate::manifest::{Kind, Resource};

const GUEST: &str = include_str!("../../wit/guest.wit");
const SQL: &str = include_str!("../../wit/kinds/sql.wit");
const HTTP: &str = include_str!("../../wit/kinds/http.wit");
const KV: &str = include_str!("../../wit/kinds/kv.wit");
const BLOB: &str = include_str!("../../wit/kinds/blob.wit");
const LLM: &str = include_str!("../../wit/kinds/llm.wit");
const GRAPHQL: &str = include_str!("../../wit/kinds/graphql.wit");
const GUEST_PACKAGE: &str = "package airlock:guest@1.0.0";

/// A package with the world `function`, followed by every package that it names.
///
/// Logs and context are not in it: the bindings of `airlock-guest` bring them.
pub(crate) fn text(resources: &[Resource]) -> String {
    let mut imports = String::new();
    let mut packages = nested_guest_package();
    for Resource { name, kind } in resources {
        let (interface, source) = (kind.name(), source(*kind));
        // `%` keeps a resource that is named like a WIT keyword legal. Writing to a string cannot fail.
        let _ = writeln!(imports, "    import resources:%{name}/{interface}@1.0.0;");
        let _ = writeln!(packages, "package resources:%{name}@1.0.0 {{\n{source}}}");
    }
    format!(
        "package airlock:rust-function;\nworld function {{\n{imports}    export airlock:guest/handler@1.0.0;\n}}\n{packages}"
    )
}

fn source(kind: Kind) -> &'static str {
    match kind {
        Kind::Sql => SQL,
        Kind::Http => HTTP,
        Kind::Kv => KV,
        Kind::Blob => BLOB,
        Kind::Graphql => GRAPHQL,
        Kind::Llm => LLM,
    }
}

/// `guest.wit` declares its package for a whole file; beside other packages it has to stand in braces.
fn nested_guest_package() -> String {
    let head = format!("{GUEST_PACKAGE};");
    format!("{}}}\n", GUEST.replacen(&head, &format!("{GUEST_PACKAGE} {{"), 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn guest_package_stands_in_braces() {
        assert!(nested_guest_package().contains("package airlock:guest@1.0.0 {"));
    }

    #[test]
    fn every_resource_is_one_import_and_one_package() {
        let text = text(&[
            Resource { name: "crm".into(), kind: Kind::Http },
            Resource { name: "cache".into(), kind: Kind::Kv },
            Resource { name: "orders-db".into(), kind: Kind::Sql },
        ]);
        for import in ["crm/http", "cache/kv", "orders-db/sql"] {
            let expected = format!("import resources:%{import}@1.0.0;");
            assert_eq!(text.matches(&expected).count(), 1, "{expected}");
        }
        assert_eq!(text.matches("package resources:").count(), 3);
    }
}
