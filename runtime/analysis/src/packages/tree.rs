//! JSON, TOML and YAML as one kind of tree that knows its lines. Depth and size are bounded, and a key that stands twice
//! is refused: readers differ in which of the two counts.

mod json;
mod toml;
mod yaml;

pub(super) use json::json;
pub(super) use toml::toml;
pub(super) use yaml::yaml;

use super::Unreadable;

/// Levels of lists and tables inside each other.
const DEPTH_MAX: usize = 64;
/// Values of a whole file.
const NODES_MAX: usize = 1_000_000;

/// A value and where it begins.
#[derive(Debug)]
pub(super) struct Node {
    /// From 1.
    pub(super) line: usize,
    value: Value,
}

#[derive(Debug)]
enum Value {
    /// A text, a number, a truth value or a time, as it is written.
    Text(String),
    List(Vec<Node>),
    Table(Vec<(String, Node)>),
    Null,
}

impl Node {
    /// The value of a key; `None` also when this is no table.
    pub(super) fn get(&self, key: &str) -> Option<&Self> {
        self.entries().iter().find(|(own, _)| own == key).map(|(_, value)| value)
    }

    /// The text at a key.
    pub(super) fn text(&self, key: &str) -> Option<&str> {
        self.get(key)?.as_text()
    }

    pub(super) fn is_true(&self, key: &str) -> bool {
        self.text(key) == Some("true")
    }

    pub(super) fn as_text(&self) -> Option<&str> {
        match &self.value {
            Value::Text(text) => Some(text),
            Value::List(_) | Value::Table(_) | Value::Null => None,
        }
    }

    /// Keys and values; none when this is no table.
    pub(super) fn entries(&self) -> &[(String, Self)] {
        match &self.value {
            Value::Table(entries) => entries,
            Value::Text(_) | Value::List(_) | Value::Null => &[],
        }
    }

    /// Items; none when this is no list.
    pub(super) fn items(&self) -> &[Self] {
        match &self.value {
            Value::List(items) => items,
            Value::Text(_) | Value::Table(_) | Value::Null => &[],
        }
    }

    pub(super) fn is_table(&self) -> bool {
        matches!(self.value, Value::Table(_))
    }

    pub(super) fn is_list(&self) -> bool {
        matches!(self.value, Value::List(_))
    }
}

/// Lines of a text by bytes, and how much of it may still be read.
struct Budget {
    breaks: Vec<usize>,
    nodes: usize,
}

impl Budget {
    fn new(text: &str) -> Self {
        let breaks = text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n').map(|(at, _)| at).collect();
        Self { breaks, nodes: 0 }
    }

    fn line(&self, byte: usize) -> usize {
        self.breaks.partition_point(|at| *at < byte) + 1
    }

    fn spend(&mut self, line: usize, depth: usize) -> Result<(), Unreadable> {
        self.nodes += 1;
        if depth > DEPTH_MAX {
            return Err(Unreadable::at(line, format!("nested deeper than {DEPTH_MAX} levels")));
        }
        if self.nodes > NODES_MAX {
            return Err(Unreadable::at(line, format!("more than {NODES_MAX} values")));
        }
        Ok(())
    }
}

fn check_twice(entries: &[(String, Node)]) -> Result<(), Unreadable> {
    let mut keys: Vec<_> = entries.iter().map(|(key, node)| (key.as_str(), node.line)).collect();
    keys.sort_unstable();
    let twice = keys.windows(2).find_map(|pair| match pair {
        [(one, _), (other, line)] if one == other => Some(*line),
        _ => None,
    });
    twice.map_or(Ok(()), |line| Err(Unreadable::at(line, "a key stands twice")))
}
