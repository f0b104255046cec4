//! What the host keeps for a guest from one host call to the next: transactions, streamed queries and HTTP exchanges.

use serde::{Deserialize, Serialize};

use crate::ResourceName;

/// A transaction of one invocation, by a number that the host gave it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct TransactionId(pub u32);

/// A query of one invocation whose rows are taken in batches, by a number that the host gave it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct StreamId(pub u32);

/// Asks for the next rows of a query.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BatchCall {
    /// The database.
    pub resource: ResourceName,
    /// The query.
    pub stream: StreamId,
}

/// What the host keeps for a guest until the guest lets go of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kept {
    /// A transaction: unless it has ended, it is undone.
    Transaction(TransactionId),
    /// A query: unless it has ended, it is.
    Stream(StreamId),
    /// A completion: unless it has ended, it is.
    Completion(StreamId),
    /// An HTTP exchange: unless it has ended, it breaks off.
    Exchange(ExchangeId),
}

/// The beginning or the end of a transaction.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TransactionCall {
    /// The database.
    pub resource: ResourceName,
    /// Which of them.
    pub step: TransactionStep,
}

/// What a guest asks about a transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TransactionStep {
    /// To open one.
    Begin,
    /// To make its changes last.
    Commit(TransactionId),
    /// To undo its changes.
    Rollback(TransactionId),
}

impl TransactionStep {
    /// The step as SQL names it, in lower case.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Begin => "begin",
            Self::Commit(_) => "commit",
            Self::Rollback(_) => "rollback",
        }
    }

    /// The transaction it is about, when there is one already.
    #[must_use]
    pub const fn transaction(self) -> Option<TransactionId> {
        match self {
            Self::Begin => None,
            Self::Commit(id) | Self::Rollback(id) => Some(id),
        }
    }
}

/// An HTTP exchange of one invocation that is carried out step by step, by a number that the host gave it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ExchangeId(pub u32);

/// The next step of an exchange.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExchangeCall {
    /// The API.
    pub resource: ResourceName,
    /// The exchange.
    pub exchange: ExchangeId,
    /// What to do.
    pub step: ExchangeStep,
}

/// What a guest asks about an exchange.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ExchangeStep {
    /// To send a piece of the request's body.
    Write(Vec<u8>),
    /// To end the request, and for the head of the response.
    Head,
    /// For the next piece of the response's body.
    Next,
}

/// Asks whether a resource covers a URL.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CoverCall {
    /// The API.
    pub resource: ResourceName,
    /// As the guest wrote it.
    pub url: String,
}
