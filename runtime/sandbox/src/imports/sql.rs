//! `resources:<name>/sql@1.0.0`.

mod stream;
mod transaction;

use airlock_model::{HostCall, HostReply, ResourceName, SqlCall, SqlVerb, TransactionId};
use wasmtime::{Result, component::Linker};

use super::{
    asking,
    types::{GuestAffected, GuestRows, as_number},
};
use crate::state::CallState;

type Statement = (String, String);

pub(super) fn link(linker: &mut Linker<CallState>, import: &str, resource: &ResourceName) -> Result<()> {
    let mut instance = linker.instance(import)?;
    let name = resource.clone();
    asking::function(&mut instance, "query", move |statement| sql_call(&name, None, SqlVerb::Query, statement), rows)?;
    let name = resource.clone();
    asking::function(
        &mut instance,
        "execute",
        move |statement| sql_call(&name, None, SqlVerb::Execute, statement),
        affected,
    )?;
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

fn rows(reply: HostReply) -> Result<GuestRows, HostReply> {
    if let HostReply::Rows(rows) = reply { Ok(rows.into()) } else { Err(reply) }
}

fn affected(reply: HostReply) -> Result<GuestAffected, HostReply> {
    if let HostReply::Affected(rows) = reply { Ok(GuestAffected { rows: as_number(rows) }) } else { Err(reply) }
}
