//! Documents for the GraphQL API `shop`.

use airlock_guest::{HostError, graphql::Answer};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::resources::shop;

#[derive(Deserialize)]
pub struct Call {
    op: Op,
    document: String,
    #[serde(default)]
    variables: Value,
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum Op {
    Query,
    Mutate,
}

pub async fn perform(Call { op, document, variables }: Call) -> Result<Value, HostError> {
    let Answer { data, problems } = match op {
        Op::Query => shop::query::<Value>(&document, variables).await?,
        Op::Mutate => shop::mutate::<Value>(&document, variables).await?,
    };
    Ok(json!({ "data": data, "problems": problems }))
}
