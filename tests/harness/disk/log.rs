//! The log that the shim writes: 32 bytes of numbers, a text, data.

use std::{fs::OpenOptions, io::Write as _, path::Path};

/// One operation that took effect, or a mark. Files have numbers of their own, of one process each; paths are below the directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Op {
    /// A file has this number from here on. It is new, or the one of that name.
    Open {
        file: u32,
        path: String,
        is_new: bool,
    },
    Write {
        file: u32,
        offset: usize,
        data: Vec<u8>,
    },
    Truncate {
        file: u32,
        length: usize,
    },
    /// All that was written to it before is on disk.
    Sync {
        file: u32,
    },
    /// All names in it are on disk.
    SyncDir {
        path: String,
    },
    Rename {
        from: String,
        to: String,
    },
    Unlink {
        path: String,
    },
    Mkdir {
        path: String,
    },
    /// What the process says of itself.
    Mark(String),
    /// An operation that was made to fail: its kind and number, and the file where there was one.
    Failed {
        file: u32,
        what: String,
    },
}

const HEADER: usize = 32;
const MARK: u32 = 9;

struct Header {
    kind: u32,
    file: u32,
    offset: u64,
    length: u64,
    text: usize,
    data: usize,
}

/// Reads a whole log. A last entry that a kill cut off is left out.
pub fn read(log: &Path) -> Vec<Op> {
    let bytes = std::fs::read(log).expect("a log");
    let mut rest = bytes.as_slice();
    let mut ops = Vec::new();
    while let Some((header, text, data, after)) = entry(rest) {
        ops.push(op(&header, text, data));
        rest = after;
    }
    ops
}

fn entry(bytes: &[u8]) -> Option<(Header, &str, &[u8], &[u8])> {
    let (header, rest) = bytes.split_at_checked(HEADER)?;
    let short = |at: usize| header.get(at..at + 4)?.try_into().ok().map(u32::from_ne_bytes);
    let long = |at: usize| header.get(at..at + 8)?.try_into().ok().map(u64::from_ne_bytes);
    let length = |at: usize| usize::try_from(short(at)?).ok();
    let header = Header {
        kind: short(0)?,
        file: short(4)?,
        offset: long(8)?,
        length: long(16)?,
        text: length(24)?,
        data: length(28)?,
    };
    let (text, rest) = rest.split_at_checked(header.text)?;
    let (data, rest) = rest.split_at_checked(header.data)?;
    Some((header, str::from_utf8(text).expect("UTF-8"), data, rest))
}

fn op(header: &Header, text: &str, data: &[u8]) -> Op {
    let number = |number: u64| usize::try_from(number).expect("a length");
    let (file, path) = (header.file, text.to_owned());
    match header.kind {
        1 => Op::Open { file, path, is_new: header.offset == 1 },
        2 => Op::Write { file, offset: number(header.offset), data: data.to_owned() },
        3 => Op::Truncate { file, length: number(header.length) },
        4 => Op::Sync { file },
        5 => Op::SyncDir { path },
        6 => {
            let (from, to) = text.split_once('\n').expect("two paths");
            Op::Rename { from: from.to_owned(), to: to.to_owned() }
        }
        7 => Op::Unlink { path },
        8 => Op::Mkdir { path },
        MARK => Op::Mark(path),
        10 => Op::Failed { file, what: path },
        other => panic!("{other} is no operation"),
    }
}

pub(super) fn append_mark(log: &Path, text: &str) -> std::io::Result<()> {
    let mut entry = Vec::with_capacity(HEADER + text.len());
    entry.extend(MARK.to_ne_bytes());
    entry.extend([0; 20]);
    entry.extend(u32::try_from(text.len()).expect("short").to_ne_bytes());
    entry.extend([0; 4]);
    entry.extend(text.as_bytes());
    // One write, so that it is whole between two others.
    OpenOptions::new().append(true).create(true).open(log)?.write_all(&entry)
}
