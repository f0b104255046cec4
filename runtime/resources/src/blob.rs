//! Object stores: a directory, and servers that speak S3.
//!
//! Whose objects a call can touch is decided here: its key is put behind the name of its tenant. A key is checked before it
//! comes here (`ObjectKey`), so nothing in it is a way to somewhere else; the directory does not even make file names of it.

mod check;
mod config;
mod directory;
mod s3;

use airlock_model::{BlobReply, EnvironmentName, HostError, HostReply, Reason, ResourceName, TenantName};

pub(crate) use check::{BlobSettings, check_directory, check_s3};
pub use config::{DirectoryConfig, S3Config, S3Credential};

use crate::{BlobRequest, Network};
use airlock_model::BlobCommand;
use directory::Directory;
use s3::S3;

/// Bytes of one answer: what a host has of an object in its memory.
const PIECE_BYTES_MAX: u64 = 1 << 20;
/// Objects of one page.
const PAGE_OBJECTS: usize = 500;

/// The store of one binding.
#[derive(Debug)]
pub(crate) enum BlobStore {
    Directory(Directory),
    S3(Box<S3>),
}

impl BlobStore {
    /// Opens nothing.
    pub(crate) fn new(
        resource: ResourceName,
        environment: &EnvironmentName,
        settings: BlobSettings,
        network: &Network,
    ) -> Self {
        match settings {
            BlobSettings::Directory(settings) => Self::Directory(Directory::new(resource, settings)),
            BlobSettings::S3(settings) => Self::S3(Box::new(S3::new(resource, environment, *settings, network))),
        }
    }

    /// Carries out one command, or says why not.
    pub(crate) async fn perform(&self, request: BlobRequest) -> Result<HostReply, HostError> {
        let (found, allowed) = (stored_bytes(&request.command), self.object_bytes_max());
        if found > allowed {
            let text = format!("the object has {found} bytes, the binding allows {allowed}");
            return Err(HostError::BadRequest(text));
        }
        let reply = match self {
            Self::Directory(store) => store.perform(request).await,
            Self::S3(store) => store.perform(request).await,
        };
        reply.map(HostReply::Blob)
    }

    fn object_bytes_max(&self) -> u64 {
        match self {
            Self::Directory(store) => store.object_bytes_max(),
            Self::S3(store) => store.object_bytes_max(),
        }
    }
}

fn stored_bytes(command: &BlobCommand) -> u64 {
    if let BlobCommand::Put { bytes, .. } = command { bytes.len() as u64 } else { 0 }
}

/// The name that stands before a tenant's keys; no tenant has the empty name, which is the one of all of them.
fn owner(is_shared: bool, tenant: &TenantName) -> &str {
    if is_shared { "" } else { tenant.as_str() }
}

type Answer = Result<BlobReply, HostError>;

/// A change was sent or begun, and nobody knows more.
fn unknown_effect() -> HostError {
    let text = "the deadline passed while the store was at work: whether the change took effect is not known";
    HostError::Timeout(text.to_owned())
}

/// The deadline passed, and nothing has changed.
fn too_late(resource: &ResourceName) -> HostError {
    HostError::Timeout(format!("`{resource}` did not answer before the deadline of the call"))
}

fn unusable(resource: &ResourceName) -> HostError {
    HostError::Unavailable(format!("`{resource}` cannot be used; the operator's log says why"))
}

fn full(resource: &ResourceName, what: &str) -> HostError {
    HostError::Denied {
        reason: Reason::StorageFull.to_string(),
        rule: format!("`{resource}` is full: {what}"),
        hint: "remove objects, or ask the operator for more room".to_owned(),
    }
}
