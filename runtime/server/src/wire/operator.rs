//! Messages of the operator service.

use airlock_proto::v1;
use airlock_service::{Change, LimitInForce, Setting};

pub(crate) fn reload_response(changes: Vec<Change>) -> v1::ReloadResponse {
    let change = |Change { key, old, new }| v1::ConfigChange { key, old_value: old, new_value: new };
    v1::ReloadResponse { changes: changes.into_iter().map(change).collect() }
}

pub(crate) fn get_config_response(settings: Vec<Setting>) -> v1::GetConfigResponse {
    let setting = |Setting { key, value, origin }| v1::ConfigSetting { key, value, source: origin.to_string() };
    v1::GetConfigResponse { settings: settings.into_iter().map(setting).collect() }
}

pub(crate) fn limits_response(limits: Vec<LimitInForce>) -> v1::LimitsResponse {
    v1::LimitsResponse { limits: limits.into_iter().map(limit_in_force).collect() }
}

pub(super) fn limit_in_force(LimitInForce { limit, value, source, place }: LimitInForce) -> v1::LimitInForce {
    v1::LimitInForce { limit: limit.name().to_owned(), value, source: source.as_str().to_owned(), place }
}
