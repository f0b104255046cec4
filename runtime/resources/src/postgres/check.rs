//! From the operator's text to settings that hold.

use super::{config::PostgresConfig, sql::quoted};
use crate::{
    ConfigError, Sources,
    database::{self, ServerSettings, is_name},
};

/// A checked PostgreSQL binding.
#[derive(Debug)]
pub(crate) struct PostgresSettings {
    pub(crate) server: ServerSettings,
    /// As the setting of that name takes it.
    pub(super) search_path: String,
}

/// Checks what the operator wrote, and reads the passwords and the certificates.
///
/// # Errors
/// The first mistake found.
pub(crate) fn check(config: &PostgresConfig, sources: &Sources<'_>) -> Result<PostgresSettings, ConfigError> {
    let server = database::check(&config.server(), sources)?;
    Ok(PostgresSettings { server, search_path: search_path(&config.search_path)? })
}

/// `pg_catalog` first, so that nothing shadows it, and temporary tables last.
fn search_path(schemas: &[String]) -> Result<String, ConfigError> {
    let is_own = |schema: &String| is_name(schema) && !schema.starts_with("pg_");
    if !schemas.iter().all(is_own) {
        let rule = "takes names of schemas of your own: `pg_catalog` comes first by itself";
        return Err(ConfigError::Server { key: "search_path", rule });
    }
    let own = schemas.iter().map(|schema| quoted(schema));
    let all = std::iter::once("pg_catalog".to_owned()).chain(own).chain(["pg_temp".to_owned()]);
    Ok(all.collect::<Vec<_>>().join(", "))
}
