//! The part of `function.toml` that decides the world: which resources, of which kind.

use std::path::Path;

use syn::Ident;
use toml::{Table, Value};

/// The protocol of a resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Sql,
    Http,
    Kv,
    Blob,
    Graphql,
    Llm,
}

impl Kind {
    fn parse(text: &str) -> Option<Self> {
        match text {
            "sql" => Some(Self::Sql),
            "http" => Some(Self::Http),
            "kv" => Some(Self::Kv),
            "blob" => Some(Self::Blob),
            "graphql" => Some(Self::Graphql),
            "llm" => Some(Self::Llm),
            _ => None,
        }
    }

    /// The name of the interface in WIT.
    pub(crate) fn name(self) -> &'static str {
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

/// One declared resource. Its name is a WIT identifier: words of `[a-z0-9]`, each starting with a letter, joined by `-`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Resource {
    pub(crate) name: String,
    pub(crate) kind: Kind,
}

impl Resource {
    /// The Rust name of its client module, spelled as `wit-bindgen` spells it: a keyword gets a trailing underscore.
    pub(crate) fn module(&self) -> Ident {
        let snake = self.name.replace('-', "_");
        let plain = syn::parse_str::<Ident>(&snake);
        plain.unwrap_or_else(|_| quote::format_ident!("{snake}_"))
    }
}

/// The resources of the project in that directory, sorted by name.
pub(crate) fn resources(project: &Path) -> Result<Vec<Resource>, String> {
    let file = project.join("function.toml");
    let text = std::fs::read_to_string(&file)
        .map_err(|error| format!("cannot read `function.toml` beside Cargo.toml: {error}"))?;
    parse(&text)
}

fn parse(text: &str) -> Result<Vec<Resource>, String> {
    let manifest: Table = text.parse().map_err(|error| format!("function.toml: {error}"))?;
    match manifest.get("resources") {
        None => Ok(Vec::new()),
        Some(Value::Table(resources)) => resources.iter().map(|(name, value)| resource(name, value)).collect(),
        Some(_) => Err("function.toml: `resources` must be a table, one entry per resource".to_owned()),
    }
}

fn resource(name: &str, value: &Value) -> Result<Resource, String> {
    if !is_wit_identifier(name) {
        return Err(format!(
            "function.toml: resource name `{name}` must be words of a-z and 0-9 joined by `-`, each starting with a letter"
        ));
    }
    let kind = value.get("kind").and_then(Value::as_str).ok_or_else(|| {
        format!(
            "function.toml: resource `{name}` needs a kind, for instance `[resources.{name}]` with `kind = \"sql\"`"
        )
    })?;
    let kind = Kind::parse(kind).ok_or_else(|| {
        format!(
            "function.toml: resource `{name}` has the unknown kind `{kind}`; known kinds are `sql`, `http`, `kv`, `blob`, `graphql` and `llm`"
        )
    })?;
    Ok(Resource { name: name.to_owned(), kind })
}

fn is_wit_identifier(name: &str) -> bool {
    name.split('-').all(|word| {
        word.starts_with(|c: char| c.is_ascii_lowercase())
            && word.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_spellings_of_a_table_declare_a_resource() {
        let section = parse("name = 'f'\n[resources.orders-db]\nkind = 'sql'\noperations = ['read']");
        let inline = parse("[resources]\norders-db = { kind = 'sql' }");
        assert_eq!(section, Ok(vec![Resource { name: "orders-db".into(), kind: Kind::Sql }]));
        assert_eq!(section, inline);
    }

    #[test]
    fn project_without_resources_has_none() {
        assert_eq!(parse("name = 'f'"), Ok(Vec::new()));
    }

    #[test]
    fn missing_or_unknown_kind_names_the_resource() {
        let missing = parse("[resources.crm]\nbase = 1").expect_err("no kind");
        assert!(missing.contains("`crm` needs a kind"), "{missing}");
        let unknown = parse("[resources.crm]\nkind = 'ftp'").expect_err("unknown kind");
        assert!(unknown.contains("`ftp`"), "{unknown}");
    }

    #[test]
    fn names_that_wit_cannot_carry_are_refused() {
        for name in ["Orders", "orders_db", "2nd", "a--b", "db-2"] {
            assert!(parse(&format!("[resources.{name}]\nkind = 'sql'")).is_err(), "{name}");
        }
    }

    #[test]
    fn keyword_becomes_a_legal_module_name() {
        let resource = Resource { name: "type".into(), kind: Kind::Sql };
        assert_eq!(resource.module().to_string(), "type_");
    }
}
