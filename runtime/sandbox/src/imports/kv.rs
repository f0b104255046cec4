//! `resources:<name>/kv@1.0.0`.

use airlock_model::{HostCall, HostReply, KeyPage, KvAction, KvCall, KvReply, ResourceName};
use wasmtime::component::{ComponentNamedList, Lift, Linker, LinkerInstance, Lower};

use super::{asking, types::GuestKeyPage};
use crate::state::CallState;

pub(super) fn link(linker: &mut Linker<CallState>, import: &str, resource: &ResourceName) -> wasmtime::Result<()> {
    let mut instance = linker.instance(import)?;
    let kv = &mut instance;
    function(kv, "get", resource, |(key,)| KvAction::Get { key }, value)?;
    function(kv, "set", resource, |(key, value, ttl_ms)| KvAction::Set { key, value, ttl_ms }, set)?;
    function(kv, "delete", resource, |(key,)| KvAction::Delete { key }, deleted)?;
    function(kv, "list", resource, |(prefix, cursor)| KvAction::List { prefix, cursor }, keys)?;
    function(kv, "increment", resource, |(key, by, ttl_ms)| KvAction::Increment { key, by, ttl_ms }, number)?;
    let compare_and_set = |(key, expected, value, ttl_ms)| KvAction::CompareAndSet { key, expected, value, ttl_ms };
    function(kv, "compare-and-set", resource, compare_and_set, swapped)
}

/// Links one function: its arguments become an action, the reply becomes its result.
fn function<A, R>(
    instance: &mut LinkerInstance<'_, CallState>,
    name: &str,
    resource: &ResourceName,
    action: fn(A) -> KvAction,
    result: fn(KvReply) -> Result<R, KvReply>,
) -> wasmtime::Result<()>
where
    A: ComponentNamedList + Lift + Send + 'static,
    R: Lower + Send + 'static,
{
    let resource = resource.clone();
    let call = move |arguments| HostCall::Kv(KvCall { resource: resource.clone(), action: action(arguments) });
    asking::function(instance, name, call, move |reply| match reply {
        HostReply::Kv(reply) => result(reply).map_err(HostReply::Kv),
        other => Err(other),
    })
}

fn value(reply: KvReply) -> Result<Option<String>, KvReply> {
    if let KvReply::Value(value) = reply { Ok(value) } else { Err(reply) }
}

fn set(reply: KvReply) -> Result<(), KvReply> {
    if let KvReply::Set = reply { Ok(()) } else { Err(reply) }
}

fn deleted(reply: KvReply) -> Result<bool, KvReply> {
    if let KvReply::Deleted(was_there) = reply { Ok(was_there) } else { Err(reply) }
}

fn keys(reply: KvReply) -> Result<GuestKeyPage, KvReply> {
    if let KvReply::Keys(KeyPage { keys, cursor }) = reply { Ok(GuestKeyPage { keys, cursor }) } else { Err(reply) }
}

#[expect(clippy::cast_precision_loss, reason = "sums stay within 2^53 - 1, see `KvCommand`")]
fn number(reply: KvReply) -> Result<f64, KvReply> {
    if let KvReply::Number(sum) = reply { Ok(sum as f64) } else { Err(reply) }
}

fn swapped(reply: KvReply) -> Result<bool, KvReply> {
    if let KvReply::Swapped(has_swapped) = reply { Ok(has_swapped) } else { Err(reply) }
}
