//! Compiled functions of the engine, kept on disk between builds and shared by them.
//!
//! Almost all of a JavaScript component is the same interpreter. Wasmtime can look up each function it is about to compile
//! by a digest of its body; this store answers from packs of such entries in one directory.
//!
//! A pack is written once under a temporary name and then renamed, so readers in other processes never see half of one.
//! Every entry carries a digest that is checked when it is read: a damaged one is compiled again. INVARIANT: whoever can
//! write to the directory chooses machine code that this process runs, so it must belong to the user alone.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{DirBuilderExt, FileExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use sha2::{Digest, Sha256};
use wasmtime::CacheStore;

/// First bytes of a pack, with the version of its shape.
const MAGIC: &[u8; 8] = b"alpack01";
const EXTENSION: &str = "alpack";
const DIGEST_BYTES: usize = 32;
/// Key, offset, length, digest.
const INDEX_ENTRY_BYTES: usize = DIGEST_BYTES + 8 + 4 + DIGEST_BYTES;
/// Magic, and the offset of the index behind the bodies.
const TRAILER_BYTES: usize = 16;
/// More packs than this are merged into one by the next flush.
const PACKS_MAX: usize = 12;

type Key = [u8; DIGEST_BYTES];

/// An on-disk store of compiled functions with a size bound.
///
/// Cheap to clone; clones share one index. New entries reach the disk with [`EngineCache::flush`], which also happens when
/// the last clone goes.
#[derive(Clone, Debug)]
pub struct EngineCache(Arc<Store>);

impl EngineCache {
    /// Bytes on disk of a cache that [`EngineCache::lend`] opens.
    const LENT_BYTES_MAX: u64 = 512 << 20;

    /// Opens the cache in `directory`, which is created for this user alone if needed.
    ///
    /// `bytes_max` bounds what stays on disk; the oldest packs go first. Files that are damaged or of another version are
    /// ignored.
    ///
    /// # Errors
    /// When the directory can be neither created nor read.
    pub fn open(directory: &Path, bytes_max: u64) -> io::Result<Self> {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
        let mut packs = Vec::new();
        for entry in fs::read_dir(directory)? {
            let path = entry?.path();
            if path.extension().is_some_and(|extension| extension == EXTENSION)
                && let Ok(pack) = Pack::open(path)
            {
                packs.push(pack);
            }
        }
        let state = State { packs, pending: HashMap::new(), hits: 0, misses: 0 };
        Ok(Self(Arc::new(Store { directory: directory.to_owned(), bytes_max, state: Mutex::new(state) })))
    }

    /// Lends the cache of a directory to `work` and writes back what was added. A cache that cannot be opened costs time
    /// and nothing else.
    pub fn lend<T>(directory: Option<&Path>, work: impl FnOnce(Option<Arc<dyn CacheStore>>) -> T) -> T {
        let cache = directory.and_then(|directory| Self::open(directory, Self::LENT_BYTES_MAX).ok());
        let done = work(cache.as_ref().map(Self::store));
        if let Some(cache) = cache {
            cache.flush();
        }
        done
    }

    /// The handle for `wasmtime::Config::enable_incremental_compilation`.
    pub fn store(&self) -> Arc<dyn CacheStore> {
        Arc::clone(&self.0) as Arc<dyn CacheStore>
    }

    /// Writes new entries to the disk. A failure costs time later and nothing else, so it is only logged.
    pub fn flush(&self) {
        self.0.flush();
    }

    /// How many functions were found and how many had to be compiled since the cache was opened.
    pub fn hits_and_misses(&self) -> (u64, u64) {
        let state = self.0.lock();
        (state.hits, state.misses)
    }
}

#[derive(Debug)]
struct Store {
    directory: PathBuf,
    bytes_max: u64,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    packs: Vec<Pack>,
    pending: HashMap<Key, Vec<u8>>,
    hits: u64,
    misses: u64,
}

impl Store {
    /// A panic elsewhere leaves only maps of finished entries behind, so the poison says nothing.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn flush(&self) {
        let mut state = self.lock();
        if state.pending.is_empty() {
            return;
        }
        if let Err(error) = self.write_pack(&mut state) {
            tracing::warn!(%error, directory = %self.directory.display(), "could not keep compiled functions");
        }
    }

    fn write_pack(&self, state: &mut State) -> io::Result<()> {
        let mut entries = std::mem::take(&mut state.pending);
        let merged = if state.packs.len() >= PACKS_MAX { std::mem::take(&mut state.packs) } else { Vec::new() };
        for pack in &merged {
            for key in pack.index.keys() {
                if let Some(body) = pack.read(key) {
                    entries.entry(*key).or_insert(body);
                }
            }
        }
        state.packs.push(Pack::write(&self.directory, &entries)?);
        merged.iter().for_each(Pack::remove);
        self.evict(state);
        Ok(())
    }

    fn evict(&self, state: &mut State) {
        state.packs.sort_by_key(|pack| std::cmp::Reverse(pack.written));
        let mut total = 0_u64;
        let bytes_max = self.bytes_max;
        state.packs.retain(|pack| {
            total = total.saturating_add(pack.bytes);
            let keep = total <= bytes_max;
            if !keep {
                pack.remove();
            }
            keep
        });
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        self.flush();
    }
}

impl CacheStore for Store {
    fn get(&self, key: &[u8]) -> Option<Cow<'_, [u8]>> {
        let key: Key = key.try_into().ok()?;
        let mut state = self.lock();
        let found = state.pending.get(&key).cloned().or_else(|| state.packs.iter().find_map(|pack| pack.read(&key)));
        match &found {
            Some(_) => state.hits += 1,
            None => state.misses += 1,
        }
        found.map(Cow::Owned)
    }

    fn insert(&self, key: &[u8], value: Vec<u8>) -> bool {
        let Ok(key) = Key::try_from(key) else { return false };
        self.lock().pending.insert(key, value);
        true
    }
}

/// One file of entries: bodies, then the index, then the trailer. Only the index stays in memory.
#[derive(Debug)]
struct Pack {
    path: PathBuf,
    file: File,
    bytes: u64,
    written: SystemTime,
    index: HashMap<Key, Entry>,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    offset: u64,
    length: u32,
    digest: Key,
}

impl Pack {
    fn open(path: PathBuf) -> io::Result<Self> {
        let mut file = File::open(&path)?;
        let metadata = file.metadata()?;
        let bytes = metadata.len();
        let invalid = || io::Error::new(io::ErrorKind::InvalidData, "not a pack");
        let index_end = bytes.checked_sub(TRAILER_BYTES as u64).ok_or_else(invalid)?;
        let mut trailer = [0; TRAILER_BYTES];
        file.read_exact_at(&mut trailer, index_end)?;
        let (magic, offset) = trailer.split_first_chunk::<8>().ok_or_else(invalid)?;
        let index_start = u64::from_le_bytes(offset.try_into().map_err(|_| invalid())?);
        if magic != MAGIC || index_start > index_end {
            return Err(invalid());
        }
        let mut raw = Vec::new();
        file.seek(SeekFrom::Start(index_start))?;
        (&file).take(index_end - index_start).read_to_end(&mut raw)?;
        let index = raw.chunks_exact(INDEX_ENTRY_BYTES).filter_map(|raw| parse_entry(raw, index_start)).collect();
        Ok(Self { path, file, bytes, written: metadata.modified()?, index })
    }

    fn write(directory: &Path, entries: &HashMap<Key, Vec<u8>>) -> io::Result<Self> {
        let mut file = tempfile::Builder::new().suffix(".partial").tempfile_in(directory)?;
        let mut out = io::BufWriter::new(file.as_file_mut());
        let mut index = Vec::with_capacity(entries.len() * INDEX_ENTRY_BYTES);
        let mut offset = 0_u64;
        let mut name = Sha256::new();
        // Sorted, so that the same entries give the same file and two processes do not keep them twice.
        let mut sorted: Vec<_> = entries.iter().collect();
        sorted.sort_unstable_by_key(|(key, _)| **key);
        for (key, body) in sorted {
            let length = u32::try_from(body.len()).map_err(io::Error::other)?;
            out.write_all(body)?;
            let digest = Sha256::digest(body);
            index.extend_from_slice(key);
            index.extend_from_slice(&offset.to_le_bytes());
            index.extend_from_slice(&length.to_le_bytes());
            index.extend_from_slice(&digest);
            name.update(key);
            name.update(digest);
            offset += u64::from(length);
        }
        out.write_all(&index)?;
        out.write_all(MAGIC)?;
        out.write_all(&offset.to_le_bytes())?;
        out.flush()?;
        drop(out);
        let path = directory.join(hex::encode(name.finalize())).with_extension(EXTENSION);
        file.persist(&path).map_err(|error| error.error)?;
        Self::open(path)
    }

    /// The body of an entry, unless it is absent or damaged.
    fn read(&self, key: &Key) -> Option<Vec<u8>> {
        let entry = self.index.get(key)?;
        let mut body = vec![0; usize::try_from(entry.length).ok()?];
        self.file.read_exact_at(&mut body, entry.offset).ok()?;
        (Sha256::digest(&body).as_slice() == entry.digest).then_some(body)
    }

    /// Another process may have removed it already, and may still read from it.
    fn remove(&self) {
        let _ = fs::remove_file(&self.path);
    }
}

fn parse_entry(raw: &[u8], bodies_end: u64) -> Option<(Key, Entry)> {
    let (key, rest) = raw.split_first_chunk::<DIGEST_BYTES>()?;
    let (offset, rest) = rest.split_first_chunk::<8>()?;
    let (length, rest) = rest.split_first_chunk::<4>()?;
    let digest = rest.first_chunk::<DIGEST_BYTES>()?;
    let entry = Entry { offset: u64::from_le_bytes(*offset), length: u32::from_le_bytes(*length), digest: *digest };
    let end = entry.offset.checked_add(u64::from(entry.length))?;
    (end <= bodies_end).then_some((*key, entry))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn entry(number: u8, length: usize) -> (Key, Vec<u8>) {
        ([number; DIGEST_BYTES], vec![number; length])
    }

    fn filled(directory: &Path, bytes_max: u64, numbers: std::ops::Range<u8>) -> EngineCache {
        let cache = EngineCache::open(directory, bytes_max).unwrap();
        for number in numbers {
            let (key, body) = entry(number, 1000);
            assert!(cache.store().insert(&key, body));
        }
        cache.flush();
        cache
    }

    fn packs(directory: &Path) -> Vec<PathBuf> {
        fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()).collect()
    }

    #[test]
    fn entries_outlive_the_process() {
        let directory = tempfile::tempdir().unwrap();
        drop(filled(directory.path(), 1 << 20, 0..3));
        let cache = EngineCache::open(directory.path(), 1 << 20).unwrap();
        let (key, body) = entry(2, 1000);
        assert_eq!(cache.store().get(&key).as_deref(), Some(body.as_slice()));
        assert_eq!(cache.store().get(&entry(3, 1000).0), None);
        assert_eq!(cache.hits_and_misses(), (1, 1));
    }

    #[test]
    fn damaged_entries_are_ignored_and_others_stay() {
        let directory = tempfile::tempdir().unwrap();
        drop(filled(directory.path(), 1 << 20, 0..2));
        let path = packs(directory.path()).remove(0);
        let mut bytes = fs::read(&path).unwrap();
        *bytes.get_mut(500).unwrap() ^= 1;
        fs::write(&path, bytes).unwrap();
        let cache = EngineCache::open(directory.path(), 1 << 20).unwrap();
        assert_eq!(cache.store().get(&entry(0, 1000).0), None);
        assert!(cache.store().get(&entry(1, 1000).0).is_some());
        fs::write(&path, b"not a pack at all").unwrap();
        assert_eq!(EngineCache::open(directory.path(), 1 << 20).unwrap().store().get(&entry(1, 1000).0), None);
    }

    #[test]
    fn the_bound_holds_and_the_newest_entries_stay() {
        let directory = tempfile::tempdir().unwrap();
        for number in 0..10 {
            filled(directory.path(), 5000, number..number + 1);
        }
        let total: u64 = packs(directory.path()).iter().map(|path| fs::metadata(path).unwrap().len()).sum();
        assert!(total <= 5000, "{total}");
        let cache = EngineCache::open(directory.path(), 5000).unwrap();
        assert!(cache.store().get(&entry(9, 1000).0).is_some());
        assert_eq!(cache.store().get(&entry(0, 1000).0), None);
    }

    #[test]
    fn many_small_packs_become_one() {
        let directory = tempfile::tempdir().unwrap();
        for number in 0..20 {
            filled(directory.path(), 1 << 20, number..number + 1);
        }
        assert!(packs(directory.path()).len() <= PACKS_MAX);
        let cache = EngineCache::open(directory.path(), 1 << 20).unwrap();
        assert!((0..20).all(|number| cache.store().get(&entry(number, 1000).0).is_some()));
    }
}
