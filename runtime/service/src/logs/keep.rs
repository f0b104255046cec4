//! Lines that are kept: files of JSON lines in `state/logs`, the oldest of which go. One thread writes them, and nobody waits for it.

use std::{
    collections::HashMap,
    fs::{self, DirBuilder, File, OpenOptions},
    io::{self, BufRead as _, BufReader, Write as _},
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
        mpsc::{Receiver, SyncSender, sync_channel},
    },
    thread,
};

use airlock_model::{EnvironmentName, TenantName};

use super::LogEntry;
use crate::clock;

/// Lines that wait for the disk; those beyond are left out and counted.
const WAITING_MAX: usize = 8_192;
/// Into how many files the lines of a tenant are parted: one of them goes at a time.
const PARTS: u64 = 8;
/// Room that is left to the trail and everything else: twice what the store asks for.
const FREE_BYTES_MIN: u64 = 128 << 20;
/// Digits of the number of a file, so that names sort.
const DIGITS: usize = 20;

/// How much of one tenant in one environment is kept.
#[derive(Debug, Clone, Copy)]
pub(super) struct Room {
    pub(super) bytes: u64,
    pub(super) seconds: u64,
}

/// A line, and how much is kept beside it.
type Job = (Arc<LogEntry>, Room);

/// Keeps lines, on a thread that starts with the first.
pub(super) struct Keeper {
    dir: PathBuf,
    thread: Mutex<Option<SyncSender<Job>>>,
    left_out: Arc<AtomicU64>,
}

impl Keeper {
    pub(super) fn new(dir: PathBuf) -> Self {
        Self { dir, thread: Mutex::default(), left_out: Arc::default() }
    }

    /// Where the lines of a tenant in an environment are.
    pub(super) fn place(&self, environment: &EnvironmentName, tenant: &TenantName) -> PathBuf {
        self.dir.join(environment.as_str()).join(tenant.as_str())
    }

    pub(super) fn keep(&self, entry: Arc<LogEntry>, room: Room) {
        let mut thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner);
        if thread.is_none() {
            *thread = start(self.dir.clone(), Arc::clone(&self.left_out));
        }
        if thread.as_ref().is_none_or(|lines| lines.try_send((entry, room)).is_err()) {
            self.left_out.fetch_add(1, Relaxed);
        }
    }
}

fn start(dir: PathBuf, left_out: Arc<AtomicU64>) -> Option<SyncSender<Job>> {
    let (sender, lines) = sync_channel(WAITING_MAX);
    let named = thread::Builder::new().name("airlock-logs".to_owned());
    let started =
        named.spawn(move || Shelf { dir, left_out, places: HashMap::new(), is_failing: false }.keep_all(&lines));
    started.inspect_err(|why| tracing::error!(%why, "log lines are not kept: no thread")).map(|_| sender).ok()
}

/// What the thread knows.
struct Shelf {
    dir: PathBuf,
    left_out: Arc<AtomicU64>,
    places: HashMap<PathBuf, Place>,
    is_failing: bool,
}

/// The files of one tenant in one environment.
struct Place {
    dir: PathBuf,
    file: File,
    bytes: u64,
    looked_unix_s: u64,
}

impl Shelf {
    fn keep_all(&mut self, lines: &Receiver<Job>) {
        while let Ok((entry, room)) = lines.recv() {
            let kept = self.keep(&entry, room);
            if kept.is_err() {
                self.left_out.fetch_add(1, Relaxed);
            }
            match (&kept, self.is_failing) {
                (Err(why), false) => tracing::error!(%why, "log lines of functions are not kept"),
                (Ok(()), true) => {
                    let left_out = self.left_out.swap(0, Relaxed);
                    tracing::warn!(left_out, "log lines of functions are kept again");
                }
                (Ok(()), false) | (Err(_), true) => {}
            }
            self.is_failing = kept.is_err();
        }
    }

    fn keep(&mut self, entry: &LogEntry, room: Room) -> io::Result<()> {
        let dir = self.dir.join(entry.environment.as_str()).join(entry.tenant.as_str());
        if !self.places.contains_key(&dir) {
            self.places.insert(dir.clone(), Place::open(dir.clone())?);
        }
        let Some(place) = self.places.get_mut(&dir) else { return Ok(()) };
        let kept = place.keep(entry, room);
        if kept.is_err() {
            // Looked at anew the next time.
            self.places.remove(&dir);
        }
        kept
    }
}

impl Place {
    fn open(dir: PathBuf) -> io::Result<Self> {
        DirBuilder::new().recursive(true).mode(0o700).create(&dir)?;
        let last = parts(&dir)?.pop().unwrap_or_else(|| part(&dir, 1));
        let file = append(&last)?;
        let bytes = file.metadata()?.len();
        Ok(Self { dir, file, bytes, looked_unix_s: 0 })
    }

    fn keep(&mut self, entry: &LogEntry, room: Room) -> io::Result<()> {
        let now = clock::now_unix_s();
        if self.looked_unix_s != now {
            self.looked_unix_s = now;
            self.tidy(room, now)?;
        }
        let line = serde_json::to_string(entry).map_err(io::Error::other)? + "\n";
        if self.bytes > 0 && self.bytes.saturating_add(line.len() as u64) > room.bytes / PARTS {
            self.begin_another()?;
            self.tidy(room, now)?;
        }
        self.file.write_all(line.as_bytes())?;
        self.bytes = self.bytes.saturating_add(line.len() as u64);
        Ok(())
    }

    fn begin_another(&mut self) -> io::Result<()> {
        let last = parts(&self.dir)?.pop();
        let number = last.as_deref().and_then(number_of).map_or(1, |number| number.saturating_add(1));
        self.file = append(&part(&self.dir, number))?;
        self.bytes = 0;
        Ok(())
    }

    /// Removes files that are too old or too many, and says when there is no room at all.
    fn tidy(&self, room: Room, now_unix_s: u64) -> io::Result<()> {
        let parts = parts(&self.dir)?;
        let (mut bytes, mut is_first) = (0_u64, true);
        for part in parts.iter().rev() {
            let there = part.metadata()?;
            bytes = bytes.saturating_add(there.len());
            let changed = there.modified()?.duration_since(std::time::UNIX_EPOCH).map_or(0, |since| since.as_secs());
            let is_old = now_unix_s.saturating_sub(changed) > room.seconds;
            if !is_first && (bytes > room.bytes || is_old) {
                fs::remove_file(part)?;
            }
            is_first = false;
        }
        let free = rustix::fs::statvfs(&self.dir).map_or(u64::MAX, |fs| fs.f_bavail.saturating_mul(fs.f_frsize));
        if free < FREE_BYTES_MIN {
            return Err(io::Error::other(format!(
                "{free} bytes are free, and {FREE_BYTES_MIN} are left to everything else"
            )));
        }
        Ok(())
    }
}

fn append(path: &Path) -> io::Result<File> {
    OpenOptions::new().append(true).create(true).mode(0o600).open(path)
}

fn part(dir: &Path, number: u64) -> PathBuf {
    dir.join(format!("{number:0DIGITS$}.jsonl"))
}

fn number_of(path: &Path) -> Option<u64> {
    path.file_name()?.to_str()?.strip_suffix(".jsonl")?.parse().ok()
}

/// The files of a place, the oldest first; none where there is no such place.
fn parts(dir: &Path) -> io::Result<Vec<PathBuf>> {
    let entries = match fs::read_dir(dir) {
        Err(why) if why.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let mut parts = entries.map(|entry| entry.map(|entry| entry.path())).collect::<io::Result<Vec<_>>>()?;
    parts.retain(|path| number_of(path).is_some());
    parts.sort();
    Ok(parts)
}

/// Every line that is kept in a place and that `wants` asks for, the oldest first: the last `most` of them. What is no line, as a
/// crash leaves it, is passed over.
pub(super) fn read(dir: &Path, most: usize, wants: impl Fn(&LogEntry) -> bool) -> io::Result<Vec<LogEntry>> {
    let mut found = std::collections::VecDeque::new();
    for part in parts(dir)? {
        let file = match File::open(&part) {
            // Removed since.
            Err(why) if why.kind() == io::ErrorKind::NotFound => continue,
            file => file?,
        };
        for line in BufReader::new(file).split(b'\n') {
            let Ok(entry) = serde_json::from_slice::<LogEntry>(&line?) else { continue };
            if wants(&entry) {
                if found.len() == most {
                    found.pop_front();
                }
                found.push_back(entry);
            }
        }
    }
    Ok(found.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::logs::tests::entry;

    fn room(bytes: u64) -> Room {
        Room { bytes, seconds: 60 }
    }

    #[test]
    fn what_is_kept_stays_within_its_room_and_the_newest_stay() {
        let dir = tempfile::tempdir().expect("a directory");
        let mut place = Place::open(dir.path().join("dev/acme")).expect("opened");
        for number in 0..2_000 {
            place.keep(&entry(&format!("line {number}")), room(40_000)).expect("kept");
        }
        let bytes: u64 =
            parts(&place.dir).expect("parts").iter().map(|part| part.metadata().expect("there").len()).sum();
        assert!(bytes <= 45_000, "{bytes}");
        let kept = read(&place.dir, 10_000, |_| true).expect("read");
        assert_eq!(kept.last().expect("one").message, "line 1999");
        assert!((100..400).contains(&kept.len()), "{}", kept.len());
        assert_eq!(read(&place.dir, 3, |_| true).expect("read").len(), 3);
    }

    #[test]
    fn a_line_that_a_crash_cut_is_passed_over() {
        let dir = tempfile::tempdir().expect("a directory");
        let mut place = Place::open(dir.path().to_owned()).expect("opened");
        place.keep(&entry("one"), room(1 << 20)).expect("kept");
        place.file.write_all(b"{\"time_unix_ms\":1,\"ten\n").expect("written");
        place.keep(&entry("two"), room(1 << 20)).expect("kept");
        let kept: Vec<_> = read(dir.path(), 10, |_| true).expect("read").into_iter().map(|one| one.message).collect();
        assert_eq!(kept, ["one", "two"]);
        assert_eq!(read(&dir.path().join("nowhere"), 10, |_| true).expect("read"), []);
    }
}
