//! What a power cut leaves: all that was synced, and of the rest whatever a seed says.

use std::{
    collections::{BTreeMap, HashMap},
    fs,
    path::Path,
};

use super::{Op, Seeded};

/// What a disk writes at once.
const SECTOR: usize = 512;

/// The state of a directory while a log is played: what is on disk, and what the kernel only holds in memory.
#[derive(Debug, Default)]
pub struct Disk {
    files: Vec<File>,
    /// Which file a number of the process that runs now means.
    opened: HashMap<u32, usize>,
    /// What the process sees under each name.
    names: BTreeMap<String, Node>,
    durable: BTreeMap<String, Node>,
    /// Changes of names that no sync of their directory has covered, in order.
    pending: Vec<(String, Option<Node>)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Node {
    File(usize),
    Dir,
}

#[derive(Debug, Default)]
struct File {
    durable: Vec<u8>,
    pending: Vec<Change>,
}

#[derive(Debug)]
enum Change {
    Write(usize, Vec<u8>),
    Truncate(usize),
}

impl Disk {
    /// Plays one operation.
    pub fn play(&mut self, op: &Op) {
        match op {
            Op::Open { file, path, is_new } => self.open(*file, path, *is_new),
            Op::Write { file, offset, data } => self.change(*file, Change::Write(*offset, data.clone())),
            Op::Truncate { file, length } => self.change(*file, Change::Truncate(*length)),
            Op::Sync { file } => {
                let at = self.at(*file);
                self.files.get_mut(at).expect("a file").sync();
            }
            Op::SyncDir { path } => self.sync_dir(path),
            Op::Rename { from, to } => {
                let node = *self.names.get(from).unwrap_or_else(|| panic!("{from} was never made"));
                self.name(to, Some(node));
                self.name(from, None);
            }
            Op::Unlink { path } => self.name(path, None),
            Op::Mkdir { path } if path == "." => {}
            Op::Mkdir { path } => self.name(path, Some(Node::Dir)),
            // Another process numbers files anew.
            Op::Mark(text) if text == "process" => self.opened.clear(),
            Op::Mark(_) | Op::Failed { .. } => {}
        }
    }

    fn open(&mut self, file: u32, path: &str, is_new: bool) {
        let at = match self.names.get(path) {
            Some(Node::File(at)) if !is_new => *at,
            Some(Node::Dir) => panic!("{path} is a directory"),
            Some(Node::File(_)) | None => {
                self.files.push(File::default());
                let at = self.files.len() - 1;
                self.name(path, Some(Node::File(at)));
                at
            }
        };
        self.opened.insert(file, at);
    }

    fn at(&self, file: u32) -> usize {
        *self.opened.get(&file).unwrap_or_else(|| panic!("file {file} was never opened"))
    }

    fn change(&mut self, file: u32, change: Change) {
        let at = self.at(file);
        self.files.get_mut(at).expect("a file").pending.push(change);
    }

    fn name(&mut self, path: &str, node: Option<Node>) {
        set(&mut self.names, path, node);
        self.pending.push((path.to_owned(), node));
    }

    fn sync_dir(&mut self, dir: &str) {
        for (path, node) in std::mem::take(&mut self.pending) {
            if parent(&path) == dir {
                set(&mut self.durable, &path, node);
            } else {
                self.pending.push((path, node));
            }
        }
    }

    /// Writes to an empty directory what a power cut now might leave. Shared memory is not there: nothing of it is on disk.
    pub fn cut(&self, random: &mut Seeded, into: &Path) {
        // None, some or all of what was not synced.
        let percent = match random.below(5) {
            0 => 0,
            1 => 10,
            2 => 50,
            3 => 90,
            _ => 100,
        };
        let names = self.names_left(random, percent);
        // In the order of names, so that a directory comes before what is in it.
        for (path, node) in &names {
            match node {
                _ if !into.join(parent(path)).is_dir() => {}
                Node::Dir => fs::create_dir(into.join(path)).expect("a directory"),
                Node::File(at) => {
                    let bytes = self.files.get(*at).expect("a file").left(random, percent);
                    fs::write(into.join(path), bytes).expect("a file");
                }
            }
        }
    }

    /// A file system with a journal keeps changes of names in order; POSIX promises nothing of the kind.
    fn names_left(&self, random: &mut Seeded, percent: usize) -> BTreeMap<String, Node> {
        let mut names = self.durable.clone();
        let in_order = random.percent(60);
        let last = chosen(random, percent, self.pending.len());
        let mut last_of = HashMap::new();
        for (n, (path, node)) in self.pending.iter().enumerate() {
            let any = *last_of.entry(path).or_insert_with(|| chosen(random, percent, self.pending.len()));
            if n < if in_order { last } else { any } {
                set(&mut names, path, *node);
            }
        }
        names
    }
}

impl File {
    fn sync(&mut self) {
        for change in std::mem::take(&mut self.pending) {
            change.apply(&mut self.durable);
        }
    }

    /// Each sector as it was on disk or after any of the writes since, whatever the others are.
    fn left(&self, random: &mut Seeded, percent: usize) -> Vec<u8> {
        let (mut bytes, all) = (self.durable.clone(), self.pending.len());
        let mut last_of = HashMap::new();
        for (n, change) in self.pending.iter().enumerate() {
            match change {
                Change::Truncate(_) if random.percent(percent) => change.apply(&mut bytes),
                Change::Truncate(_) => {}
                Change::Write(offset, data) => {
                    for (at, piece) in sectors(*offset, data) {
                        if n < *last_of.entry(at / SECTOR).or_insert_with(|| chosen(random, percent, all)) {
                            put(&mut bytes, at, piece);
                        }
                    }
                }
            }
        }
        self.stretch(random, percent, &mut bytes);
        bytes
    }

    /// A file can be as long as its writes made it before they are there: then there are zeros, or what was on the disk before.
    fn stretch(&self, random: &mut Seeded, percent: usize, bytes: &mut Vec<u8>) {
        if !random.percent(percent.min(50)) {
            return;
        }
        let end = |change: &Change| match change {
            Change::Write(offset, data) => offset + data.len(),
            Change::Truncate(length) => *length,
        };
        let length = self.pending.iter().map(end).max().unwrap_or(0);
        let garbage = random.percent(50);
        while bytes.len() < length {
            bytes.push(if garbage { u8::try_from(random.below(256)).expect("a byte") } else { 0 });
        }
    }
}

impl Change {
    fn apply(&self, bytes: &mut Vec<u8>) {
        match self {
            Self::Write(offset, data) => put(bytes, *offset, data),
            Self::Truncate(length) => bytes.resize(*length, 0),
        }
    }
}

/// How many of `all` changes took effect.
fn chosen(random: &mut Seeded, percent: usize, all: usize) -> usize {
    match random.percent(percent) {
        true if random.percent(70) => all,
        true => random.below(all + 1),
        false => 0,
    }
}

fn put(bytes: &mut Vec<u8>, offset: usize, data: &[u8]) {
    let end = offset + data.len();
    if bytes.len() < end {
        bytes.resize(end, 0);
    }
    bytes.get_mut(offset..end).expect("long enough").copy_from_slice(data);
}

/// Data in pieces that do not cross a sector's end, with their offsets.
fn sectors(offset: usize, data: &[u8]) -> Vec<(usize, &[u8])> {
    let (mut at, mut rest, mut pieces) = (offset, data, Vec::new());
    while !rest.is_empty() {
        let (piece, after) = rest.split_at((SECTOR - at % SECTOR).min(rest.len()));
        pieces.push((at, piece));
        at += piece.len();
        rest = after;
    }
    pieces
}

fn set(names: &mut BTreeMap<String, Node>, path: &str, node: Option<Node>) {
    match node {
        Some(node) => names.insert(path.to_owned(), node),
        None => names.remove(path),
    };
}

fn parent(path: &str) -> &str {
    path.rsplit_once('/').map_or(".", |(dir, _)| dir)
}
