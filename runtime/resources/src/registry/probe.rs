//! Whether what is bound answers: what an operator asks before a guest does.

use airlock_model::{
    BlobAction, BlobCommand, EnvironmentName, HostError, KvAction, KvCommand, Operation, ResourceName, SqlVerb,
    StatementClass, TenantName,
};
use tokio::time::Instant;

use super::{Bound, Client, Resources};
use crate::{
    BeginRequest, BlobRequest, KvRequest, SqlRequest, StopNotice, TransactionMode, failed::Failed, kv::KvStore,
};

/// No object and no entry of that name has to be there.
const NOTHING: &str = "airlock-doctor";

/// A question to one binding, asked as a call of `tenant` would.
#[derive(Debug)]
pub struct Probe {
    /// The resource.
    pub resource: ResourceName,
    /// Where it is bound.
    pub environment: EnvironmentName,
    /// Who is charged with the connection.
    pub tenant: TenantName,
    /// When it is given up.
    pub deadline: Instant,
    /// Milliseconds since the Unix epoch: what requests are signed for.
    pub now_unix_ms: u64,
}

impl Resources {
    /// Everything that is bound, sorted.
    #[must_use]
    pub fn bindings(&self) -> Vec<(ResourceName, EnvironmentName)> {
        let of = |(resource, environments): (&ResourceName, &std::collections::HashMap<EnvironmentName, _>)| {
            environments.keys().map(|environment| (resource.clone(), environment.clone())).collect::<Vec<_>>()
        };
        let mut bindings: Vec<_> = self.bound.iter().flat_map(of).collect();
        bindings.sort();
        bindings
    }

    /// Asks the backend of a binding something that changes nothing: a database for a number, and for a transaction of the role
    /// that writes where the binding allows changes; a store for an entry that need not be there; an API for its head, without
    /// the credential. What keeps its data in the state directory is not asked.
    ///
    /// # Errors
    /// What a guest would be told; the log says more.
    pub async fn probe(&self, probe: &Probe) -> Result<(), HostError> {
        let bound = self.get(&probe.resource, &probe.environment)?;
        let answered = match &bound.client {
            Client::Sqlite(database) => database.perform(probe.number()).await.map(drop),
            Client::Postgres(database) => database.perform(probe.number()).await.map(drop),
            Client::Mysql(database) => database.perform(probe.number()).await.map(drop),
            Client::Http(client) => client.reach(probe.deadline).await.map_err(Failed::from),
            Client::Graphql(client) => client.reach(probe.deadline).await.map_err(Failed::from),
            Client::Llm(client) => client.reach(probe.deadline).await.map_err(Failed::from),
            Client::Kv(KvStore::Embedded(_)) => Ok(()),
            Client::Kv(store) => store.perform(probe.entry()?).await.map(drop),
            Client::Blob(store) => store.perform(probe.object()?).await.map(drop),
        };
        answered.map_err(Failed::into_error)?;
        if !bound.has_role_that_writes() {
            return Ok(());
        }
        let transaction = self.begin(&probe.environment, probe.transaction()).await?;
        transaction.rollback().await.reply.map(drop)
    }
}

impl Bound {
    fn has_role_that_writes(&self) -> bool {
        let changes = |operation: &Operation| matches!(operation, Operation::Write | Operation::Ddl);
        matches!(self.client, Client::Postgres(_) | Client::Mysql(_))
            && self.grants.iter().any(|grant| changes(&grant.operation))
    }
}

impl Probe {
    fn number(&self) -> SqlRequest {
        SqlRequest {
            resource: self.resource.clone(),
            tenant: self.tenant.clone(),
            verb: SqlVerb::Query,
            class: StatementClass::Read,
            statement: "SELECT 1".to_owned(),
            parameters: "[]".to_owned(),
            affected_max: None,
            connection_by: self.deadline,
            deadline: self.deadline,
            rows_max: 1,
            bytes_max: 1 << 10,
            stop: StopNotice::default(),
        }
    }

    fn transaction(&self) -> BeginRequest {
        BeginRequest {
            resource: self.resource.clone(),
            tenant: self.tenant.clone(),
            mode: TransactionMode::Write,
            connection_by: self.deadline,
            deadline: self.deadline,
        }
    }

    fn entry(&self) -> Result<KvRequest, HostError> {
        let command = KvCommand::parse(KvAction::Get { key: NOTHING.to_owned() });
        Ok(KvRequest {
            resource: self.resource.clone(),
            tenant: self.tenant.clone(),
            command: command.map_err(|why| HostError::BadRequest(why.to_string()))?,
            deadline: self.deadline,
        })
    }

    fn object(&self) -> Result<BlobRequest, HostError> {
        let command = BlobCommand::parse(BlobAction::Head { key: NOTHING.to_owned() });
        Ok(BlobRequest {
            resource: self.resource.clone(),
            tenant: self.tenant.clone(),
            command: command.map_err(|why| HostError::BadRequest(why.to_string()))?,
            deadline: self.deadline,
            now_unix_ms: self.now_unix_ms,
        })
    }
}
