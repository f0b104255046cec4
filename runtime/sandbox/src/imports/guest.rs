//! `airlock:guest/log` and `airlock:guest/context`.

use airlock_model::{HostCall, LogLine};
use wasmtime::{Result, StoreContextMut, component::Linker};

use super::{
    charge::charge_and_yield,
    types::{GuestInvocation, GuestLevel, as_number},
};
use crate::state::CallState;

pub(super) fn link_log(linker: &mut Linker<CallState>, import: &str) -> Result<()> {
    linker.instance(import)?.func_wrap_async("write", |store: StoreContextMut<'_, CallState>, line: WrittenLine| {
        Box::new(write(store, line))
    })
}

type WrittenLine = (GuestLevel, String, String);

/// A spent log budget is not the guest's to handle: the line is dropped, the gate says so once.
async fn write(mut store: StoreContextMut<'_, CallState>, (level, message, fields): WrittenLine) -> Result<()> {
    let line = LogLine { level: level.into(), message, fields };
    charge_and_yield(&mut store, line.size_bytes() as u64).await?;
    let gate = store.data().gate.clone();
    drop(gate.call(HostCall::Log(line)).await);
    Ok(())
}

pub(super) fn link_context(linker: &mut Linker<CallState>, import: &str) -> Result<()> {
    linker
        .instance(import)?
        .func_wrap_async("current", |store: StoreContextMut<'_, CallState>, (): ()| Box::new(current(store)))
}

async fn current(mut store: StoreContextMut<'_, CallState>) -> Result<(GuestInvocation,)> {
    charge_and_yield(&mut store, 0).await?;
    let context = &store.data().context;
    Ok((GuestInvocation {
        id: context.id.to_string(),
        function: context.function.to_string(),
        revision: context.revision.to_string(),
        environment: context.environment.to_string(),
        tenant: context.principal.tenant.to_string(),
        principal: context.principal.subject.clone(),
        deadline_unix_ms: as_number(context.deadline_unix_ms),
    },))
}
