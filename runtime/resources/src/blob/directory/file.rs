//! One object as a file: a head of fixed size with key, type and tag, then the bytes.

use std::{
    ffi::OsStr,
    io::{self, Read as _, Seek as _, SeekFrom, Write as _},
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    time::UNIX_EPOCH,
};

use airlock_model::{Digest, ObjectInfo, ObjectKey, Piece};
use cap_std::fs::{Dir, DirEntry, File, Metadata, OpenOptions};
use serde::{Deserialize, Serialize};

use super::{missing_is_none, name};

/// Keys and types are at most 767 bytes, which JSON doubles at worst.
const HEAD_BYTES: usize = 4_096;
/// A file that is still new after an hour belongs to nobody.
const LEFT_OVER_MS: u64 = 3_600_000;
const NEW: &str = ".new-";

/// What stands before the bytes, as JSON in one line, filled up with spaces.
#[derive(Debug, Serialize, Deserialize)]
struct Head {
    key: String,
    content_type: String,
    etag: String,
}

/// What is to be stored.
pub(super) struct Content<'a> {
    pub(super) content_type: &'a str,
    pub(super) bytes: &'a [u8],
}

/// An object that is there. Replaced or removed meanwhile, it can still be read.
pub(super) struct Found {
    file: File,
    head: Head,
    size_bytes: u64,
}

impl Found {
    pub(super) fn key(&self) -> &str {
        &self.head.key
    }

    pub(super) fn into_info(self) -> ObjectInfo {
        let Head { content_type, etag, .. } = self.head;
        ObjectInfo { size_bytes: self.size_bytes, content_type, etag }
    }

    /// Reads from `offset` on, at most `length` bytes.
    pub(super) fn piece(mut self, offset: u64, length: u64) -> io::Result<Piece> {
        let mut bytes = Vec::new();
        if offset < self.size_bytes {
            self.file.seek(SeekFrom::Start(HEAD_BYTES as u64 + offset))?;
            (&mut self.file).take(length).read_to_end(&mut bytes)?;
        }
        Ok(Piece { info: self.into_info(), bytes })
    }
}

/// Opens an object. What is no file of ours is none: a link, a pipe, a directory, a file without a head.
pub(super) fn open(dir: &Dir, name: &str) -> io::Result<Option<Found>> {
    let Some(metadata) = missing_is_none(dir.symlink_metadata(name))? else { return Ok(None) };
    if !metadata.is_file() {
        return Ok(None);
    }
    let Some(mut file) = missing_is_none(dir.open(name))? else { return Ok(None) };
    let mut head = [0; HEAD_BYTES];
    match file.read_exact(&mut head) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        Err(error) => return Err(error),
    }
    let size_bytes = object_bytes(&file.metadata()?);
    Ok(serde_json::from_slice(&head).ok().map(|head| Found { file, head, size_bytes }))
}

/// Writes an object under a name that nobody looks for, and to disk. Gives that name and the tag.
pub(super) fn write_new(dir: &Dir, key: &ObjectKey, content: &Content<'_>) -> io::Result<(String, String)> {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let new = format!("{NEW}{}-{}", std::process::id(), COUNT.fetch_add(1, Relaxed));
    // Of an earlier process with our number.
    missing_is_none(dir.remove_file(&new))?;
    let etag = Digest::of(content.bytes).to_string();
    let head = Head { key: key.as_str().to_owned(), content_type: content.content_type.to_owned(), etag: etag.clone() };
    let mut line = serde_json::to_vec(&head)?;
    line.resize(HEAD_BYTES - 1, b' ');
    line.push(b'\n');
    let written = || -> io::Result<()> {
        let mut file = dir.open_with(&new, OpenOptions::new().write(true).create_new(true))?;
        file.write_all(&line)?;
        file.write_all(content.bytes)?;
        file.sync_all()
    };
    if let Err(error) = written() {
        missing_is_none(dir.remove_file(&new))?;
        return Err(error);
    }
    Ok((new, etag))
}

/// Makes the names of a directory last.
pub(super) fn sync(dir: &Dir) -> io::Result<()> {
    dir.open(".")?.sync_all()
}

/// Key and size of an entry that is an object.
pub(super) fn listed(dir: &Dir, entry: &DirEntry) -> io::Result<Option<(String, u64)>> {
    let name = entry.file_name();
    let Some(name) = name.to_str() else { return Ok(None) };
    if name::is_digest(name) {
        return Ok(open(dir, name)?.map(|found| (found.head.key, found.size_bytes)));
    }
    let Some(key) = name::key(name) else { return Ok(None) };
    let metadata = missing_is_none(entry.metadata())?.filter(Metadata::is_file);
    Ok(metadata.map(|metadata| (key, object_bytes(&metadata))))
}

pub(super) fn object_bytes(metadata: &Metadata) -> u64 {
    metadata.len().saturating_sub(HEAD_BYTES as u64)
}

/// Whether a file was begun by a process that is no more.
pub(super) fn is_left_over(name: &OsStr, metadata: &Metadata, now_unix_ms: u64) -> bool {
    let modified = metadata.modified().ok().and_then(|time| time.into_std().duration_since(UNIX_EPOCH).ok());
    let age = modified.and_then(|at| u64::try_from(at.as_millis()).ok()).map_or(0, |at| now_unix_ms.saturating_sub(at));
    name.to_str().is_some_and(|name| name.starts_with(NEW)) && age > LEFT_OVER_MS
}
