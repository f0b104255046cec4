//! What is said of the texts that reach a call.

use std::rc::Rc;

use super::{
    Constant, Found, Seen, SeenValue, SinkCall, TextKind, Use, Watch,
    table::{Sink, Strength, is_evident},
};
use crate::source::{
    Language,
    engine::{
        Foreign, Hole, OriginKind, Piece, TagResult, Text, Words, is_other_name, is_text_name, looks_like_fragment,
        looks_like_graphql, looks_like_sql, starts_like_sql, surely_sql,
    },
    ir::{How, Part, Span},
    rules::Rule,
};

/// Names of arguments that hold the statement.
const KEYWORDS: &[&str] =
    &["sql", "query", "statement", "stmt", "operation", "text", "command", "where", "raw", "document", "sql_query"];
/// Fields of objects that describe a statement.
const FIELDS: &[&str] =
    &["text", "sql", "query", "statement", "queryText", "sqlText", "document", "mutation", "body", "data"];

pub(super) fn judge(watch: &mut Watch, language: Language, call: &SinkCall<'_>, sink: Sink) {
    for index in statement_args(call, sink) {
        if let Some(seen) = call.args.get(index) {
            let mut judge = Judge { watch, language, call, sink, seen, index };
            seen.values.iter().for_each(|value| judge.value(value));
        }
    }
}

/// The arguments that can be the statement.
fn statement_args(call: &SinkCall<'_>, sink: Sink) -> Vec<usize> {
    let named = |seen: &Seen| seen.keyword.as_deref().is_some_and(|name| KEYWORDS.contains(&name));
    if let Some(named) = call.args.iter().position(named) {
        return vec![named];
    }
    let fragment = sink.strength == Strength::Fragment;
    let is_evident = |index: &usize| call.args.get(*index).is_some_and(|seen| is_evident(seen, fragment));
    let evident: Vec<usize> = (0..call.args.len().min(3)).filter(is_evident).collect();
    let is_text = |seen: &Seen| seen.values.iter().any(|value| matches!(value, SeenValue::Text(_)));
    if !evident.is_empty() {
        // What comes behind the statement is bound, even where it looks like one.
        return evident.into_iter().take(1).collect();
    }
    // A connection or an address comes first in some calls.
    let second = !call.args.first().is_some_and(is_text) && call.args.get(1).is_some_and(is_text);
    if second { vec![0, 1] } else { vec![0] }
}

struct Judge<'w, 'c> {
    watch: &'w mut Watch,
    language: Language,
    call: &'c SinkCall<'c>,
    sink: Sink,
    seen: &'c Seen,
    index: usize,
}

impl Judge<'_, '_> {
    fn value(&mut self, value: &SeenValue) {
        match value {
            SeenValue::Text(text) if text.has_holes() => self.with_holes(text),
            SeenValue::Text(text) => self.constant(text),
            SeenValue::Foreign(foreign) => self.foreign(foreign),
            SeenValue::Safe => self.watch.reached += 1,
            SeenValue::Items(items) => {
                let known = items.iter().filter(|item| !matches!(item, SeenValue::Foreign(_)));
                known.for_each(|item| self.value(item));
            }
            SeenValue::Fields(fields) => {
                let described = fields.iter().filter(|(name, _)| FIELDS.contains(&name.as_str()));
                described.for_each(|(name, values)| values.iter().for_each(|value| self.field(name, value)));
            }
        }
    }

    fn field(&mut self, name: &str, value: &SeenValue) {
        match value {
            SeenValue::Foreign(_) if !matches!(name, "text" | "sql" | "queryText" | "sqlText") => {}
            SeenValue::Text(text) => {
                let sample = text.sample();
                if looks_like_sql(&sample) || looks_like_graphql(&sample) || starts_like_sql(&sample) {
                    self.value(value);
                }
            }
            SeenValue::Foreign(foreign) => self.unknown(foreign),
            value => self.value(value),
        }
    }

    fn constant(&mut self, text: &Text) {
        let sample = text.sample();
        let kind = if looks_like_graphql(&sample) { TextKind::GraphQl } else { self.kind() };
        let is_statement =
            looks_like_sql(&sample) || (self.sink.strength != Strength::Evidence && starts_like_sql(&sample));
        if (!is_statement && kind == TextKind::Sql) || self.sink.strength == Strength::Fragment {
            return;
        }
        self.watch.reached += 1;
        self.watch.state(Constant {
            text: sample,
            span: self.seen.span,
            path: self.call.path.to_owned(),
            kind,
            varies: text.as_constant().is_none(),
            many: self.sink.many,
        });
    }

    fn kind(&self) -> TextKind {
        if self.call.path.to_ascii_lowercase().ends_with("soql") { TextKind::Soql } else { TextKind::Sql }
    }

    fn with_holes(&mut self, text: &Rc<Text>) {
        let sample = text.sample();
        let kind = if looks_like_graphql(&sample) { TextKind::GraphQl } else { self.kind() };
        let counts = match self.sink.strength {
            Strength::Sure => true,
            Strength::Client => self.counts_at_client(&sample, kind),
            Strength::Evidence => kind == TextKind::GraphQl || (!self.is_lookup() && is_evident(self.seen, false)),
            Strength::Fragment => is_evident(self.seen, true),
        };
        let Some(hole) = text.holes().next().filter(|_| counts) else { return };
        self.watch.reached += 1;
        let rule = match kind {
            TextKind::GraphQl => Rule::GraphqlDynamic,
            TextKind::Soql => Rule::SoqlDynamic,
            TextKind::Sql if text.holes().all(|hole| is_name_place(text, hole)) => Rule::SqlIdentifier,
            TextKind::Sql => rule_of(hole.how),
        };
        let span = if hole.made == Span::default() { self.seen.span } else { hole.made };
        self.watch.add(Found { rule, span, related: hole.value, kind, use_of: Some(self.used(text)) });
    }

    /// `cache.get(..)`: names that everything has, of something that is no client.
    fn is_lookup(&self) -> bool {
        let (receiver, method) = self.call.path.rsplit_once('.').unwrap_or(("", self.call.path));
        let is_common =
            matches!(method, "get" | "first" | "values" | "result" | "post" | "stringify" | "run" | "request");
        is_common && !receiver.is_empty() && self.sink.receiver == Words::No
    }

    fn counts_at_client(&self, sample: &str, kind: TextKind) -> bool {
        let is_bare = !self.call.path.contains('.');
        if self.sink.receiver == Words::No && !is_bare {
            return kind == TextKind::GraphQl || surely_sql(sample);
        }
        if kind == TextKind::GraphQl || looks_like_sql(sample) || starts_like_sql(sample) {
            return true;
        }
        if self.sink.receiver.is_sure() && looks_like_fragment(sample) {
            return true;
        }
        // A text that begins with something unknown may be anything.
        let begins_unknown = sample.trim_start().starts_with(['\u{fffd}', '-', '/', '(']);
        let is_path = sample.contains("://") || (sample.starts_with('/') && !sample.starts_with("/*"));
        self.sink.receiver >= Words::Maybe && begins_unknown && !is_path
    }

    fn used(&self, text: &Rc<Text>) -> Use {
        let others = self.call.args.iter().enumerate().filter(|(index, _)| *index != self.index);
        Use {
            text: Rc::clone(text),
            path: self.call.path.to_owned(),
            call: self.call.span,
            argument: self.seen.span,
            alternatives: self.seen.values.len(),
            others: others.map(|(_, seen)| (seen.span, seen.keyword.clone())).collect(),
        }
    }

    /// A text of unknown origin counts where the call is a client's and no name speaks against it.
    fn foreign(&mut self, foreign: &Foreign) {
        let name = self.seen.name.as_deref().unwrap_or(&foreign.path);
        let last = foreign.path.rsplit('.').next().unwrap_or_default();
        let says_text = is_text_name(name) || is_text_name(last);
        let says_other = !says_text && (is_other_name(name) || foreign.is_client);
        let is_parameter = foreign.origin.kind == OriginKind::Parameter;
        let counts = match self.sink.strength {
            Strength::Sure => !says_other || (is_raw(self.call.path) && !foreign.is_client),
            Strength::Client => match self.sink.receiver {
                Words::Sure => !says_other,
                Words::Maybe => says_text || (!says_other && is_parameter && self.language != Language::Rust),
                Words::No => says_text && self.call.args.len() > 1,
            },
            Strength::Evidence | Strength::Fragment => false,
        };
        if counts {
            self.unknown(foreign);
        }
    }

    /// A statement about which nothing is known.
    fn unknown(&mut self, foreign: &Foreign) {
        self.watch.reached += 1;
        let is_parameter = foreign.origin.kind == OriginKind::Parameter;
        let rule = if is_parameter { Rule::SqlParameter } else { Rule::SqlUnknown };
        let related = if foreign.origin.span == Span::default() { self.seen.span } else { foreign.origin.span };
        self.watch.add(Found { rule, span: self.seen.span, related, kind: self.kind(), use_of: None });
    }
}

/// Calls whose only purpose is unbound text.
fn is_raw(path: &str) -> bool {
    let method = path.rsplit('.').next().unwrap_or_default();
    matches!(
        method,
        "raw"
            | "unsafe"
            | "AsIs"
            | "SQL"
            | "$queryRawUnsafe"
            | "$executeRawUnsafe"
            | "whereRaw"
            | "orderByRaw"
            | "push"
            | "sql_query"
    )
}

const fn rule_of(how: How) -> Rule {
    match how {
        How::Template | How::FString | How::FormatMacro => Rule::SqlTemplate,
        How::Concat => Rule::SqlConcat,
        How::Percent | How::FormatMethod => Rule::SqlFormat,
        How::Append => Rule::SqlAppend,
        How::Join => Rule::SqlJoin,
        How::Replace => Rule::SqlReplace,
    }
}

/// Whether a hole stands where a name or a keyword does.
pub(in crate::source) fn is_name_place(text: &Text, hole: &Hole) -> bool {
    let mut before = String::new();
    for piece in &text.pieces {
        match piece {
            Piece::Constant(text) | Piece::Varies(text) => before.push_str(text),
            Piece::Hole(other) if other == hole => return ends_before_name(&before),
            Piece::Hole(_) => before.push('\u{fffd}'),
        }
    }
    false
}

fn ends_before_name(before: &str) -> bool {
    const BEFORE: &[&str] = &[
        "from", "into", "update", "table", "join", "by", "select", "index", "view", "database", "schema", "distinct",
        "asc", "desc", "exists", "column", "where", "and", "or", "set", "as", "only", "truncate", "\u{fffd}",
    ];
    let lower = before.to_ascii_lowercase();
    if lower.ends_with(['"', '`', '[', '.']) {
        return true;
    }
    let Some(stripped) = lower.strip_suffix(char::is_whitespace) else { return false };
    let last = stripped.trim_end().rsplit(|c: char| c.is_whitespace() || c == '(').next().unwrap_or_default();
    BEFORE.contains(&last) || (last.ends_with(',') && !lower.contains("values") && !lower.contains(" in "))
}

#[expect(clippy::too_many_arguments, reason = "a template in its parts")]
pub(super) fn tagged(
    watch: &mut Watch,
    tag: &Foreign,
    name: &str,
    parts: &[Part],
    span: Span,
    holes: &[(Option<Rc<Text>>, bool, Span)],
) -> TagResult {
    let lower = name.to_ascii_lowercase();
    let text = numbered(parts);
    let is_sql = lower.contains("sql")
        || lower.contains("raw")
        || tag.path.rsplit('.').take(2).any(|step| step.to_ascii_lowercase().contains("sql"));
    let constant =
        |kind| Constant { text: text.clone(), span, path: tag.path.clone(), kind, varies: false, many: false };
    if matches!(lower.as_str(), "gql" | "graphql") {
        let is_unknown = |(text, safe, _): &&(Option<Rc<Text>>, bool, Span)| {
            !safe && text.as_ref().is_none_or(|text| text.has_holes())
        };
        match holes.iter().find(is_unknown) {
            Some((_, _, at)) => {
                watch.add(Found {
                    rule: Rule::GraphqlDynamic,
                    span,
                    related: *at,
                    kind: TextKind::GraphQl,
                    use_of: None,
                });
            }
            None => watch.state(constant(TextKind::GraphQl)),
        }
    } else if is_sql || tag.is_client {
        let kind = if lower.contains("soql") { TextKind::Soql } else { TextKind::Sql };
        if looks_like_sql(&text) {
            watch.state(constant(kind));
        }
    } else {
        return TagResult::Unknown;
    }
    watch.reached += 1;
    TagResult::Prepared
}

/// The text with numbered placeholders in the holes.
fn numbered(parts: &[Part]) -> String {
    let mut text = String::new();
    let mut number = 0;
    for part in parts {
        match part {
            Part::Text(constant) => text.push_str(constant),
            Part::Hole(_) => {
                number += 1;
                text.push('$');
                text.push_str(&number.to_string());
            }
        }
    }
    text
}
