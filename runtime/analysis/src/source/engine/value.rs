//! What an expression can be: texts with their constant and unknown parts, clients, objects, functions.

use std::{cell::RefCell, collections::BTreeMap, rc::Rc};

use super::super::ir::{Class, Function, How, Span};
use super::scope::Scope;

/// Alternatives beyond this many are no longer told apart.
const CHOICES_MAX: usize = 24;
/// A text of more pieces is cut: nothing more is learned from it.
const PIECES_MAX: usize = 256;
const CONSTANT_BYTES_MAX: usize = 256 * 1024;
const PATH_BYTES_MAX: usize = 160;

pub(in crate::source) type CellId = usize;

#[derive(Debug, Clone)]
pub(in crate::source) enum Value<'m> {
    /// Nothing: `null`, a variable without a value, a function that returns nothing.
    Absent,
    Text(Rc<Text>),
    /// A number or truth value that is not known.
    Number,
    /// A statement whose values are bound, or part of one: what `sql` tags and query builders make.
    Prepared,
    /// From outside of the sources.
    Foreign(Rc<Foreign>),
    List(CellId),
    Object(CellId),
    Closure(Rc<Closure<'m>>),
    Class(Rc<ClassValue<'m>>),
    Instance(Rc<ClassValue<'m>>),
    /// All that a module of the project exports.
    Module(u32),
    OneOf(Rc<Vec<Value<'m>>>),
    /// What the cell of a list holds.
    Items(Rc<Items<'m>>),
    /// What the cell of an object holds.
    Fields(Rc<Fields<'m>>),
}

#[derive(Debug, Clone, Default)]
pub(in crate::source) struct Items<'m> {
    pub(in crate::source) items: Vec<Value<'m>>,
    /// `items` are what can be in it, in any order and number.
    pub(in crate::source) many: bool,
}

#[derive(Debug, Clone, Default)]
pub(in crate::source) struct Fields<'m> {
    pub(in crate::source) named: BTreeMap<String, Value<'m>>,
    /// What any other name may hold.
    pub(in crate::source) rest: Option<Value<'m>>,
}

#[derive(Debug)]
pub(in crate::source) struct Closure<'m> {
    pub(in crate::source) function: &'m Function,
    pub(in crate::source) scope: Rc<Scope>,
    pub(in crate::source) file: u32,
    pub(in crate::source) this: Option<Value<'m>>,
}

#[derive(Debug)]
pub(in crate::source) struct ClassValue<'m> {
    pub(in crate::source) class: &'m Class,
    pub(in crate::source) scope: Rc<Scope>,
    pub(in crate::source) file: u32,
    pub(in crate::source) bases: Vec<Value<'m>>,
    pub(in crate::source) fields: CellId,
    pub(in crate::source) statics: CellId,
    pub(in crate::source) methods: RefCell<BTreeMap<String, &'m Function>>,
    pub(in crate::source) constructed: std::cell::Cell<bool>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::source) struct Foreign {
    /// How one gets there from a name: `pg.Pool().query`.
    pub(in crate::source) path: String,
    pub(in crate::source) is_client: bool,
    pub(in crate::source) origin: Origin,
}

/// Why a value is not known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::source) struct Origin {
    pub(in crate::source) kind: OriginKind,
    pub(in crate::source) span: Span,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::source) enum OriginKind {
    Parameter,
    Call,
    Name,
    Computed,
}

/// A text in pieces.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(in crate::source) struct Text {
    pub(in crate::source) pieces: Vec<Piece>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::source) enum Piece {
    Constant(String),
    /// Made of constants and numbers of placeholders only, of which an example is given.
    Varies(String),
    Hole(Hole),
}

/// Something in a text that is not constant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::source) struct Hole {
    /// What is put in.
    pub(in crate::source) value: Span,
    /// The expression that puts it there, and in which way.
    pub(in crate::source) made: Span,
    pub(in crate::source) how: How,
    pub(in crate::source) is_number: bool,
}

impl Text {
    pub(in crate::source) fn constant(text: impl Into<String>) -> Self {
        let text = text.into();
        Self { pieces: if text.is_empty() { Vec::new() } else { vec![Piece::Constant(text)] } }
    }

    pub(in crate::source) fn as_constant(&self) -> Option<&str> {
        match self.pieces.as_slice() {
            [] => Some(""),
            [Piece::Constant(text)] => Some(text),
            _ => None,
        }
    }

    pub(in crate::source) fn holes(&self) -> impl Iterator<Item = &Hole> {
        self.pieces.iter().filter_map(|piece| if let Piece::Hole(hole) = piece { Some(hole) } else { None })
    }

    pub(in crate::source) fn has_holes(&self) -> bool {
        self.holes().next().is_some()
    }

    /// The constant parts, and an example of what varies.
    pub(in crate::source) fn sample(&self) -> String {
        let text = |piece: &Piece| match piece {
            Piece::Constant(text) | Piece::Varies(text) => text.clone(),
            Piece::Hole(_) => String::from("\u{fffd}"),
        };
        self.pieces.iter().map(text).collect()
    }

    pub(in crate::source) fn push(&mut self, piece: Piece) {
        if self.pieces.len() >= PIECES_MAX {
            return;
        }
        match (self.pieces.last_mut(), piece) {
            (Some(Piece::Constant(last)), Piece::Constant(more)) if last.len() + more.len() <= CONSTANT_BYTES_MAX => {
                last.push_str(&more);
            }
            // The same thing again says nothing new, and loops would make it endless.
            (Some(Piece::Varies(last)), Piece::Varies(more)) if *last == more => {}
            (_, Piece::Constant(text)) if text.is_empty() => {}
            (_, piece) => self.pieces.push(piece),
        }
    }

    pub(in crate::source) fn followed_by(&self, other: &Self) -> Self {
        let mut joined = self.clone();
        other.pieces.iter().for_each(|piece| joined.push(piece.clone()));
        joined
    }

    /// What stands at the end so far, for a look at what comes next.
    pub(in crate::source) fn tail(&self) -> &str {
        match self.pieces.last() {
            Some(Piece::Constant(text) | Piece::Varies(text)) => text,
            _ => "",
        }
    }
}

impl Foreign {
    pub(in crate::source) fn new(path: impl Into<String>, kind: OriginKind, span: Span) -> Self {
        let mut path: String = path.into();
        if path.len() > PATH_BYTES_MAX {
            let from = path.len() - PATH_BYTES_MAX;
            let from = (from..path.len()).find(|at| path.is_char_boundary(*at)).unwrap_or(0);
            path = path.split_off(from);
        }
        Self { path, is_client: false, origin: Origin { kind, span } }
    }
}

impl<'m> Value<'m> {
    pub(in crate::source) fn text(text: impl Into<String>) -> Self {
        Self::Text(Rc::new(Text::constant(text)))
    }

    pub(in crate::source) fn foreign(path: impl Into<String>, kind: OriginKind, span: Span) -> Self {
        Self::Foreign(Rc::new(Foreign::new(path, kind, span)))
    }

    pub(in crate::source) fn unknown(span: Span) -> Self {
        Self::foreign("", OriginKind::Computed, span)
    }

    /// Every alternative.
    pub(in crate::source) fn choices(&self) -> &[Self] {
        match self {
            Self::OneOf(choices) => choices,
            one => std::slice::from_ref(one),
        }
    }

    /// Either of the two.
    pub(in crate::source) fn or(self, other: Self) -> Self {
        if matches!(other, Self::Absent) || self == other {
            return self;
        }
        if matches!(self, Self::Absent) {
            return other;
        }
        Self::one_of(self.choices().iter().chain(other.choices()).cloned())
    }

    pub(in crate::source) fn one_of(values: impl IntoIterator<Item = Self>) -> Self {
        let mut choices: Vec<Self> = Vec::new();
        for value in values {
            for choice in value.choices() {
                if !matches!(choice, Self::Absent) && !choices.contains(choice) {
                    choices.push(choice.clone());
                }
            }
        }
        if choices.len() > CHOICES_MAX {
            choices = fewer(choices);
        }
        match choices.len() {
            0 => Self::Absent,
            1 => choices.swap_remove(0),
            _ => Self::OneOf(Rc::new(choices)),
        }
    }
}

/// Keeps everything that is not constant, and one example of the constant texts.
fn fewer(choices: Vec<Value<'_>>) -> Vec<Value<'_>> {
    let is_plain = |value: &Value<'_>| matches!(value, Value::Text(text) if !text.has_holes());
    let (plain, mut others): (Vec<_>, Vec<_>) = choices.into_iter().partition(is_plain);
    if let Some(Value::Text(text)) = plain.first() {
        others.insert(0, Value::Text(Rc::new(Text { pieces: vec![Piece::Varies(text.sample())] })));
    }
    others.truncate(CHOICES_MAX * 4);
    others
}

impl PartialEq for Value<'_> {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Absent, Self::Absent) | (Self::Number, Self::Number) | (Self::Prepared, Self::Prepared) => true,
            (Self::Text(a), Self::Text(b)) => Rc::ptr_eq(a, b) || a == b,
            (Self::Foreign(a), Self::Foreign(b)) => Rc::ptr_eq(a, b) || a == b,
            (Self::List(a), Self::List(b)) | (Self::Object(a), Self::Object(b)) => a == b,
            (Self::Module(a), Self::Module(b)) => a == b,
            (Self::Closure(a), Self::Closure(b)) => {
                Rc::ptr_eq(a, b) || (std::ptr::eq(a.function, b.function) && Rc::ptr_eq(&a.scope, &b.scope))
            }
            (Self::Class(a), Self::Class(b)) | (Self::Instance(a), Self::Instance(b)) => Rc::ptr_eq(a, b),
            (Self::OneOf(a), Self::OneOf(b)) => Rc::ptr_eq(a, b) || a == b,
            (Self::Items(a), Self::Items(b)) => Rc::ptr_eq(a, b) || (a.many == b.many && a.items == b.items),
            (Self::Fields(a), Self::Fields(b)) => Rc::ptr_eq(a, b) || (a.named == b.named && a.rest == b.rest),
            _ => false,
        }
    }
}

/// What a tag makes of its template.
pub(in crate::source) enum TagResult {
    /// A statement whose holes are bound.
    Prepared,
    /// Anything.
    Unknown,
}
