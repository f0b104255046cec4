//! Calls to key-value stores: what they are, for grants, policy and trail.

use airlock_model::{Access, AuditEvent, HostError, KvCall, KvCommand};
use airlock_resources::{KvRequest, Permitted};

use super::{CallGate, arguments_digest};

impl CallGate {
    pub(super) fn plan_kv(
        &self,
        call: KvCall,
        event: &mut AuditEvent,
        has_effect: &mut bool,
    ) -> Result<Permitted, HostError> {
        let KvCall { resource, action } = call;
        event.operation = Some(action.name().to_owned());
        event.arguments_sha256 = arguments_digest(&action.values().map(str::as_bytes));
        *has_effect = action.changes();
        self.check_bound(&resource)?;
        let access = if *has_effect { Access::Write } else { Access::Read };
        self.check_grant(&resource, &access)?;
        if *has_effect {
            self.check_store_writes()?;
        }
        let command = KvCommand::parse(action).map_err(|why| HostError::BadRequest(why.to_string()))?;
        event.bytes = Some(command.value_bytes() as u64).filter(|bytes| *bytes > 0);
        Ok(Permitted::Kv(KvRequest {
            resource,
            tenant: self.facts.principal.tenant.clone(),
            command,
            deadline: self.deadline,
        }))
    }
}
