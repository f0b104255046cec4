//! Objects in files of a directory: for one machine and some thousands of objects.
//!
//! A guest's key is never a path. It is spelled with letters, digits, `-` and `_` alone, or, where that is too long, its
//! digest is; the key itself stands in the file. All files are reached from a handle on the tenant's own directory that
//! resolves nothing outside of it (cap-std), so a link that somebody puts there leads nowhere either.

mod file;
mod name;

use std::{io, sync::Arc};

use airlock_model::{BlobCommand, BlobReply, Cursor, KeyPrefix, ObjectKey, ObjectPage, ResourceName};
use cap_std::{ambient_authority, fs::Dir};
use tokio::time::timeout_at;

use super::{Answer, PAGE_OBJECTS, PIECE_BYTES_MAX, check::DirectorySettings, full, owner, too_late, unknown_effect};
use crate::{
    BlobRequest,
    failed::Failed,
    places::Places,
    thread::{self, Lost, Waiting},
};
use airlock_model::HostError;
use file::{Content, Found};

/// Reads at a time, and how many of them one tenant's. There is one writer, or two could each find the last room.
const READS: (usize, usize) = (4, 2);
const WRITES: (usize, usize) = (1, 1);

/// One directory.
#[derive(Debug)]
pub(crate) struct Directory {
    resource: ResourceName,
    settings: Arc<DirectorySettings>,
    reads: Places,
    writes: Places,
}

/// Why there is no reply.
#[derive(Debug, thiserror::Error)]
enum Fault {
    #[error("nobody waits any more")]
    Over,
    #[error("{0}")]
    Full(&'static str),
    #[error(transparent)]
    Io(#[from] io::Error),
}

impl Directory {
    pub(super) fn new(resource: ResourceName, settings: DirectorySettings) -> Self {
        Self {
            resource,
            settings: Arc::new(settings),
            reads: Places::new(READS.0, READS.1),
            writes: Places::new(WRITES.0, WRITES.1),
        }
    }

    pub(super) fn object_bytes_max(&self) -> u64 {
        self.settings.object_bytes_max
    }

    pub(super) async fn perform(&self, request: BlobRequest) -> Answer {
        let BlobRequest { tenant, command, deadline, now_unix_ms, .. } = request;
        if let BlobCommand::SignedUrl { .. } = command {
            let text = format!("`{}` is a directory of the host, which has no URLs: read with `get`", self.resource);
            return Err(HostError::BadRequest(text).into());
        }
        let changes = command.changes();
        let places = if changes { &self.writes } else { &self.reads };
        let Ok(Some(place)) = timeout_at(deadline, places.take(&tenant)).await else {
            return Err(too_late(&self.resource).into());
        };
        let settings = Arc::clone(&self.settings);
        let owner = name::of_owner(owner(settings.is_shared, &tenant));
        let ended = thread::run(place, deadline, move |waiting| {
            Work { settings: &settings, owner: &owner, now_unix_ms, waiting }.run(&command)
        });
        match ended.await {
            Ok(Ok(reply)) => Ok(reply),
            Ok(Err(fault)) => Err(self.explain(&fault).into()),
            Err(Lost::Late) if changes => Err(unknown_effect()),
            Err(Lost::Late) => Err(too_late(&self.resource).into()),
            Err(error @ Lost::Panicked(_)) => {
                tracing::error!(resource = %self.resource, %error, "work on a directory is lost");
                let error = super::unusable(&self.resource);
                Err(if changes { Failed::Unknown(error) } else { error.into() })
            }
        }
    }

    fn explain(&self, fault: &Fault) -> HostError {
        let resource = &self.resource;
        match fault {
            Fault::Over => too_late(resource),
            Fault::Full(what) => full(resource, what),
            Fault::Io(error) => {
                tracing::error!(%resource, %error, "a directory of objects failed");
                match error.kind() {
                    io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => full(resource, "the disk is"),
                    _ => super::unusable(resource),
                }
            }
        }
    }
}

/// One command on its thread.
struct Work<'a> {
    settings: &'a DirectorySettings,
    owner: &'a str,
    now_unix_ms: u64,
    waiting: &'a Waiting,
}

impl Work<'_> {
    fn run(&self, command: &BlobCommand) -> Result<BlobReply, Fault> {
        if self.waiting.is_over() {
            return Err(Fault::Over);
        }
        let root = Dir::open_ambient_dir(&self.settings.path, ambient_authority())?;
        match command {
            BlobCommand::Get { key, offset, length } => {
                let length = length.map_or(PIECE_BYTES_MAX, |length| length.get().min(PIECE_BYTES_MAX));
                let piece = self.find(&root, key)?.map(|found| found.piece(*offset, length)).transpose()?;
                Ok(BlobReply::Piece(piece))
            }
            BlobCommand::Head { key } => Ok(BlobReply::Info(self.find(&root, key)?.map(Found::into_info))),
            BlobCommand::Put { key, content_type, bytes } => {
                self.put(&root, key, &Content { content_type, bytes }).map(BlobReply::Stored)
            }
            BlobCommand::Delete { key } => self.delete(&root, key).map(|()| BlobReply::Deleted),
            BlobCommand::List { prefix, cursor } => self.list(&root, prefix, cursor.as_ref()).map(BlobReply::Objects),
            // Answered before anything is opened.
            BlobCommand::SignedUrl { .. } => Err(Fault::Over),
        }
    }

    fn find(&self, root: &Dir, key: &ObjectKey) -> Result<Option<Found>, Fault> {
        let Some(dir) = missing_is_none(root.open_dir(self.owner))? else { return Ok(None) };
        Ok(file::open(&dir, &name::of(key))?.filter(|found| found.key() == key.as_str()))
    }

    fn put(&self, root: &Dir, key: &ObjectKey, content: &Content<'_>) -> Result<String, Fault> {
        if missing_is_none(root.open_dir(self.owner))?.is_none() {
            root.create_dir(self.owner)?;
            file::sync(root)?;
        }
        let (dir, name) = (root.open_dir(self.owner)?, name::of(key));
        self.check_room(&dir, &name, content.bytes.len() as u64)?;
        let (new, etag) = file::write_new(&dir, key, content)?;
        if self.waiting.is_over() {
            dir.remove_file(&new)?;
            return Err(Fault::Over);
        }
        dir.rename(&new, &dir, &name)?;
        file::sync(&dir)?;
        Ok(etag)
    }

    /// Counts what is there, which is always right, however many processes and restarts there were.
    fn check_room(&self, dir: &Dir, replaced: &str, bytes: u64) -> Result<(), Fault> {
        let (mut objects, mut all) = (1_u64, bytes);
        for entry in dir.entries()? {
            let entry = entry?;
            let Some(metadata) = missing_is_none(entry.metadata())? else { continue };
            let name = entry.file_name();
            if file::is_left_over(&name, &metadata, self.now_unix_ms) {
                missing_is_none(dir.remove_file(&name))?;
            } else if name != replaced {
                objects += 1;
                all = all.saturating_add(file::object_bytes(&metadata));
            }
        }
        if objects > self.settings.tenant_objects_max {
            return Err(Fault::Full("the tenant has as many objects as `tenant_objects_max` of the binding allows"));
        }
        if all > self.settings.tenant_bytes_max {
            return Err(Fault::Full("the tenant's share, `tenant_bytes_max` of the binding, is used up"));
        }
        Ok(())
    }

    fn delete(&self, root: &Dir, key: &ObjectKey) -> Result<(), Fault> {
        let Some(dir) = missing_is_none(root.open_dir(self.owner))? else { return Ok(()) };
        if missing_is_none(dir.remove_file(name::of(key)))?.is_some() {
            file::sync(&dir)?;
        }
        Ok(())
    }

    fn list(&self, root: &Dir, prefix: &KeyPrefix, cursor: Option<&Cursor>) -> Result<ObjectPage, Fault> {
        let Some(dir) = missing_is_none(root.open_dir(self.owner))? else { return Ok(ObjectPage::default()) };
        let after = cursor.map_or("", Cursor::as_str);
        // The first of a page in the order of keys, whatever the order of the directory.
        let mut first = std::collections::BTreeMap::new();
        for entry in dir.entries()? {
            if self.waiting.is_over() {
                return Err(Fault::Over);
            }
            let Some((key, size_bytes)) = file::listed(&dir, &entry?)? else { continue };
            if key.starts_with(prefix.as_str()) && key.as_str() > after {
                first.insert(key, size_bytes);
            }
            if first.len() > PAGE_OBJECTS + 1 {
                first.pop_last();
            }
        }
        let has_more = first.len() > PAGE_OBJECTS;
        if has_more {
            first.pop_last();
        }
        let cursor = first.last_key_value().filter(|_| has_more).map(|(key, _)| key.clone());
        Ok(ObjectPage { objects: first.into_iter().collect(), cursor })
    }
}

fn missing_is_none<T>(found: io::Result<T>) -> io::Result<Option<T>> {
    match found {
        Ok(found) => Ok(Some(found)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}
