//! `resources:<name>/sql@1.0.0`.

mod stream;
mod transaction;

use airlock_model::{HostCall, HostReply, ResourceName, SqlCall, SqlVerb, TransactionId};
use wasmtime::{
    Result,
    component::{Accessor, Linker},
};

use super::{
    charge::{mismatched, through_gate},
    types::{GuestAffected, GuestHostError, GuestRows, as_number},
};
use crate::state::CallState;

type Statement = (String, String);

pub(super) fn link(linker: &mut Linker<CallState>, import: &str, resource: &ResourceName) -> Result<()> {
    let mut instance = linker.instance(import)?;
    let name = resource.clone();
    instance.func_wrap_concurrent("query", move |accessor: &Accessor<CallState>, statement: Statement| {
        let call = sql_call(&name, None, SqlVerb::Query, statement);
        Box::pin(async move { Ok((query(accessor, call).await?,)) })
    })?;
    let name = resource.clone();
    instance.func_wrap_concurrent("execute", move |accessor: &Accessor<CallState>, statement: Statement| {
        let call = sql_call(&name, None, SqlVerb::Execute, statement);
        Box::pin(async move { Ok((execute(accessor, call).await?,)) })
    })?;
    stream::link(&mut instance, resource)?;
    transaction::link(&mut instance, resource)
}

fn sql_call(
    resource: &ResourceName,
    within: Option<TransactionId>,
    verb: SqlVerb,
    (statement, parameters): Statement,
) -> HostCall {
    HostCall::Sql(SqlCall { resource: resource.clone(), within, verb, statement, parameters })
}

async fn query(accessor: &Accessor<CallState>, call: HostCall) -> Result<Result<GuestRows, GuestHostError>> {
    Ok(match through_gate(accessor, call).await? {
        Ok(HostReply::Rows(rows)) => Ok(rows.into()),
        Ok(other) => Err(mismatched(&other).into()),
        Err(error) => Err(error.into()),
    })
}

async fn execute(accessor: &Accessor<CallState>, call: HostCall) -> Result<Result<GuestAffected, GuestHostError>> {
    Ok(match through_gate(accessor, call).await? {
        Ok(HostReply::Affected(rows)) => Ok(GuestAffected { rows: as_number(rows) }),
        Ok(other) => Err(mismatched(&other).into()),
        Err(error) => Err(error.into()),
    })
}
