//! A client of the database without a gate before it.

use airlock_model::{EnvironmentName, HostError, HostReply, Rows, SqlVerb, StatementClass};
use airlock_resources::{
    BeginRequest, BindingConfig, Network, Performed, Permitted, Resources, Schema, Sources, SqlRequest, StopNotice,
    Stream, StreamRequest, Transaction, TransactionMode,
};
use serde_json::Value;

use super::PATIENCE;

/// What the gate would hand to the database, handed in by the test.
pub struct Client {
    resources: Resources,
    environment: EnvironmentName,
}

/// A statement before it is sent.
pub fn statement(class: StatementClass, text: &str, parameters: &Value) -> SqlRequest {
    SqlRequest {
        resource: "orders-db".parse().expect("a name"),
        tenant: "acme".parse().expect("a name"),
        verb: if class == StatementClass::Read { SqlVerb::Query } else { SqlVerb::Execute },
        class,
        statement: text.to_owned(),
        parameters: parameters.to_string(),
        affected_max: None,
        connection_by: tokio::time::Instant::now() + PATIENCE,
        deadline: tokio::time::Instant::now() + PATIENCE,
        rows_max: 10_000,
        bytes_max: 8 << 20,
        stop: StopNotice::default(),
    }
}

impl Client {
    /// A client by a whole binding.
    pub fn of(binding: &str) -> Self {
        let environment: EnvironmentName = "dev".parse().expect("a name");
        let sources = Sources { read_env: &|_| None, allow_inline: false };
        let binding: BindingConfig = toml::from_str(binding).expect("a binding");
        let binding = binding.resolve(&sources).expect("a valid binding");
        let mut resources = Resources::new();
        resources
            .add("orders-db".parse().expect("a name"), environment.clone(), binding, &Network::default())
            .expect("added");
        Self { resources, environment }
    }

    pub async fn perform(&self, request: SqlRequest) -> Result<HostReply, HostError> {
        self.performed(request).await.reply
    }

    pub async fn performed(&self, request: SqlRequest) -> Performed {
        self.resources.perform(&self.environment, Permitted::Sql(request)).await
    }

    pub async fn begin(&self, mode: TransactionMode) -> Result<Transaction, HostError> {
        let deadline = tokio::time::Instant::now() + PATIENCE;
        let [resource, tenant] = ["orders-db", "acme"];
        let request = BeginRequest {
            resource: resource.parse().expect("a name"),
            tenant: tenant.parse().expect("a name"),
            mode,
            connection_by: deadline,
            deadline,
        };
        self.resources.begin(&self.environment, request).await
    }

    pub async fn describe(&self) -> Result<Schema, HostError> {
        let deadline = tokio::time::Instant::now() + PATIENCE;
        let [resource, tenant] = ["orders-db", "acme"];
        let (resource, tenant) = (resource.parse().expect("a name"), tenant.parse().expect("a name"));
        self.resources.describe(&self.environment, &resource, &tenant, deadline).await
    }

    pub async fn stream(&self, query: SqlRequest, rows_total_max: u64) -> Result<Stream, HostError> {
        self.resources.stream(&self.environment, StreamRequest { query, rows_total_max }).await
    }

    /// A statement of class `Read`, whatever it is.
    pub async fn read(&self, text: &str, parameters: Value) -> Result<Rows, HostError> {
        match self.perform(statement(StatementClass::Read, text, &parameters)).await? {
            HostReply::Rows(rows) => Ok(rows),
            other => panic!("no rows: {other:?}"),
        }
    }

    /// The rows of a read as JSON.
    pub async fn rows(&self, text: &str, parameters: Value) -> Value {
        let rows = self.read(text, parameters).await.unwrap_or_else(|why| panic!("{text}: {why}"));
        serde_json::from_str(&rows.rows).unwrap_or_else(|why| panic!("{}: {why}", rows.rows))
    }

    /// A statement of class `Write`.
    pub async fn write(&self, text: &str, parameters: Value) -> Result<u64, HostError> {
        match self.perform(statement(StatementClass::Write, text, &parameters)).await? {
            HostReply::Affected(rows) => Ok(rows),
            other => panic!("no count: {other:?}"),
        }
    }
}
