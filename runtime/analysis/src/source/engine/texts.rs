//! Texts that are put together: which parts are constant, and what puts the others there.

use std::rc::Rc;

use super::super::ir::{Expr, How, Kind, Part, Span};
use super::{
    Engine,
    scope::Scope,
    value::{Foreign, Hole, Items, OriginKind, Piece, Text, Value},
};

/// Texts that are told apart while one is put together.
const TEXTS_MAX: usize = 48;

/// How and where something is put into a text.
#[derive(Clone, Copy)]
pub(super) struct Made {
    pub(super) how: How,
    pub(super) span: Span,
}

/// A text under construction: every alternative of it.
pub(super) struct Builder {
    made: Made,
    texts: Vec<Text>,
}

impl Builder {
    pub(super) fn new(how: How, span: Span) -> Self {
        Self { made: Made { how, span }, texts: vec![Text::default()] }
    }

    pub(super) fn constant(&mut self, text: &str) {
        self.texts.iter_mut().for_each(|built| built.push(Piece::Constant(text.to_owned())));
    }

    pub(super) fn piece(&mut self, piece: &Piece) {
        self.texts.iter_mut().for_each(|built| built.push(piece.clone()));
    }

    /// Something unknown is put in.
    pub(super) fn hole(&mut self, value: Span, is_number: bool) {
        for built in &mut self.texts {
            let piece = if is_number && numbers_a_placeholder(built.tail()) {
                Piece::Varies(String::from("1"))
            } else {
                Piece::Hole(Hole { value, made: self.made.span, how: self.made.how, is_number })
            };
            built.push(piece);
        }
    }

    fn either(&mut self, texts: &[Text]) {
        let texts: Vec<Text> = match texts {
            [] => return,
            many if self.texts.len() * many.len() > TEXTS_MAX => fewer(many),
            few => few.to_vec(),
        };
        let pairs = self.texts.iter().flat_map(|start| texts.iter().map(|end| start.followed_by(end)));
        self.texts = pairs.collect();
    }

    /// `a + b + c` is one place, not one within another.
    fn absorb(&mut self) {
        let Made { how, span } = self.made;
        for piece in self.texts.iter_mut().flat_map(|text| &mut text.pieces) {
            if let Piece::Hole(hole) = piece
                && how == How::Concat
                && hole.how == How::Concat
                && hole.made.file == span.file
                && span.start <= hole.made.start
                && hole.made.end <= span.end
            {
                hole.made = span;
            }
        }
    }

    pub(super) fn finish<'m>(self) -> Value<'m> {
        Value::one_of(self.texts.into_iter().map(|text| Value::Text(Rc::new(text))))
    }
}

/// One text with a hole stands for all, or one that varies.
fn fewer(texts: &[Text]) -> Vec<Text> {
    match texts.iter().find(|text| text.has_holes()) {
        Some(text) => vec![text.clone()],
        None => texts.first().map(|text| Text { pieces: vec![Piece::Varies(text.sample())] }).into_iter().collect(),
    }
}

/// `$`, `?`, `:p`, `@p`: what follows is the number of a placeholder.
fn numbers_a_placeholder(before: &str) -> bool {
    let name = before.trim_end_matches(|c: char| c.is_ascii_alphabetic() || c == '_');
    name.ends_with(['$', '?', '@']) || (name.ends_with(':') && !name.ends_with("::"))
}

impl<'m> Engine<'m> {
    pub(super) fn template(&mut self, parts: &'m [Part], how: How, span: Span, scope: &Rc<Scope>) -> Value<'m> {
        let mut builder = Builder::new(how, span);
        for part in parts {
            match part {
                Part::Text(text) => builder.constant(text),
                Part::Hole(hole) => {
                    let value = self.eval(hole, scope);
                    self.put(&mut builder, &value, hole.span);
                }
            }
        }
        builder.finish()
    }

    /// Puts a value into a text.
    pub(super) fn put(&mut self, builder: &mut Builder, value: &Value<'m>, span: Span) {
        let mut texts = Vec::new();
        for choice in value.choices() {
            match choice {
                Value::Text(text) => texts.push(text.as_ref().clone()),
                Value::Absent => texts.push(Text::default()),
                Value::List(cell) => {
                    if let Value::Text(text) = self.join(*cell, ",", span) {
                        texts.push(text.as_ref().clone());
                    }
                }
                Value::Number => return builder.hole(span, true),
                _ => return builder.hole(span, false),
            }
        }
        match texts.is_empty() {
            true => builder.hole(span, false),
            false => builder.either(&texts),
        }
    }

    pub(super) fn concat(&mut self, left: &'m Expr, right: &'m Expr, span: Span, scope: &Rc<Scope>) -> Value<'m> {
        let (a, b) = (self.eval(left, scope), self.eval(right, scope));
        self.plus(&a, left.span, &b, right.span, Made { how: How::Concat, span })
    }

    /// `a + b`, which is a number, a longer list or a longer text.
    #[expect(clippy::too_many_arguments, reason = "two operands, each with its place")]
    pub(super) fn plus(&mut self, a: &Value<'m>, a_at: Span, b: &Value<'m>, b_at: Span, made: Made) -> Value<'m> {
        let is_text = |value: &Value<'m>| value.choices().iter().any(|one| matches!(one, Value::Text(_)));
        match (a, b) {
            (Value::Number, Value::Number) => return Value::Number,
            (Value::Prepared, _) | (_, Value::Prepared) => return Value::Prepared,
            (Value::List(a), Value::List(b)) => return self.longer_list(*a, *b),
            _ if !is_text(a) && !is_text(b) => {
                let path =
                    |value: &Value<'m>| if let Value::Foreign(f) = value { f.path.clone() } else { String::new() };
                let both = format!("{}+{}", path(a), path(b));
                if matches!(a, Value::Number) || matches!(b, Value::Number) {
                    return Value::foreign(both, OriginKind::Computed, made.span);
                }
            }
            _ => {}
        }
        if let (Value::Text(text), Value::Number) | (Value::Number, Value::Text(text)) = (a, b)
            && text.as_constant().is_some_and(|text| text.parse::<f64>().is_ok())
        {
            return Value::Number;
        }
        let mut builder = Builder::new(made.how, made.span);
        self.put(&mut builder, a, a_at);
        self.put(&mut builder, b, b_at);
        builder.absorb();
        builder.finish()
    }

    /// `target += value`.
    pub(super) fn append(&mut self, target: &'m Expr, value: &'m Expr, span: Span, scope: &Rc<Scope>) -> Value<'m> {
        let before = self.eval(target, scope);
        let more = self.eval(value, scope);
        if let (Value::List(list), Value::List(other)) = (&before, &more) {
            let longer = self.longer_list(*list, *other);
            if let Value::List(longer) = longer {
                let items = self.store.get(longer);
                self.store.set(*list, items);
            }
            return before;
        }
        let after = self.plus(&before, target.span, &more, value.span, Made { how: How::Append, span });
        self.assign_to(target, after.clone(), scope);
        after
    }

    /// `"..%s.." % values`.
    pub(super) fn percent(&mut self, left: &'m Expr, right: &'m Expr, span: Span, scope: &Rc<Scope>) -> Value<'m> {
        let template = self.eval(left, scope);
        let values = self.percent_values(right, scope);
        let is_text = |value: &Value<'m>| matches!(value, Value::Text(_));
        if !template.choices().iter().any(is_text) {
            return match template {
                Value::Number => Value::Number,
                Value::Foreign(from) => {
                    Value::Foreign(Rc::new(Foreign::new(format!("{}%", from.path), OriginKind::Computed, span)))
                }
                _ => self.unknown(span),
            };
        }
        let made: Vec<_> =
            template.choices().iter().map(|one| self.percent_one(one, &values, right.span, span)).collect();
        Value::one_of(made)
    }

    fn percent_values(&mut self, right: &'m Expr, scope: &Rc<Scope>) -> Vec<(Value<'m>, Span)> {
        match &right.kind {
            Kind::List(items) => items.iter().map(|item| (self.eval(&item.value, scope), item.value.span)).collect(),
            Kind::Record(fields) => {
                let value = self.record_values(fields, scope);
                if value.is_empty() { vec![(self.unknown(right.span), right.span)] } else { value }
            }
            _ => vec![(self.eval(right, scope), right.span)],
        }
    }

    fn record_values(&mut self, fields: &'m [super::super::ir::Field], scope: &Rc<Scope>) -> Vec<(Value<'m>, Span)> {
        use super::super::ir::Field;
        let value = |field: &'m Field| match field {
            Field::Named(_, value) | Field::Computed(_, value) | Field::Spread(value) => value,
        };
        fields.iter().map(value).map(|value| (self.eval(value, scope), value.span)).collect()
    }

    fn percent_one(&mut self, template: &Value<'m>, values: &[(Value<'m>, Span)], at: Span, span: Span) -> Value<'m> {
        let Value::Text(text) = template else { return self.unknown(span) };
        let mut builder = Builder::new(How::Percent, span);
        let mut next = 0;
        for piece in &text.pieces {
            let Piece::Constant(constant) = piece else {
                builder.piece(piece);
                continue;
            };
            for (index, part) in percent_parts(constant).iter().enumerate() {
                if index > 0 {
                    let (value, place) = values.get(next).or(values.last()).cloned().unwrap_or((self.unknown(at), at));
                    self.put(&mut builder, &value, place);
                    next += 1;
                }
                builder.constant(part);
            }
        }
        builder.finish()
    }

    /// `list.join(between)`.
    pub(super) fn join(&mut self, list: usize, between: &str, span: Span) -> Value<'m> {
        let items = match self.store.get(list) {
            Value::Items(items) => items,
            _ => return self.unknown(span),
        };
        let mut builder = Builder::new(How::Join, span);
        if items.many {
            self.join_many(&mut builder, &items, between, span);
        } else {
            for (index, item) in items.items.iter().enumerate() {
                if index > 0 {
                    builder.constant(between);
                }
                self.put(&mut builder, item, span);
            }
        }
        builder.finish()
    }

    /// Some of the items, none of which is told from the others.
    fn join_many(&mut self, builder: &mut Builder, items: &Items<'m>, between: &str, span: Span) {
        let mut sample = Vec::new();
        let mut unknown: Vec<&Value<'m>> = Vec::new();
        for item in items.items.iter().flat_map(Value::choices) {
            match item {
                Value::Text(text) if !text.has_holes() => sample.push(text.sample()),
                Value::Absent => {}
                other => unknown.push(other),
            }
        }
        builder.piece(&Piece::Varies(sample.join(between)));
        for item in unknown {
            builder.constant(between);
            match item {
                Value::Text(text) => text.pieces.iter().for_each(|piece| builder.piece(piece)),
                other => builder.hole(span, matches!(other, Value::Number)),
            }
        }
    }
}

/// A template of Python's `%` cut at its places.
fn percent_parts(text: &str) -> Vec<String> {
    let mut parts = vec![String::new()];
    let mut rest = text.chars().peekable();
    while let Some(c) = rest.next() {
        if c != '%' {
            if let Some(part) = parts.last_mut() {
                part.push(c);
            }
            continue;
        }
        if rest.peek() == Some(&'%') {
            rest.next();
            if let Some(part) = parts.last_mut() {
                part.push('%');
            }
            continue;
        }
        if rest.peek() == Some(&'(') {
            rest.by_ref().find(|c| *c == ')');
        }
        rest.by_ref().find(char::is_ascii_alphabetic);
        parts.push(String::new());
    }
    parts
}
