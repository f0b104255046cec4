//! Redis, spoken to by ourselves.
//!
//! The protocol (RESP 2) is a page long. A driver would read a reply of any size a server announces, keep a command going
//! after its call was dropped, and dial by itself; here a reply has a cap, a connection whose call ended early is closed,
//! and only `Origin` dials. One connection serves one command at a time.

mod command;
mod explain;
mod pool;
mod session;
mod wire;

use std::sync::Arc;

use airlock_model::{EnvironmentName, HostError, ResourceName, TenantName};
use tokio::time::timeout_at;

use super::{Answer, Sharing, check::RedisSettings, too_late, unknown_effect};
use crate::{KvRequest, Network, address::AddressPolicy, dial::Origin};
use command::Keys;
use pool::{Pool, Server};

/// The store of one binding on a server.
#[derive(Debug)]
pub(crate) struct Redis {
    resource: ResourceName,
    prefix: String,
    sharing: Sharing,
    value_bytes_max: u64,
    pool: Pool,
}

impl Redis {
    pub(super) fn new(
        resource: ResourceName,
        environment: &EnvironmentName,
        settings: RedisSettings,
        network: &Network,
    ) -> Self {
        // Names have no `:`, so no two bindings meet by default.
        let prefix = settings.prefix.unwrap_or_else(|| format!("airlock:{resource}:{environment}:"));
        let policy = if settings.tls.is_some() {
            AddressPolicy::new(settings.allow_private, network)
        } else {
            AddressPolicy::only_listed(settings.allow_private, network)
        };
        let origin =
            Origin { host: settings.host, port: settings.port, policy, connect_timeout: settings.connect_timeout };
        let tls = settings.tls.map(|(config, name)| (Arc::new(config), name));
        let server = Server::new(resource.clone(), origin, tls, (settings.login, settings.database));
        let pool = Pool::new(server, settings.connections_max, settings.connections_per_tenant_max);
        Self { resource, prefix, sharing: settings.sharing, value_bytes_max: settings.value_bytes_max, pool }
    }

    pub(super) fn value_bytes_max(&self) -> u64 {
        self.value_bytes_max
    }

    pub(super) async fn perform(&self, request: KvRequest) -> Answer {
        let KvRequest { tenant, command, deadline, .. } = request;
        let keys = Keys::new(self.space(&tenant), self.value_bytes_max);
        let mut lease = match timeout_at(deadline, self.pool.lease(&tenant)).await {
            Ok(lease) => lease?,
            Err(_) => return Err(too_late(&self.resource)),
        };
        match timeout_at(deadline, command::run(&mut lease.session, &keys, &command)).await {
            Ok(ended) => {
                // A reply to something else means that all later ones are, too.
                if !matches!(ended, Err(session::Fault::Unexpected)) {
                    self.pool.put_back(lease);
                }
                ended.map_err(|fault| self.explain(command.changes(), fault))
            }
            // The connection ends with the lease. What the server has begun, it ends by itself: no command waits.
            Err(_) if command.changes() => Err(unknown_effect()),
            Err(_) => Err(too_late(&self.resource)),
        }
    }

    fn explain(&self, changes: bool, fault: session::Fault) -> HostError {
        explain::fault(&self.resource, changes, fault)
    }

    /// What all keys of a tenant begin with. A tenant's name has no `:`, so that of one never begins another's.
    fn space(&self, tenant: &TenantName) -> String {
        match self.sharing {
            Sharing::PerTenant => format!("{}{tenant}:", self.prefix),
            Sharing::Shared => self.prefix.clone(),
        }
    }
}
