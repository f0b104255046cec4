//! A file of lines that is put aside when it is large or old: whole records only, synced before they count as taken.

use std::{
    ffi::OsString,
    fs::{self, File, OpenOptions},
    io::{self, Read as _, Seek as _, SeekFrom, Write as _},
    num::{NonZeroU32, NonZeroU64},
    os::unix::fs::{MetadataExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
    time::UNIX_EPOCH,
};

use rustix::fs::{CWD, RenameFlags, renameat_with};

use super::lines::Line;
use crate::{clock, config::ExportFile};

/// Digits of the number in the name of a file that was put aside: names then sort as the records do.
const SEQ_DIGITS: usize = 20;
/// How much is read at a time to find the end of the last whole line.
const BLOCK_BYTES: u64 = 64 << 10;

pub(super) struct RotatedFile {
    path: PathBuf,
    rotate_bytes: NonZeroU64,
    rotate_s: Option<NonZeroU32>,
    keep: usize,
    open: Option<Open>,
}

struct Open {
    file: File,
    bytes: u64,
    /// When it was begun, in seconds since the Unix epoch.
    begun_unix_s: u64,
}

impl RotatedFile {
    /// Checks where it is to be; writes nothing.
    pub(super) fn new(config: &ExportFile) -> Result<Self, String> {
        let path = config.path.clone();
        let unlike = |why: &str| Err(format!("`{}`: {why}", path.display()));
        match path.parent() {
            _ if path.metadata().is_ok_and(|there| !there.is_file()) => unlike("it is there, and no regular file"),
            Some(dir) if dir.is_dir() => Ok(Self {
                rotate_bytes: config.rotate_bytes,
                rotate_s: config.rotate_s,
                keep: usize::try_from(config.keep.get()).unwrap_or(usize::MAX),
                open: None,
                path,
            }),
            Some(_) | None => {
                unlike("its directory is not there: make one for it alone, which the server may write to")
            }
        }
    }

    /// Appends lines, and returns once they are on disk. After an error none of the last ones count, and a part of one does not
    /// stay.
    pub(super) fn append(&mut self, lines: &[Line]) -> io::Result<()> {
        let mut rest = lines;
        while let Some(next) = rest.first() {
            let mut open = self.opened()?;
            let room = self.rotate_bytes.get().saturating_sub(open.bytes);
            let count = fitting(rest, room);
            // A line that is longer than a whole file gets one for itself.
            let count = if count == 0 && open.bytes == 0 { 1 } else { count };
            if count == 0 || self.is_old(&open) {
                self.put_aside(&open, next.seq.saturating_sub(1))?;
                continue;
            }
            let (now, later) = rest.split_at_checked(count).unwrap_or((rest, &[]));
            open.write(now)?;
            self.open = Some(open);
            rest = later;
        }
        Ok(())
    }

    /// The file as we left it, or as it is found: somebody else may have moved it away.
    fn opened(&mut self) -> io::Result<Open> {
        if let Some(open) = self.open.take()
            && fs::metadata(&self.path)
                .is_ok_and(|there| open.file.metadata().is_ok_and(|ours| ours.ino() == there.ino()))
        {
            return Ok(open);
        }
        let is_new = !self.path.exists();
        let file = OpenOptions::new().read(true).append(true).create(true).mode(0o600).open(&self.path)?;
        let open = Open::repaired(file)?;
        if is_new {
            self.sync_dir()?;
        }
        Ok(open)
    }

    fn is_old(&self, open: &Open) -> bool {
        let age_s = clock::now_unix_s().saturating_sub(open.begun_unix_s);
        open.bytes > 0 && self.rotate_s.is_some_and(|most| age_s >= u64::from(most.get()))
    }

    /// Gives a file the number of the last record that is not in a later one as a name, in one step and never over another one.
    fn put_aside(&self, open: &Open, last_seq: u64) -> io::Result<()> {
        open.file.sync_data()?;
        for attempt in 0_u32.. {
            let more = if attempt == 0 { String::new() } else { format!("-{attempt:03}") };
            let aside = with_ending(&self.path, &format!(".{last_seq:0SEQ_DIGITS$}{more}"));
            match renameat_with(CWD, &self.path, CWD, &aside, RenameFlags::NOREPLACE) {
                Err(rustix::io::Errno::EXIST) => {}
                done => {
                    done?;
                    break;
                }
            }
        }
        self.sync_dir()?;
        self.remove_oldest()
    }

    fn remove_oldest(&self) -> io::Result<()> {
        let mut aside = put_aside_before(&self.path)?;
        // By time: a trail that was put back to an earlier state has lower numbers again.
        aside.sort_by_cached_key(|path| (fs::metadata(path).and_then(|file| file.modified()).ok(), path.clone()));
        let surplus = aside.len().saturating_sub(self.keep);
        aside.iter().take(surplus).try_for_each(fs::remove_file)
    }

    fn sync_dir(&self) -> io::Result<()> {
        self.path.parent().map_or(Ok(()), |dir| File::open(dir)?.sync_all())
    }
}

impl Open {
    /// Whoever was killed while it wrote leaves a part of a line: it goes, because the record comes again.
    fn repaired(mut file: File) -> io::Result<Self> {
        let there = file.metadata()?;
        let bytes = end_of_last_line(&mut file, there.len())?;
        if bytes < there.len() {
            file.set_len(bytes)?;
            file.sync_data()?;
        }
        let begun = there.created().or_else(|_| there.modified())?;
        let begun_unix_s = begun.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        Ok(Self { file, bytes, begun_unix_s })
    }

    fn write(&mut self, lines: &[Line]) -> io::Result<()> {
        let whole: String = lines.iter().map(|line| line.text.as_str()).collect();
        let written = self.file.write_all(whole.as_bytes()).and_then(|()| self.file.sync_data());
        if let Err(why) = written {
            // A full disk takes a part. Whether this works or not, the next one who opens the file looks again.
            let _ = self.file.set_len(self.bytes);
            return Err(why);
        }
        self.bytes = self.bytes.saturating_add(whole.len() as u64);
        Ok(())
    }
}

/// How many lines fit.
fn fitting(lines: &[Line], room: u64) -> usize {
    let mut bytes: u64 = 0;
    let fits = |line: &&Line| {
        bytes = bytes.saturating_add(line.text.len() as u64);
        bytes <= room
    };
    lines.iter().take_while(fits).count()
}

fn end_of_last_line(file: &mut File, mut end: u64) -> io::Result<u64> {
    while end > 0 {
        let start = end.saturating_sub(BLOCK_BYTES);
        let mut block = Vec::new();
        file.seek(SeekFrom::Start(start))?;
        file.take(end - start).read_to_end(&mut block)?;
        if let Some(at) = block.iter().rposition(|byte| *byte == b'\n') {
            return Ok(start.saturating_add(at as u64).saturating_add(1));
        }
        end = start;
    }
    Ok(0)
}

fn with_ending(path: &Path, ending: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(ending);
    name.into()
}

/// Files beside it with its name, a dot and a number.
fn put_aside_before(path: &Path) -> io::Result<Vec<PathBuf>> {
    let (Some(dir), Some(name)) = (path.parent(), path.file_name().and_then(|name| name.to_str())) else {
        return Ok(Vec::new());
    };
    let is_one = |entry: &fs::DirEntry| {
        let found = entry.file_name();
        let rest = found.to_str().and_then(|found| found.strip_prefix(name)?.strip_prefix('.'));
        rest.is_some_and(|rest| rest.len() >= SEQ_DIGITS && rest.bytes().all(|b| b.is_ascii_digit() || b == b'-'))
    };
    let entries = fs::read_dir(dir)?.collect::<io::Result<Vec<_>>>()?;
    Ok(entries.iter().filter(|entry| is_one(entry)).map(fs::DirEntry::path).collect())
}

#[cfg(test)]
mod tests;
