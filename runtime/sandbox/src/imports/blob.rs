//! `resources:<name>/blob@1.0.0`.

use airlock_model::{BlobAction, BlobCall, BlobReply, HostCall, HostReply, ResourceName};
use wasmtime::component::{ComponentNamedList, Lift, Linker, LinkerInstance, Lower};

use super::{
    asking,
    types::{GuestObjectInfo, GuestObjectPage, GuestPiece},
};
use crate::state::CallState;

pub(super) fn link(linker: &mut Linker<CallState>, import: &str, resource: &ResourceName) -> wasmtime::Result<()> {
    let mut instance = linker.instance(import)?;
    let blob = &mut instance;
    function(blob, "get", resource, |(key, offset, length)| BlobAction::Get { key, offset, length }, piece)?;
    function(blob, "head", resource, |(key,)| BlobAction::Head { key }, info)?;
    let put = |(key, content_type, bytes)| BlobAction::Put { key, content_type, bytes };
    function(blob, "put", resource, put, stored)?;
    function(blob, "delete", resource, |(key,)| BlobAction::Delete { key }, deleted)?;
    function(blob, "list", resource, |(prefix, cursor)| BlobAction::List { prefix, cursor }, objects)?;
    function(blob, "signed-url", resource, |(key, ttl_ms)| BlobAction::SignedUrl { key, ttl_ms }, url)
}

/// Links one function: its arguments become an action, the reply becomes its result.
fn function<A, R>(
    instance: &mut LinkerInstance<'_, CallState>,
    name: &str,
    resource: &ResourceName,
    action: fn(A) -> BlobAction,
    result: fn(BlobReply) -> Result<R, BlobReply>,
) -> wasmtime::Result<()>
where
    A: ComponentNamedList + Lift + Send + 'static,
    R: Lower + Send + 'static,
{
    let resource = resource.clone();
    let call = move |arguments| HostCall::Blob(BlobCall { resource: resource.clone(), action: action(arguments) });
    asking::function(instance, name, call, move |reply| match reply {
        HostReply::Blob(reply) => result(reply).map_err(HostReply::Blob),
        other => Err(other),
    })
}

fn piece(reply: BlobReply) -> Result<Option<GuestPiece>, BlobReply> {
    if let BlobReply::Piece(piece) = reply { Ok(piece.map(Into::into)) } else { Err(reply) }
}

fn info(reply: BlobReply) -> Result<Option<GuestObjectInfo>, BlobReply> {
    if let BlobReply::Info(info) = reply { Ok(info.map(Into::into)) } else { Err(reply) }
}

fn stored(reply: BlobReply) -> Result<String, BlobReply> {
    if let BlobReply::Stored(etag) = reply { Ok(etag) } else { Err(reply) }
}

fn deleted(reply: BlobReply) -> Result<(), BlobReply> {
    if let BlobReply::Deleted = reply { Ok(()) } else { Err(reply) }
}

fn objects(reply: BlobReply) -> Result<GuestObjectPage, BlobReply> {
    if let BlobReply::Objects(page) = reply { Ok(page.into()) } else { Err(reply) }
}

fn url(reply: BlobReply) -> Result<String, BlobReply> {
    if let BlobReply::Url(url) = reply { Ok(url) } else { Err(reply) }
}
