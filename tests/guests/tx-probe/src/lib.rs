//! Takes the steps its input lists, in transactions and beside them, and returns what came of each.
//!
//! Transactions are numbered in the order of their beginning, from 0. A failed step is part of the output.

use airlock_guest::{Error, HostError};
use resources::orders_db::{self, Transaction};
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
            let found = match within.map(|number| held(open, number)) {
                Some(transaction) => transaction.query(&statement, params).await?,
                None => orders_db::query(&statement, params).await?,
            };
            let rows = RawValue::from_string(found.as_json().to_owned()).expect("the host sends JSON");
            Ok(Answer::Rows { rows, truncated: found.truncated() })
        }
        Step::Execute { within, statement, params } => {
            Ok(Answer::Affected(match within.map(|number| held(open, number)) {
                Some(transaction) => transaction.execute(&statement, params).await?,
                None => orders_db::execute(&statement, params).await?,
            }))
        }
        Step::Commit { within } => taken(open, within).commit().await.map(|()| Answer::Ended),
        Step::Rollback { within } => taken(open, within).rollback().await.map(|()| Answer::Ended),
        Step::Drop { within } => {
            drop(taken(open, within));
            Ok(Answer::Ended)
        }
        Step::Spin => loop {
            std::hint::spin_loop();
        },
        Step::Trap => panic!("as asked"),
    }
}

fn held(open: &[Option<Transaction>], number: usize) -> &Transaction {
    open[number].as_ref().expect("a transaction that has not ended")
}

fn taken(open: &mut [Option<Transaction>], number: usize) -> Transaction {
    open[number].take().expect("a transaction that has not ended")
}
