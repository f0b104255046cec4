//! Key-value stores: an embedded one, and Redis.
//!
//! Whose keys a call can touch is decided here and not by the guest: its key is put behind the name of its tenant, and
//! both engines compare whole keys byte by byte. A guest's text is never part of a statement, pattern or script: it is
//! bound, or escaped where Redis knows nothing but a pattern, and what comes back is checked once more.

mod check;
mod config;
mod embedded;
mod number;
mod redis;

use airlock_model::{EnvironmentName, HostError, HostReply, KvReply, Reason, ResourceName, TenantName};

pub(crate) use check::{KvSettings, check_embedded, check_redis};
pub use config::{EmbeddedConfig, RedisConfig, StoreTls};

use crate::{KvRequest, Network};
use embedded::Embedded;
use redis::Redis;

/// Keys of one page.
const PAGE_KEYS: usize = 1_000;

/// The store of one binding.
#[derive(Debug)]
pub(crate) enum KvStore {
    Embedded(Embedded),
    Redis(Box<Redis>),
}

impl KvStore {
    /// Opens nothing.
    pub(crate) fn new(
        resource: ResourceName,
        environment: &EnvironmentName,
        settings: KvSettings,
        network: &Network,
    ) -> Self {
        match settings {
            KvSettings::Embedded(settings) => Self::Embedded(Embedded::new(resource, settings)),
            KvSettings::Redis(settings) => Self::Redis(Box::new(Redis::new(resource, environment, *settings, network))),
        }
    }

    /// Carries out one command, or says why not.
    pub(crate) async fn perform(&self, request: KvRequest) -> Result<HostReply, HostError> {
        let (found, allowed) = (request.command.value_bytes(), self.value_bytes_max());
        if found as u64 > allowed {
            let text = format!("the value has {found} bytes, the binding allows {allowed}");
            return Err(HostError::BadRequest(text));
        }
        let reply = match self {
            Self::Embedded(store) => store.perform(request).await,
            Self::Redis(store) => store.perform(request).await,
        };
        reply.map(HostReply::Kv)
    }

    fn value_bytes_max(&self) -> u64 {
        match self {
            Self::Embedded(store) => store.value_bytes_max(),
            Self::Redis(store) => store.value_bytes_max(),
        }
    }
}

/// Whose keys a binding's are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sharing {
    /// Each tenant has its own.
    PerTenant,
    /// All tenants have the same, because the operator says so.
    Shared,
}

impl Sharing {
    fn of(is_shared: bool) -> Self {
        if is_shared { Self::Shared } else { Self::PerTenant }
    }

    /// The name of the tenant whose keys they are; no tenant has the empty name.
    fn owner(self, tenant: &TenantName) -> &str {
        match self {
            Self::PerTenant => tenant.as_str(),
            Self::Shared => "",
        }
    }
}

type Answer = Result<KvReply, HostError>;

/// A change was sent or begun, and nobody knows more.
fn unknown_effect() -> HostError {
    let text = "the deadline passed while the store was at work: whether the change took effect is not known";
    HostError::Timeout(text.to_owned())
}

/// The deadline passed, and nothing has changed.
fn too_late(resource: &ResourceName) -> HostError {
    HostError::Timeout(format!("`{resource}` did not answer before the deadline of the call"))
}

fn full(resource: &ResourceName, what: &str) -> HostError {
    HostError::Denied {
        reason: Reason::StorageFull.to_string(),
        rule: format!("`{resource}` is full: {what}"),
        hint: "remove entries, give them a time to live, or ask the operator for more room".to_owned(),
    }
}

fn backend(code: &str, message: &str) -> HostError {
    HostError::Backend { code: code.to_owned(), message: message.to_owned() }
}
