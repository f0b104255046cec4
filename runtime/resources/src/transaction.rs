//! A transaction: a connection of its own, and what was checked about it, until it ends.

use std::sync::Arc;

use airlock_model::{Access, HostError, HostReply, ResourceName, StatementClass};
use tokio::time::Instant;

use crate::{Performed, SqlRequest, mysql, postgres, registry::Bound, sqlite};

/// An open transaction of one call. Dropped, it is rolled back, and a statement that still runs in it is stopped.
pub struct Transaction {
    pub(crate) resource: ResourceName,
    pub(crate) bound: Arc<Bound>,
    pub(crate) open: Open,
}

/// The transaction of one engine.
pub(crate) enum Open {
    Sqlite(sqlite::Transaction),
    Postgres(postgres::Transaction),
    Mysql(mysql::Transaction),
}

impl Transaction {
    /// Carries out a permitted statement in the transaction, within its deadline and caps.
    ///
    /// Only a transaction in which it succeeded comes back: after any error it is rolled back.
    pub async fn perform(self, request: SqlRequest) -> (Option<Self>, Performed) {
        let Self { resource, bound, open } = self;
        if let Err(denied) = access_of(request.class).and_then(|access| bound.check(&resource, &access)) {
            return (None, Performed::without_egress(Err(denied)));
        }
        if let Err(late) = bound.pace.turn(&resource, request.deadline).await {
            return (None, Performed::without_egress(Err(late)));
        }
        let ended: Result<(Open, HostReply), HostError> = match open {
            Open::Sqlite(open) => {
                request.stop.is_not_told();
                open.perform(request).await.map(|(open, reply)| (Open::Sqlite(open), reply))
            }
            Open::Postgres(open) => open.perform(&request).await.map(|(open, reply)| (Open::Postgres(open), reply)),
            Open::Mysql(open) => {
                request.stop.is_not_told();
                open.perform(&request).await.map(|(open, reply)| (Open::Mysql(open), reply))
            }
        };
        match ended {
            Ok((open, reply)) => (Some(Self { resource, bound, open }), Performed::without_egress(Ok(reply))),
            Err(error) => (None, Performed::without_egress(Err(error))),
        }
    }

    /// Makes the changes last. Never tried again: when no answer comes, nobody knows.
    pub async fn commit(self, deadline: Instant) -> Performed {
        let ended = match self.open {
            Open::Sqlite(open) => open.commit(deadline).await,
            Open::Postgres(open) => open.commit(deadline).await,
            Open::Mysql(open) => open.commit(deadline).await,
        };
        Performed::ended(ended.map(|()| HostReply::Ended))
    }

    /// Undoes the changes. When the database does not answer, it undoes them as soon as it notices that we are gone.
    pub async fn rollback(self) -> Performed {
        match self.open {
            Open::Sqlite(open) => open.rollback().await,
            Open::Postgres(open) => open.rollback().await,
            Open::Mysql(open) => open.rollback().await,
        }
        Performed::without_egress(Ok(HostReply::Ended))
    }
}

/// What a binding has to list for a statement of a class.
pub(crate) fn access_of(class: StatementClass) -> Result<Access, HostError> {
    match class {
        StatementClass::Read => Ok(Access::Read),
        StatementClass::Write => Ok(Access::Write),
        StatementClass::Ddl => Ok(Access::Ddl),
        StatementClass::Session | StatementClass::Admin | StatementClass::Forbidden => {
            Err(crate::registry::refused_class(class))
        }
    }
}
