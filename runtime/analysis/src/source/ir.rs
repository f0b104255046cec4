//! What the three front ends make of their languages: one small tree that the engine evaluates.
//!
//! It keeps what decides which texts reach a client (values, calls, branches, scopes) and drops the rest. What a front end does
//! not model becomes [`Kind::Opaque`]: its parts are evaluated, its value is unknown.

/// Bytes of a file, from `start` up to `end`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub(super) struct Span {
    pub(super) file: u32,
    pub(super) start: u32,
    pub(super) end: u32,
}

/// One file, ready to be evaluated.
#[derive(Debug, Default)]
pub(super) struct Module {
    pub(super) body: Vec<Stmt>,
}

#[derive(Debug)]
pub(super) struct Expr {
    pub(super) span: Span,
    pub(super) kind: Kind,
}

#[derive(Debug)]
pub(super) enum Kind {
    /// A constant text.
    Text(String),
    /// A constant that prints as written: a number or a truth value.
    Scalar(String),
    /// `null`, `undefined`, `None`, `()`.
    Nothing,
    Name(String),
    Member(Box<Expr>, String),
    Index(Box<Expr>, Box<Expr>),
    Call(Box<Call>),
    /// Text with holes: a template literal, an f-string, `format!`.
    Template(Vec<Part>, How),
    /// A template that a function gets in pieces.
    Tagged(Box<Expr>, Vec<Part>),
    Concat(Box<Expr>, Box<Expr>),
    /// `left % right` of Python.
    Percent(Box<Expr>, Box<Expr>),
    /// A sum, a comparison, `!x`: a number or a truth value whatever the operands are.
    Number(Vec<Expr>),
    Assign(Box<Pattern>, Box<Expr>),
    /// `target += value`.
    Append(Box<Expr>, Box<Expr>),
    /// One of the arms runs; without `total` possibly none.
    Branch {
        subject: Option<Box<Expr>>,
        arms: Vec<Arm>,
        total: bool,
    },
    Function(Box<Function>),
    Class(Box<Class>),
    List(Vec<Arg>),
    Record(Vec<Field>),
    Block(Vec<Stmt>, Option<Box<Expr>>),
    /// A comprehension: one value per element.
    Each(Box<Pattern>, Box<Expr>, Box<Expr>),
    /// `import(x)`, `require(x)`.
    Import(Box<Expr>),
    /// One of the values that a generator gives.
    Yield(Option<Box<Expr>>),
    /// Evaluated for what it does; its value is unknown.
    Opaque(Vec<Expr>),
}

/// How a text with holes is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum How {
    Template,
    FString,
    FormatMacro,
    Concat,
    Percent,
    FormatMethod,
    Append,
    Join,
    Replace,
}

#[derive(Debug)]
pub(super) enum Part {
    Text(String),
    Hole(Expr),
}

#[derive(Debug)]
pub(super) struct Call {
    pub(super) callee: Expr,
    pub(super) args: Vec<Arg>,
    pub(super) is_new: bool,
}

#[derive(Debug)]
pub(super) struct Arg {
    pub(super) value: Expr,
    pub(super) name: Option<String>,
    pub(super) spread: bool,
    /// `&mut x`: the callee may change it.
    pub(super) out: bool,
}

impl Arg {
    pub(super) const fn plain(value: Expr) -> Self {
        Self { value, name: None, spread: false, out: false }
    }
}

#[derive(Debug)]
pub(super) enum Field {
    Named(String, Expr),
    Computed(Expr, Expr),
    Spread(Expr),
}

/// What a branch does when its test holds.
#[derive(Debug)]
pub(super) struct Arm {
    /// What the subject is taken apart with.
    pub(super) pattern: Option<Pattern>,
    /// Constants of which the subject is one here; empty where that is not known.
    pub(super) is: Vec<String>,
    /// Evaluated before the body.
    pub(super) guards: Vec<Expr>,
    pub(super) body: Expr,
}

#[derive(Debug)]
pub(super) enum Pattern {
    Ignore,
    Name(String, Span),
    Target(Box<Expr>),
    Default(Box<Pattern>, Box<Expr>),
    Object(Vec<(Key, Pattern)>, Option<Box<Pattern>>),
    List(Vec<Pattern>, Option<Box<Pattern>>),
}

#[derive(Debug)]
pub(super) enum Key {
    Named(String),
    Computed(Box<Expr>),
}

#[derive(Debug)]
pub(super) struct Param {
    pub(super) pattern: Pattern,
    /// Last name of its type, where there is one.
    pub(super) of_type: Option<String>,
    pub(super) rest: bool,
}

#[derive(Debug)]
pub(super) struct Function {
    pub(super) name: Option<String>,
    pub(super) params: Vec<Param>,
    pub(super) body: Vec<Stmt>,
    /// Callers outside of the sources can call it.
    pub(super) exported: bool,
    /// Its first parameter is the object it belongs to, under this name.
    pub(super) receiver: Option<String>,
    pub(super) arrow: bool,
    /// Declared, but written elsewhere.
    pub(super) bodiless: bool,
}

#[derive(Debug, Default)]
pub(super) struct Class {
    pub(super) name: String,
    pub(super) bases: Vec<Expr>,
    pub(super) methods: Vec<Function>,
    /// Fields of each object, and of the class itself.
    pub(super) fields: Vec<(String, Option<Expr>)>,
    pub(super) statics: Vec<(String, Option<Expr>)>,
    pub(super) exported: bool,
}

#[derive(Debug)]
pub(super) enum Stmt {
    Expr(Expr),
    /// `let`, `const`, `var` and Python's assignment: a name comes into being.
    Bind(Pattern, Option<Expr>, Reach),
    Function(Function),
    Class(Class),
    Loop(Box<Loop>),
    Try {
        body: Vec<Stmt>,
        handlers: Vec<(Option<Pattern>, Vec<Stmt>)>,
        finally: Vec<Stmt>,
    },
    Return(Option<Expr>),
    Throw(Option<Expr>),
    Import(Import),
    /// `export { local as exported }`.
    Export {
        local: String,
        exported: String,
    },
    /// `export { imported as exported } from "./x"`; without names everything.
    ReExport {
        from: String,
        names: Option<(String, String)>,
        span: Span,
    },
    /// `global x`, `nonlocal x`.
    Outer(Vec<String>),
}

/// Where a new name can be seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reach {
    /// The block, hiding what had the name before.
    Block,
    /// The function; the name may exist already.
    Function,
}

#[derive(Debug)]
pub(super) struct Loop {
    pub(super) init: Vec<Stmt>,
    pub(super) each: Option<(Pattern, Expr)>,
    /// What is counted gives numbers.
    pub(super) test: Option<Expr>,
    pub(super) body: Vec<Stmt>,
}

#[derive(Debug)]
pub(super) struct Import {
    pub(super) from: String,
    /// The exported name, or `None` for the module itself.
    pub(super) name: Option<String>,
    pub(super) local: String,
    pub(super) span: Span,
}

impl Expr {
    pub(super) const fn new(span: Span, kind: Kind) -> Self {
        Self { span, kind }
    }

    /// The names of a path such as `a.b.c`, last first at most `max` of them.
    pub(super) fn last_name(&self) -> Option<&str> {
        match &self.kind {
            Kind::Name(name) | Kind::Member(_, name) => Some(name),
            Kind::Call(call) => call.callee.last_name(),
            _ => None,
        }
    }
}
