//! What analysis says about one SQL statement.

use std::{collections::BTreeMap, str::FromStr};

use serde::{Deserialize, Serialize};

use crate::{Digest, ResourceName};

/// The class of a statement, by its effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StatementClass {
    /// Only reads.
    Read,
    /// Changes rows.
    Write,
    /// Changes the schema.
    Ddl,
    /// Changes the session (SET, BEGIN, PRAGMA, LISTEN): never accepted from a guest.
    Session,
    /// Administers the server (VACUUM, ATTACH, COPY, GRANT): never accepted from a guest.
    Admin,
    /// Destroys whole objects (DROP TABLE, TRUNCATE): never accepted from a guest without an approval.
    Forbidden,
}

impl StatementClass {
    /// The class in lower case.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Write => "write",
            Self::Ddl => "ddl",
            Self::Session => "session",
            Self::Admin => "admin",
            Self::Forbidden => "forbidden",
        }
    }
}

/// The verdict on one statement.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StatementReport {
    /// By effect.
    pub class: StatementClass,
    /// Tables named, sorted, without duplicates.
    pub tables: Vec<String>,
    /// Why the class is not `read`, one line each.
    pub because: Vec<String>,
    /// Functions and operators that it runs and that may do what no rollback undoes, as far as they are listed.
    #[serde(default)]
    pub unknown_calls: Vec<String>,
}

/// What a statement is written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StatementLanguage {
    /// SQL, in the dialect of its database.
    Sql,
    /// A GraphQL document.
    Graphql,
    /// SOQL of a Salesforce-style API.
    Soql,
}

impl StatementLanguage {
    /// The language in lower case.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Sql => "sql",
            Self::Graphql => "graphql",
            Self::Soql => "soql",
        }
    }
}

impl FromStr for StatementLanguage {
    type Err = ();
    fn from_str(text: &str) -> Result<Self, ()> {
        [Self::Sql, Self::Graphql, Self::Soql].into_iter().find(|language| language.as_str() == text).ok_or(())
    }
}

/// One text that a revision may send, to one resource.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ManifestStatement {
    /// Where it is sent.
    pub resource: ResourceName,
    /// What it is written in.
    pub language: StatementLanguage,
    /// Byte for byte.
    pub text: String,
    /// By effect; a mutation is a write.
    pub class: StatementClass,
    /// Tables or fields named.
    #[serde(default)]
    pub tables: Vec<String>,
    /// File, line and column, or `component` when the component's own section says it.
    pub place: String,
}

impl ManifestStatement {
    /// The same for the same text to the same resource, whatever revision it stands in.
    #[must_use]
    pub fn fingerprint(&self) -> Digest {
        fingerprint(&self.resource, self.language, &self.text)
    }
}

/// What tells one text to one resource from every other.
#[must_use]
pub fn fingerprint(resource: &ResourceName, language: StatementLanguage, text: &str) -> Digest {
    Digest::of_parts(&[resource.as_str().as_bytes(), language.as_str().as_bytes(), text.as_bytes()])
}

/// The statement manifest: every text that a revision may send in an environment that is strict.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct StatementManifest(pub Vec<ManifestStatement>);

impl StatementManifest {
    /// One for each statement.
    pub fn fingerprints(&self) -> impl Iterator<Item = Digest> {
        self.0.iter().map(ManifestStatement::fingerprint)
    }
}

/// One text, and the client it is sent by.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DeclaredText {
    /// The resource or its client in the sources: `orders-db`, `ordersDb`.
    pub resource: String,
    /// What it is written in.
    pub language: StatementLanguage,
    /// Byte for byte.
    pub text: String,
}

/// The file beside `function.toml` that names statements, for components without sources.
pub const STATEMENTS_FILE: &str = "statements.toml";
/// Bytes of that file.
const STATEMENTS_BYTES_MAX: usize = 1 << 20;

/// `statements.toml`: a table for each statement, under a name for people.
///
/// # Errors
/// What is wrong with the text, with its line.
pub fn parse_statements(text: &str) -> Result<BTreeMap<String, DeclaredText>, String> {
    if text.len() > STATEMENTS_BYTES_MAX {
        return Err(format!("{} bytes, at most {STATEMENTS_BYTES_MAX} are read", text.len()));
    }
    toml::from_str(text).map_err(|why: toml::de::Error| why.to_string().chars().take(1_000).collect())
}

/// The text of a `statements.toml`. Names come from what a statement does and to which tables.
///
/// # Errors
/// Never for statements that were read from a component or a trail.
pub fn print_statements<'a>(
    statements: impl IntoIterator<Item = &'a ManifestStatement>,
) -> Result<String, toml::ser::Error> {
    let mut named = BTreeMap::new();
    for one in statements {
        let tables = one.tables.iter().map(|table| kebab(table)).filter(|table| !table.is_empty());
        let name = std::iter::once(one.class.as_str().to_owned()).chain(tables).collect::<Vec<_>>().join("-");
        let numbered = (2..).map(|number: u32| format!("{name}-{number}"));
        let free = |candidate: &String| !named.contains_key(candidate);
        let name = std::iter::once(name.clone()).chain(numbered).find(free).unwrap_or_default();
        let text = one.text.clone();
        named.insert(name, DeclaredText { resource: one.resource.to_string(), language: one.language, text });
    }
    toml::to_string_pretty(&named)
}

fn kebab(table: &str) -> String {
    let word = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' };
    table.chars().take(40).map(word).collect::<String>().trim_matches('-').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn statement(text: &str) -> ManifestStatement {
        ManifestStatement {
            resource: "orders-db".parse().expect("a name"),
            language: StatementLanguage::Sql,
            text: text.to_owned(),
            class: StatementClass::Read,
            tables: vec!["public.\"Orders\"".to_owned()],
            place: String::new(),
        }
    }

    #[test]
    fn what_is_printed_is_read_again() {
        let texts = ["select 1", "select '''\"\"\"\\', $1", "select\n  2 -- \u{1f600}\t"];
        let printed = print_statements(&texts.map(statement)).expect("printed");
        let read = parse_statements(&printed).expect("read");
        let names: Vec<_> = read.keys().map(String::as_str).collect();
        assert_eq!(names, ["read-public--orders", "read-public--orders-2", "read-public--orders-3"]);
        assert_eq!(read.into_values().map(|one| one.text).collect::<Vec<_>>(), texts);
    }

    #[test]
    fn what_is_no_list_says_where() {
        let unknown = parse_statements("[a]\nresource = \"x\"\nlanguage = \"sql\"\ntext = \"\"\nclass = \"read\"\n");
        assert!(unknown.expect_err("an unknown key").contains("line 5"));
        let cobol = "[a]\nlanguage = \"cobol\"\nresource = \"x\"\ntext = \"\"";
        for text in ["[a", "a = 1", cobol, &"#".repeat(STATEMENTS_BYTES_MAX + 1)] {
            assert!(parse_statements(text).is_err());
        }
    }

    #[test]
    fn a_fingerprint_tells_resources_languages_and_texts_apart() {
        let one = statement("select 1");
        let other = |change: fn(&mut ManifestStatement)| {
            let mut other = one.clone();
            change(&mut other);
            other.fingerprint()
        };
        assert_ne!(other(|other| other.text.push(' ')), one.fingerprint());
        assert_ne!(other(|other| other.resource = "orders".parse().expect("a name")), one.fingerprint());
        assert_ne!(other(|other| other.language = StatementLanguage::Soql), one.fingerprint());
        assert_eq!(other(|other| other.place.push('x')), one.fingerprint());
    }
}
