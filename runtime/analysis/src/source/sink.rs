//! Where statements leave the sources: which calls count, and what is said of the texts that reach them.

mod judge;
mod table;

use std::{collections::BTreeSet, rc::Rc};

pub(super) use judge::is_name_place;

use super::{
    Language,
    engine::{Foreign, Text},
    ir::{Part, Span},
    rules::Rule,
};

/// A call of something that the sources do not define.
pub(super) struct SinkCall<'a> {
    /// How one gets there: `pg.Pool().query`.
    pub(super) path: &'a str,
    pub(super) is_client: bool,
    pub(super) span: Span,
    pub(super) args: Vec<Seen>,
    /// Only what is plainly a statement counts.
    pub(super) only_evident: bool,
}

/// One argument.
pub(super) struct Seen {
    pub(super) span: Span,
    /// The last name of the expression, or the name of the argument.
    pub(super) name: Option<String>,
    pub(super) keyword: Option<String>,
    pub(super) values: Vec<SeenValue>,
}

pub(super) enum SeenValue {
    Text(Rc<Text>),
    Foreign(Rc<Foreign>),
    /// A number, nothing, a statement that was judged before, a function.
    Safe,
    Items(Vec<SeenValue>),
    Fields(Vec<(String, Vec<SeenValue>)>),
}

/// What kind of text it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TextKind {
    Sql,
    GraphQl,
    Soql,
}

/// Something found, in bytes of its file.
#[derive(Debug, Clone)]
pub(super) struct Found {
    pub(super) rule: Rule,
    /// What is to be changed.
    pub(super) span: Span,
    /// What is put in, or where the text goes.
    pub(super) related: Span,
    pub(super) kind: TextKind,
    /// For a text with holes: the text and the call that gets it.
    pub(super) use_of: Option<Use>,
}

/// A text with holes and the call that it reaches.
#[derive(Debug, Clone)]
pub(super) struct Use {
    pub(super) text: Rc<Text>,
    pub(super) path: String,
    pub(super) call: Span,
    /// The argument with the text.
    pub(super) argument: Span,
    pub(super) others: Vec<(Span, Option<String>)>,
    /// In how many ways the argument can be made.
    pub(super) alternatives: usize,
}

/// A constant text that reaches a client.
#[derive(Debug, Clone)]
pub(super) struct Constant {
    pub(super) text: String,
    pub(super) span: Span,
    pub(super) path: String,
    pub(super) kind: TextKind,
    pub(super) varies: bool,
    /// The call takes several statements.
    pub(super) many: bool,
}

/// Collects what reaches clients.
#[derive(Debug, Default)]
pub(super) struct Watch {
    pub(super) found: Vec<Found>,
    pub(super) constants: Vec<Constant>,
    known: BTreeSet<(Rule, Span)>,
    stated: BTreeSet<(Span, String)>,
    reached: u32,
    is_muted: bool,
}

impl Watch {
    /// While muted, nothing is kept.
    pub(super) fn mute(&mut self, muted: bool) {
        self.is_muted = muted;
    }

    /// Goes up whenever a text reaches a client.
    pub(super) fn reached(&self) -> u32 {
        self.reached
    }

    pub(super) fn report(&mut self, rule: Rule, span: Span, related: Span) {
        self.add(Found { rule, span, related, kind: TextKind::Sql, use_of: None });
    }

    fn add(&mut self, found: Found) {
        // One place has one finding, however many ways lead there.
        if !self.is_muted && self.known.insert((found.rule, found.span)) {
            self.found.push(found);
        }
    }

    fn state(&mut self, constant: Constant) {
        if !self.is_muted && self.stated.insert((constant.span, constant.text.clone())) {
            self.constants.push(constant);
        }
    }

    /// A member of a client chosen at run time.
    pub(super) fn dynamic_member(&mut self, object: &Foreign, span: Span, index: Span) {
        if object.is_client || super::engine::client_words(&object.path).is_sure() {
            self.report(Rule::DynamicMember, span, index);
        }
    }

    /// A call. Returns whether it gives a statement with bound values, or part of one.
    pub(super) fn call(&mut self, language: Language, call: &SinkCall<'_>) -> bool {
        self.dynamic(language, call);
        let prepared = table::prepares(language, call.path);
        if let Some(sink) = table::sink(language, call) {
            judge::judge(self, language, call, sink);
        }
        prepared
    }
}

impl Watch {
    /// `eval` and what else makes code of text.
    fn dynamic(&mut self, language: Language, call: &SinkCall<'_>) {
        let constant = |at: usize| {
            let all = |seen: &Seen| {
                seen.values.iter().all(|value| matches!(value, SeenValue::Text(text) if text.as_constant().is_some()))
            };
            call.args.get(at).is_none_or(all)
        };
        let is_text = |at: usize| {
            let any = |seen: &Seen| seen.values.iter().any(|value| matches!(value, SeenValue::Text(_)));
            call.args.get(at).is_some_and(any)
        };
        let rule = match (language, call.path) {
            (
                Language::Typescript,
                "eval" | "Function" | "globalThis.eval" | "window.eval" | "global.eval" | "globalThis.Function",
            ) => Some(Rule::DynamicCode),
            (
                Language::Typescript,
                "vm.runInContext" | "vm.runInNewContext" | "vm.runInThisContext" | "vm.Script" | "execScript",
            ) => Some(Rule::DynamicCode),
            (
                Language::Typescript,
                "setTimeout" | "setInterval" | "setImmediate" | "window.setTimeout" | "globalThis.setTimeout",
            ) if is_text(0) => Some(Rule::DynamicCode),
            (
                Language::Python,
                "eval" | "exec" | "compile" | "builtins.eval" | "builtins.exec" | "builtins.compile" | "execfile"
                | "__builtins__.eval" | "__builtins__.exec",
            ) => Some(Rule::DynamicCode),
            (Language::Python, "__import__" | "importlib.import_module" | "import_module" | "importlib.__import__")
                if !constant(0) =>
            {
                Some(Rule::DynamicImport)
            }
            (Language::Python, "getattr" | "operator.methodcaller" | "operator.attrgetter")
                if self.is_dynamic_getattr(call, constant(usize::from(call.path == "getattr"))) =>
            {
                Some(Rule::DynamicMember)
            }
            _ => None,
        };
        if let Some(rule) = rule {
            self.report(rule, call.span, call.span);
        }
    }

    fn is_dynamic_getattr(&self, call: &SinkCall<'_>, constant: bool) -> bool {
        let is_client = |value: &SeenValue| match value {
            SeenValue::Foreign(foreign) => foreign.is_client || super::engine::client_words(&foreign.path).is_sure(),
            _ => false,
        };
        call.path == "getattr" && !constant && call.args.first().is_some_and(|seen| seen.values.iter().any(is_client))
    }

    #[expect(clippy::too_many_arguments, reason = "a template in its parts")]
    /// A tagged template. What is in its holes is bound, unless the tag only looks like one that binds.
    pub(super) fn tagged(
        &mut self,
        tag: &Foreign,
        name: &str,
        parts: &[Part],
        span: Span,
        holes: &[(Option<Rc<Text>>, bool, Span)],
    ) -> super::engine::TagResult {
        judge::tagged(self, tag, name, parts, span, holes)
    }
}
