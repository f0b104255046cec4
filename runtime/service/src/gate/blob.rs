//! Calls to object stores: what they are, for grants, policy and trail.

use airlock_model::{BlobCall, BlobCommand, HostError};
use airlock_resources::{BlobRequest, Permitted};

use super::{CallGate, kept::of_blob, notes::Notes};
use crate::clock;

impl CallGate {
    pub(super) fn plan_blob(&self, call: BlobCall, notes: &mut Notes) -> Result<Permitted, HostError> {
        let BlobCall { resource, action } = call;
        notes.event.operation = Some(action.name().to_owned());
        self.keep_arguments(&mut notes.event, of_blob(&action).as_deref())?;
        let [_, stored] = action.content();
        notes.event.bytes = Some(stored.len() as u64).filter(|bytes| *bytes > 0);
        self.judge().store(&resource, action.changes(), notes)?;
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
