//! What a guest asks of a GraphQL API, what analysis says about it, and what it is told.

use serde::{Deserialize, Serialize};

use crate::{ResourceName, StatementClass};

/// Which of the two functions the guest called.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GraphqlVerb {
    /// `query`: may only run a query.
    Query,
    /// `mutate`: may only run a mutation.
    Mutate,
}

/// One document with its variables, as the guest wrote them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GraphqlCall {
    /// The API.
    pub resource: ResourceName,
    /// Which function the guest called.
    pub verb: GraphqlVerb,
    /// A text with exactly one operation.
    pub document: String,
    /// JSON object as text; values are never part of the document.
    pub variables: String,
}

/// What an operation does. Subscriptions have no class: they are refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OperationClass {
    /// Only reads.
    Query,
    /// Changes something.
    Mutation,
}

impl From<OperationClass> for StatementClass {
    fn from(class: OperationClass) -> Self {
        match class {
            OperationClass::Query => Self::Read,
            OperationClass::Mutation => Self::Write,
        }
    }
}

impl OperationClass {
    /// The class in lower case.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Query => "query",
            Self::Mutation => "mutation",
        }
    }
}

/// The verdict on one document.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DocumentReport {
    /// By effect.
    pub class: OperationClass,
    /// Levels of fields, fragments resolved.
    pub depth: u32,
    /// Names of the fields asked of the root, sorted, without duplicates.
    pub root_fields: Vec<String>,
}

/// What a GraphQL API answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GraphqlReply {
    /// JSON object as text.
    pub data: String,
    /// Why parts of the data are missing, if any are.
    pub errors: Vec<GraphqlError>,
}

/// One error of a GraphQL API: its text is cut and cleaned.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GraphqlError {
    /// For people.
    pub message: String,
    /// For programs: what stands in `extensions.code`, or nothing.
    pub code: String,
    /// Where in the data it belongs: names and positions, joined by `.`.
    pub path: String,
}

impl GraphqlReply {
    /// Bytes that the host hands to the guest.
    #[must_use]
    pub fn size_bytes(&self) -> usize {
        let size = |error: &GraphqlError| error.message.len() + error.code.len() + error.path.len();
        self.data.len() + self.errors.iter().map(size).sum::<usize>()
    }
}
