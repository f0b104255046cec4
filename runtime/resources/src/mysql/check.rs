//! From the operator's text to settings that hold.

use super::MysqlConfig;
use crate::{
    ConfigError, Sources,
    database::{self, RoleConfig, ServerSettings},
};

/// Longest account name that MySQL keeps, in bytes.
const USER_BYTES_MAX: usize = 32;

/// Checks what the operator wrote, and reads the passwords and the certificates.
///
/// # Errors
/// The first mistake found.
pub(crate) fn check(config: &MysqlConfig, sources: &Sources<'_>) -> Result<ServerSettings, ConfigError> {
    for (key, role) in [("read", Some(&config.read)), ("write", config.write.as_ref())] {
        if role.is_some_and(|role: &RoleConfig| role.user.len() > USER_BYTES_MAX) {
            return Err(ConfigError::Server { key, rule: "has a `user` of more than 32 bytes, which MySQL cuts" });
        }
    }
    database::check(&config.server(), sources)
}
