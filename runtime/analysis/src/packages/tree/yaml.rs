//! YAML: of what it can do only what lockfiles use. Anchors, aliases and tags are refused.

use saphyr_parser::{Event, Parser, ScanError, Span};

use super::{Budget, Node, Value, check_twice};
use crate::packages::Unreadable;

/// What is open while events come in.
enum Open {
    List(usize, Vec<Node>),
    /// The last one is a key whose value has not come yet.
    Table(usize, Vec<(String, Node)>, Option<String>),
}

/// The documents of a text.
pub(in crate::packages) fn yaml(text: &str) -> Result<Vec<Node>, Unreadable> {
    let mut reader = Reader { budget: Budget::new(""), open: Vec::new(), documents: Vec::new() };
    for event in Parser::new_from_str(text) {
        let (event, span) = event.map_err(|why| not_yaml(&why))?;
        reader.take(event, span)?;
    }
    Ok(reader.documents)
}

fn not_yaml(why: &ScanError) -> Unreadable {
    Unreadable::at(why.marker().line(), format!("not YAML: {}", why.info()))
}

struct Reader {
    budget: Budget,
    open: Vec<Open>,
    documents: Vec<Node>,
}

impl Reader {
    fn take(&mut self, event: Event<'_>, span: Span) -> Result<(), Unreadable> {
        let line = span.start.line();
        match event {
            Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentStart(_) | Event::DocumentEnd => {
                Ok(())
            }
            Event::Scalar(text, style, 0, None) => {
                let is_plain = style == saphyr_parser::ScalarStyle::Plain;
                let is_null = is_plain && matches!(&*text, "" | "null" | "~");
                let value = if is_null { Value::Null } else { Value::Text(text.into_owned()) };
                self.put(Node { line, value })
            }
            Event::SequenceStart(0, None) => self.begin(Open::List(line, Vec::new()), line),
            Event::MappingStart(0, None) => self.begin(Open::Table(line, Vec::new(), None), line),
            Event::SequenceEnd | Event::MappingEnd => self.end(line),
            Event::Alias(_) | Event::Scalar(..) | Event::SequenceStart(..) | Event::MappingStart(..) => {
                Err(Unreadable::at(line, "anchors, aliases and tags are not read: no package manager writes them"))
            }
        }
    }

    fn begin(&mut self, open: Open, line: usize) -> Result<(), Unreadable> {
        self.open.push(open);
        self.budget.spend(line, self.open.len())
    }

    fn end(&mut self, line: usize) -> Result<(), Unreadable> {
        let node = match self.open.pop() {
            Some(Open::List(line, items)) => Node { line, value: Value::List(items) },
            Some(Open::Table(line, entries, _)) => {
                check_twice(&entries)?;
                Node { line, value: Value::Table(entries) }
            }
            None => return Err(Unreadable::at(line, "an end without a beginning")),
        };
        self.put(node)
    }

    fn put(&mut self, node: Node) -> Result<(), Unreadable> {
        self.budget.spend(node.line, self.open.len())?;
        match self.open.last_mut() {
            None => self.documents.push(node),
            Some(Open::List(_, items)) => items.push(node),
            Some(Open::Table(_, entries, key)) => match (key.take(), node.value) {
                // A table stands where its key stands.
                (Some(key), value) => entries.push((key, Node { line: node.line, value })),
                (None, Value::Text(text)) => *key = Some(text),
                (None, _) => return Err(Unreadable::at(node.line, "a key is no text")),
            },
        }
        Ok(())
    }
}
