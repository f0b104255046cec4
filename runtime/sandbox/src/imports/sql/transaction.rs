//! `resource transaction`: a handle of the guest's stands for a transaction that the gate keeps.

use airlock_model::{
    HostCall, HostReply, Kept, ResourceName, SqlVerb, TransactionCall, TransactionId, TransactionStep,
};
use wasmtime::{
    Result,
    component::{LinkerInstance, Resource, ResourceType},
};

use super::{affected, rows, sql_call};
use crate::{imports::asking, state::CallState};

/// What a guest holds of a transaction; its number is the gate's.
struct Transaction;

type Held = Resource<Transaction>;

pub(super) fn link(instance: &mut LinkerInstance<'_, CallState>, resource: &ResourceName) -> Result<()> {
    instance.resource("transaction", ResourceType::host::<Transaction>(), |store, number| {
        store.data().gate.release(Kept::Transaction(TransactionId(number)));
        Ok(())
    })?;
    link_ends(instance, resource)?;
    let name = resource.clone();
    let query = move |(held, statement, parameters): (Held, String, String)| {
        sql_call(&name, Some(id(&held)), SqlVerb::Query, (statement, parameters))
    };
    asking::function(instance, "[method]transaction.query", query, rows)?;
    let name = resource.clone();
    let execute = move |(held, statement, parameters): (Held, String, String)| {
        sql_call(&name, Some(id(&held)), SqlVerb::Execute, (statement, parameters))
    };
    asking::function(instance, "[method]transaction.execute", execute, affected)
}

fn link_ends(instance: &mut LinkerInstance<'_, CallState>, resource: &ResourceName) -> Result<()> {
    let name = resource.clone();
    asking::function(instance, "begin", move |(): ()| call(&name, TransactionStep::Begin), begun)?;
    let name = resource.clone();
    let commit = move |(held,): (Held,)| call(&name, TransactionStep::Commit(id(&held)));
    asking::function(instance, "[method]transaction.commit", commit, ended)?;
    let name = resource.clone();
    let rollback = move |(held,): (Held,)| call(&name, TransactionStep::Rollback(id(&held)));
    asking::function(instance, "[method]transaction.rollback", rollback, ended)
}

fn id(held: &Held) -> TransactionId {
    TransactionId(held.rep())
}

fn call(resource: &ResourceName, step: TransactionStep) -> HostCall {
    HostCall::Transaction(TransactionCall { resource: resource.clone(), step })
}

fn begun(reply: HostReply) -> Result<Held, HostReply> {
    if let HostReply::Begun(TransactionId(number)) = reply { Ok(Resource::new_own(number)) } else { Err(reply) }
}

fn ended(reply: HostReply) -> Result<(), HostReply> {
    if let HostReply::Ended = reply { Ok(()) } else { Err(reply) }
}
