//! Calls to key-value stores: what they are, for grants, policy and trail.

use airlock_model::{Access, HostError, KvCall, KvCommand, ResourceName};
use airlock_resources::{KvRequest, Permitted};

use super::{
    CallGate,
    judge::Judge,
    kept::of_kv,
    notes::{Notes, Stage},
};

impl Judge<'_> {
    /// Whether a call to a store may be made: `changes` says whether the store is another afterwards.
    pub(crate) fn store(&self, resource: &ResourceName, changes: bool, notes: &mut Notes) -> Result<(), HostError> {
        notes.has_effect = changes;
        notes.at(Stage::Resource);
        self.check_bound(resource)?;
        notes.passed(|| self.bound(resource));
        let access = if changes { Access::Write } else { Access::Read };
        self.check_grant(resource, &access, notes)?;
        if changes { self.check_store_writes(notes) } else { Ok(()) }
    }
}

impl CallGate {
    pub(super) fn plan_kv(&self, call: KvCall, notes: &mut Notes) -> Result<Permitted, HostError> {
        let KvCall { resource, action } = call;
        notes.event.operation = Some(action.name().to_owned());
        self.keep_arguments(&mut notes.event, of_kv(&action).as_deref())?;
        self.judge().store(&resource, action.changes(), notes)?;
        let command = KvCommand::parse(action).map_err(|why| HostError::BadRequest(why.to_string()))?;
        notes.event.bytes = Some(command.value_bytes() as u64).filter(|bytes| *bytes > 0);
        Ok(Permitted::Kv(KvRequest {
            resource,
            tenant: self.facts.principal.tenant.clone(),
            command,
            deadline: self.deadline,
        }))
    }
}
