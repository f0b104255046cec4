//! Takes the steps its input lists, in transactions and beside them, and returns what came of each.
//!
//! Transactions are numbered in the order of their beginning, from 0. A failed step is part of the output.

use airlock_guest::{Error, HostError};
use resources::orders_db::{self, Batches, Transaction};
use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;

#[derive(Deserialize)]
#[serde(tag = "do", rename_all = "snake_case", deny_unknown_fields)]
enum Step {
    Begin,
    Query {
        within: Option<usize>,
        statement: String,
        #[serde(default)]
        params: Vec<Value>,
    },
    Execute {
        within: Option<usize>,
        statement: String,
        #[serde(default)]
        params: Vec<Value>,
    },
    /// Takes rows in batches: all of them, or so many batches.
    Stream {
        statement: String,
        #[serde(default)]
        params: Vec<Value>,
        batches: Option<usize>,
    },
    Commit {
        within: usize,
    },
    Rollback {
        within: usize,
    },
    /// Lets go of the transaction.
    Drop {
        within: usize,
    },
    /// Works until somebody stops it.
    Spin,
    Trap,
}

#[derive(Deserialize)]
struct Input {
    steps: Vec<Step>,
}

#[derive(Serialize)]
#[serde(rename_all = "snake_case")]
enum Answer {
    Begun(usize),
    Rows { rows: Box<RawValue>, truncated: bool },
    Affected(u64),
    Streamed { batches: usize, rows: usize, largest: usize, truncated: bool },
    Ended,
    Error(HostError),
}

#[airlock_guest::function]
async fn handle(input: Input) -> Result<Vec<Answer>, Error> {
    let mut open = Vec::new();
    let mut answers = Vec::new();
    for step in input.steps {
        answers.push(take(step, &mut open).await.unwrap_or_else(Answer::Error));
    }
    Ok(answers)
}

async fn take(step: Step, open: &mut Vec<Option<Transaction>>) -> Result<Answer, HostError> {
    match step {
        Step::Begin => {
            open.push(Some(orders_db::begin().await?));
            Ok(Answer::Begun(open.len() - 1))
        }
        Step::Query { within, statement, params } => {
            let found = match within.map(|number| held(open, number)).transpose()? {
                Some(transaction) => transaction.query(&statement, params).await?,
                None => orders_db::query(&statement, params).await?,
            };
            let rows = RawValue::from_string(found.as_json().to_owned()).expect("the host sends JSON");
            Ok(Answer::Rows { rows, truncated: found.truncated() })
        }
        Step::Execute { within, statement, params } => {
            Ok(Answer::Affected(match within.map(|number| held(open, number)).transpose()? {
                Some(transaction) => transaction.execute(&statement, params).await?,
                None => orders_db::execute(&statement, params).await?,
            }))
        }
        Step::Stream { statement, params, batches } => {
            stream(orders_db::query_stream(&statement, params).await?, batches.unwrap_or(usize::MAX)).await
        }
        Step::Commit { within } => taken(open, within)?.commit().await.map(|()| Answer::Ended),
        Step::Rollback { within } => taken(open, within)?.rollback().await.map(|()| Answer::Ended),
        Step::Drop { within } => {
            drop(taken(open, within)?);
            Ok(Answer::Ended)
        }
        Step::Spin => loop {
            std::hint::spin_loop();
        },
        Step::Trap => panic!("as asked"),
    }
}

async fn stream(mut query: Batches, batches_max: usize) -> Result<Answer, HostError> {
    let (mut batches, mut rows, mut largest, mut truncated) = (0, 0, 0, false);
    while batches < batches_max {
        let Some(batch) = query.next().await? else { break };
        batches += 1;
        rows += batch.decode::<IgnoredAny>().expect("the host sends JSON").len();
        largest = largest.max(batch.as_json().len());
        truncated |= batch.truncated();
    }
    Ok(Answer::Streamed { batches, rows, largest, truncated })
}

fn held(open: &[Option<Transaction>], number: usize) -> Result<&Transaction, HostError> {
    open.get(number).and_then(Option::as_ref).ok_or_else(none)
}

fn taken(open: &mut [Option<Transaction>], number: usize) -> Result<Transaction, HostError> {
    open.get_mut(number).and_then(Option::take).ok_or_else(none)
}

fn none() -> HostError {
    HostError::BadRequest { message: "the probe holds no such transaction".to_owned() }
}
