//! Calls to object stores: what they are, for grants, policy and trail.

use airlock_model::{Access, AuditEvent, BlobCall, BlobCommand, HostError};
use airlock_resources::{BlobRequest, Permitted};

use super::{CallGate, arguments_digest};
use crate::clock;

impl CallGate {
    pub(super) fn plan_blob(
        &self,
        call: BlobCall,
        event: &mut AuditEvent,
        has_effect: &mut bool,
    ) -> Result<Permitted, HostError> {
        let BlobCall { resource, action } = call;
        event.operation = Some(action.name().to_owned());
        event.arguments_sha256 = arguments_digest(&action.content());
        let [_, stored] = action.content();
        event.bytes = Some(stored.len() as u64).filter(|bytes| *bytes > 0);
        *has_effect = action.changes();
        self.check_bound(&resource)?;
        let access = if *has_effect { Access::Write } else { Access::Read };
        self.check_grant(&resource, &access)?;
        if *has_effect {
            self.check_store_writes()?;
        }
        let command = BlobCommand::parse(action).map_err(|why| HostError::BadRequest(why.to_string()))?;
        Ok(Permitted::Blob(BlobRequest {
            resource,
            tenant: self.facts.principal.tenant.clone(),
            command,
            deadline: self.deadline,
            now_unix_ms: clock::now_unix_ms(),
        }))
    }
}
