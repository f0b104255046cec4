//! `airlock audit erase`: values go, the records stay, and one more says so.

use std::{path::Path, process::ExitCode};

use airlock_model::{AuditEvent, AuditKind, Decision, Erasure, ValueField};
use airlock_proto::v1::AuditServiceEraseRequest;
use airlock_store::{Erased, Store};
use anyhow::bail;
use serde_json::json;

use super::trail::{Trail, timestamp};
use crate::{
    args::{EraseOptions, SeqRange},
    client::{Client, Rejected},
    output::{self, Style},
    when,
};

/// Erases in a state directory, or asks a server to.
pub async fn run(options: EraseOptions, style: Style) -> anyhow::Result<ExitCode> {
    let erased = if options.place.server.is_some() {
        let Trail::Server(client) = Trail::open(&options.place).await? else { bail!("there is no server to ask") };
        over_the_wire(&client, options).await?
    } else {
        offline(options).await?
    };
    let Erased { values, seq, more, log_is_cut } = erased;
    let printed = json!({"values": values, "seq": seq, "more": more, "log_is_cut": log_is_cut});
    style.print(&printed, |out| match seq {
        Some(seq) => writeln!(out, "erased {values} values; record {seq} says so"),
        None => writeln!(out, "nothing to erase: no value that matches is kept"),
    })?;
    if more {
        output::warning("there are more: one erasure takes about a million values; run it again");
    }
    if !log_is_cut {
        output::warning(
            "somebody is reading the trail, so the log of the database still holds pages of before: it is cut after the next write",
        );
    }
    if seq.is_some() {
        output::warning("backups and snapshots of the state directory still hold what was erased here");
    }
    Ok(ExitCode::SUCCESS)
}

async fn over_the_wire(client: &Client, options: EraseOptions) -> anyhow::Result<Erased> {
    let SeqRange { first, last } = options.seq.unwrap_or(SeqRange { first: 0, last: 0 });
    let asked = AuditServiceEraseRequest {
        environment: options.place.environment.unwrap_or_else(|| client.environment()),
        principal: options.principal.unwrap_or_default(),
        invocation_id: options.invocation.unwrap_or_default(),
        first_sequence: first,
        last_sequence: last,
        until: options.until.map(|until| timestamp(until.0)),
        field: options.field.map(|field| ValueField::from(field).as_str().to_owned()).unwrap_or_default(),
        reason: options.reason,
    };
    let answer = client.audit().erase(client.request(asked)).await.map_err(Rejected::from)?.into_inner();
    let seq = (answer.sequence > 0).then_some(answer.sequence);
    Ok(Erased { values: answer.values, seq, more: answer.more, log_is_cut: answer.log_is_cut })
}

/// Whoever can write to the state directory can do this without a word, so the trail names the user of the system only as its word.
async fn offline(options: EraseOptions) -> anyhow::Result<Erased> {
    let state = options.place.state.as_deref().unwrap_or(Path::new("state"));
    // Looks before it makes one.
    drop(Store::open_read_only(state)?);
    let SeqRange { first, last } = options.seq.unwrap_or(SeqRange { first: 1, last: u64::MAX });
    let erasure = Erasure {
        tenant: options.tenant.map(String::from),
        environment: options.place.environment.clone(),
        principal: options.principal,
        invocation: options.invocation,
        first_seq: first,
        last_seq: last,
        until_unix_ms: options.until.map(|until| until.0),
        fields: options.field.map_or(ValueField::ALL.to_vec(), |field| vec![field.into()]),
        values: 0,
    };
    let mut event = AuditEvent::new(AuditKind::ValuesErased, when::now_unix_ms());
    let user = rustix::process::getuid().as_raw();
    event.operation = Some(format!("offline, by the system's user {user}"));
    event.environment = options.place.environment.as_deref().map(Into::into);
    event.decision = Some(Decision::Permit);
    event.message = Some(options.reason);
    Ok(Store::open(state)?.erase(event, erasure).await?)
}
