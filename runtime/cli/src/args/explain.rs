//! What would be decided about a call.

use clap::{ArgGroup, Args};

use super::ServerOptions;

const HELP: &str = "Exit code 0 when it is permitted, 3 when it is denied or a person has to approve it first.

Examples:
  airlock explain order-summary
  airlock explain order-summary --resource orders-db --sql 'select id from orders where customer = $1' --parameters '[\"ada\"]'
  airlock explain order-summary --resource crm --request 'GET /customers/ada'
  airlock explain order-summary --environment prod --resource cache --write --json";

#[derive(Args)]
#[command(after_help = HELP, group(ArgGroup::new("asks").requires("resource")))]
pub struct ExplainOptions {
    /// The function's name.
    pub function: String,
    /// A resource that the function would use: one of --sql, --graphql, --request, --read, --write and --complete says how.
    #[arg(long, requires = "asks")]
    pub resource: Option<String>,
    /// It would send this SQL statement: the text, `@file`, or `-` for standard input.
    #[arg(long, group = "asks", value_name = "TEXT")]
    pub sql: Option<String>,
    /// It would send this GraphQL document: the text, `@file`, or `-` for standard input.
    #[arg(long, group = "asks", value_name = "TEXT")]
    pub graphql: Option<String>,
    /// It would send this HTTP request, for instance `GET /customers/ada` or `POST https://api.example/orders`.
    #[arg(long, group = "asks", value_name = "REQUEST")]
    pub request: Option<String>,
    /// It would read from this store.
    #[arg(long, group = "asks")]
    pub read: bool,
    /// It would write to this store.
    #[arg(long, group = "asks")]
    pub write: bool,
    /// It would ask this language model for a completion.
    #[arg(long, group = "asks", value_name = "MODEL")]
    pub complete: Option<String>,
    /// Parameters of the statement, a JSON array, or variables of the document, a JSON object.
    #[arg(long, value_name = "JSON")]
    pub parameters: Option<String>,
    /// The statement is one of a transaction.
    #[arg(long, requires = "sql")]
    pub in_transaction: bool,
    /// Most tokens of the completion.
    #[arg(long, requires = "complete")]
    pub max_tokens: Option<u64>,
    /// By the revisions of an alias instead of what is live.
    #[arg(long)]
    pub alias: Option<String>,
    /// The server's data address.
    #[arg(long, env = "AIRLOCK_SERVER", default_value = "http://127.0.0.1:7070")]
    pub server: String,
    #[command(flatten)]
    pub access: ServerOptions,
}
