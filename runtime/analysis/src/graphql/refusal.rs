//! Why a document is not run.

use std::fmt;

use apollo_compiler::{ast, parser::SourceMap, validation::DiagnosticList};

/// Characters of a parser's own words.
const MESSAGE_CHARS_MAX: usize = 300;

/// Line and column of a document, from 1; 0 when unknown.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Place {
    /// From 1.
    pub line: usize,
    /// From 1, in characters.
    pub column: usize,
}

impl Place {
    pub(super) fn of<T>(node: &apollo_compiler::Node<T>, sources: &SourceMap) -> Self {
        node.line_column_range(sources).map(|range| range.start).into()
    }

    pub(super) fn of_definition(definition: &ast::Definition, sources: &SourceMap) -> Self {
        definition.location().and_then(|span| span.line_column(sources)).into()
    }
}

impl From<Option<apollo_compiler::parser::LineColumn>> for Place {
    fn from(found: Option<apollo_compiler::parser::LineColumn>) -> Self {
        found.map_or_else(Self::default, |at| Self { line: at.line, column: at.column })
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.line == 0 { Ok(()) } else { write!(f, " at line {}, column {}", self.line, self.column) }
    }
}

/// Why a document must not run. Each says what to change.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DocumentRefusal {
    /// Nothing but blanks.
    #[error("the document is empty: send a query or a mutation")]
    Empty,
    /// Longer than 64 KiB.
    #[error("the document has {found} bytes, the limit is {configured}: pass values as variables")]
    TooLong {
        /// The limit in bytes.
        configured: usize,
        /// Bytes of the text.
        found: usize,
    },
    /// Not GraphQL, or more tokens or levels than are read.
    #[error("the document is not understood{place}: {message}")]
    Unparsed {
        /// Where.
        place: Place,
        /// What was expected, at most 300 characters.
        message: String,
    },
    /// Against the specification or the schema.
    #[error("the document is not valid{place}: {message}")]
    Invalid {
        /// Where.
        place: Place,
        /// Which rule, at most 300 characters.
        message: String,
    },
    /// None, or more than one.
    #[error("the document has {count} operations: send exactly one, and one call for each")]
    NotOneOperation {
        /// How many.
        count: usize,
    },
    /// Something that does not belong to a request.
    #[error("the document defines a type or a directive{place}: send operations and fragments only")]
    TypeDefinition {
        /// Where.
        place: Place,
    },
    /// A subscription.
    #[error("subscriptions are not available{place}: send a query, and ask again later")]
    Subscription {
        /// Where.
        place: Place,
    },
    /// `__schema` or `__type`.
    #[error(
        "introspection is off for this resource{place}: leave out `{field}`; `airlock resources describe` shows the schema"
    )]
    Introspection {
        /// Where.
        place: Place,
        /// Which field.
        field: String,
    },
    /// A directive that would cut the answer into parts.
    #[error("`@{name}` is not available{place}: answers come in one part")]
    Incremental {
        /// Where.
        place: Place,
        /// Which directive.
        name: String,
    },
    /// A fragment that contains itself.
    #[error("the fragment `{name}` contains itself{place}: take the spread out")]
    Cycle {
        /// Where.
        place: Place,
        /// Which fragment.
        name: String,
    },
    /// Over a limit of the binding.
    #[error("the document's {what} is {found}, `{limit}` is {configured}{place}: {fix}", what = limit.trim_end_matches("_max"))]
    Over {
        /// Key of the binding.
        limit: &'static str,
        /// Its value.
        configured: u64,
        /// What the document has.
        found: u64,
        /// Where.
        place: Place,
        /// What to do.
        fix: &'static str,
    },
    /// Not a JSON object.
    #[error("the variables are not valid: {0}")]
    Variables(String),
}

impl DocumentRefusal {
    pub(super) fn unparsed(errors: &DiagnosticList) -> Self {
        let (place, message) = first(errors);
        Self::Unparsed { place, message }
    }

    pub(super) fn invalid(errors: &DiagnosticList) -> Self {
        let (place, message) = first(errors);
        Self::Invalid { place, message }
    }
}

/// One error is enough to mend a document by, and the others often follow from it.
pub(super) fn first(errors: &DiagnosticList) -> (Place, String) {
    let Some(error) = errors.iter().next() else { return (Place::default(), String::new()) };
    let place = error.line_column_range().map(|range| range.start).into();
    let message = error.to_json().message;
    (place, message.chars().filter(|c| !c.is_control()).take(MESSAGE_CHARS_MAX).collect())
}
