//! What one GraphQL document does and what it can cost, by its text and its variables.
//!
//! Fails closed: a document that does not parse, has not exactly one operation, breaks a rule of the specification or of
//! the schema, or goes over a limit is refused. apollo-compiler parses and validates; what it has no limits for is measured
//! here first, so that it only ever validates what is small.
//!
//! The cost of a document is the most fields that its answer can have: each field counts once for each item of the lists
//! around it. How long a list is, says its argument `first`, `last`, `limit` or `take`, as a number or a variable; a list that
//! the schema knows and that has none counts as [`DocumentLimits::list_items`].

mod introspected;
mod measure;
mod refusal;
mod schema;
mod shape;
mod variables;

use std::sync::Arc;

use airlock_model::DocumentReport;
use apollo_compiler::ast;

pub use introspected::sdl_of;
pub use refusal::DocumentRefusal;
pub use schema::{GraphqlSchema, SDL_BYTES_MAX};
pub use variables::Variables;

use refusal::Place;
use shape::Shape;

/// The query whose answer [`sdl_of`] reads.
pub const QUERY: &str = include_str!("graphql/introspection.graphql");

/// Longest document, in bytes. Values travel as variables, so a document has no reason to be longer.
const TEXT_BYTES_MAX: usize = 64 << 10;
/// Tokens of a document.
const TOKENS_MAX: usize = 10_000;
/// How deep braces, brackets and parentheses nest: what the parser recurses by.
const NESTING_MAX: usize = 100;

/// What documents may ask of one API.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DocumentLimits {
    /// Levels of fields, fragments resolved.
    pub depth_max: u64,
    /// Fields of the largest possible answer.
    pub cost_max: u64,
    /// Aliases in the text.
    pub aliases_max: u64,
    /// Fragment definitions in the text.
    pub fragments_max: u64,
    /// Directives in the text.
    pub directives_max: u64,
    /// How long a list is when nothing says so.
    pub list_items: u64,
    /// Whether `__schema` and `__type` may be asked for.
    pub allows_introspection: bool,
}

impl DocumentLimits {
    /// What holds where nobody says otherwise.
    pub const BUILT_IN: Self = Self {
        depth_max: 12,
        cost_max: 10_000,
        aliases_max: 20,
        fragments_max: 20,
        directives_max: 20,
        list_items: 10,
        allows_introspection: false,
    };
}

/// What documents are judged by.
#[derive(Debug, Clone)]
pub struct DocumentRules {
    /// How much.
    pub limits: DocumentLimits,
    /// Of what; without it, fields and types are the API's own business.
    pub schema: Option<Arc<GraphqlSchema>>,
}

/// A document with exactly one operation, within all limits that do not depend on its variables.
#[derive(Debug, Clone)]
pub struct Document {
    parsed: ast::Document,
    rules: DocumentRules,
    report: DocumentReport,
}

impl Document {
    /// Reads a document.
    ///
    /// # Errors
    /// When it is empty, too long, not understood, not exactly one query or mutation, over a limit, or against the schema.
    pub fn parse(text: &str, rules: &DocumentRules) -> Result<Self, DocumentRefusal> {
        let parsed = parse(text)?;
        let shape = Shape::of(&parsed, &rules.limits)?;
        let least = measure::measure(&shape, rules, None)?;
        check_cost(least.cost, &rules.limits)?;
        validate(&parsed, rules.schema.as_deref())?;
        let report = DocumentReport { class: shape.class, depth: least.depth, root_fields: shape.root_fields() };
        Ok(Self { parsed, rules: rules.clone(), report })
    }

    /// What it does.
    #[must_use]
    pub fn report(&self) -> &DocumentReport {
        &self.report
    }

    /// What it can cost with these variables.
    ///
    /// # Errors
    /// When that is over the limit.
    pub fn cost(&self, variables: &Variables) -> Result<u64, DocumentRefusal> {
        let shape = Shape::of(&self.parsed, &self.rules.limits)?;
        let cost = measure::measure(&shape, &self.rules, Some(variables))?.cost;
        check_cost(cost, &self.rules.limits)?;
        Ok(cost)
    }
}

fn parse(text: &str) -> Result<ast::Document, DocumentRefusal> {
    if text.trim().is_empty() {
        return Err(DocumentRefusal::Empty);
    }
    if text.len() > TEXT_BYTES_MAX {
        return Err(DocumentRefusal::TooLong { configured: TEXT_BYTES_MAX, found: text.len() });
    }
    let mut parser = apollo_compiler::parser::Parser::new().recursion_limit(NESTING_MAX).token_limit(TOKENS_MAX);
    parser.parse_ast(text, "document").map_err(|failed| DocumentRefusal::unparsed(&failed.errors))
}

/// By the specification, or as far as that is possible without a schema.
fn validate(parsed: &ast::Document, schema: Option<&GraphqlSchema>) -> Result<(), DocumentRefusal> {
    let judged = match schema {
        Some(schema) => parsed.to_executable_validate(schema.valid()).map(drop).map_err(|failed| failed.errors),
        None => parsed.validate_standalone_executable(),
    };
    judged.map_err(|errors| DocumentRefusal::invalid(&errors))
}

fn check_cost(cost: u64, limits: &DocumentLimits) -> Result<(), DocumentRefusal> {
    if cost <= limits.cost_max {
        return Ok(());
    }
    Err(DocumentRefusal::Over {
        limit: "cost_max",
        configured: limits.cost_max,
        found: cost,
        place: Place::default(),
        fix: "ask for fewer fields or shorter lists (`first`, `last`, `limit` or `take`)",
    })
}
