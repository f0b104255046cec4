//! `AIRLOCK__SECTION__KEY=value` on top of the file.

use toml::{Table, Value};

use super::ConfigError;

const PREFIX: &str = "AIRLOCK__";

/// The overlay variables of this process, sorted.
#[expect(clippy::disallowed_methods, reason = "the configuration module is the one that reads the environment")]
pub(super) fn from_process() -> Vec<(String, String)> {
    let mut found: Vec<_> = std::env::vars().filter(|(name, _)| name.starts_with(PREFIX)).collect();
    found.sort();
    found
}

/// One variable of this process, for credentials that are configured as `{ env = ".." }`.
#[must_use]
#[expect(clippy::disallowed_methods, reason = "the configuration module is the one that reads the environment")]
pub fn process_environment(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// Writes each variable into the table: `AIRLOCK__SERVER__DATA` is `server.data`. Values are TOML, or else text.
pub(super) fn apply(table: &mut Table, variables: &[(String, String)]) -> Result<(), ConfigError> {
    for (name, text) in variables {
        let path = key(name);
        let Some((key, sections)) = path.split_last().filter(|_| path.iter().all(|part| !part.is_empty())) else {
            return Err(ConfigError::value(name, "write AIRLOCK__SECTION__KEY"));
        };
        let mut place = &mut *table;
        for section in sections {
            let entry = place.entry(section.clone()).or_insert_with(|| Value::Table(Table::new()));
            place = entry
                .as_table_mut()
                .ok_or_else(|| ConfigError::value(name, format!("`{section}` is not a section")))?;
        }
        place.insert(key.clone(), value_of(text));
    }
    Ok(())
}

/// The key that a variable sets, in parts.
pub(super) fn key(name: &str) -> Vec<String> {
    name.trim_start_matches(PREFIX).split("__").map(str::to_ascii_lowercase).collect()
}

fn value_of(text: &str) -> Value {
    let parsed = toml::from_str::<Table>(&format!("value = {text}")).ok().and_then(|mut table| table.remove("value"));
    parsed.unwrap_or_else(|| Value::String(text.to_owned()))
}
