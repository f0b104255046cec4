//! `airlock usage verify`: whether usage is what the trail says.

use std::{io::Write, path::Path, process::ExitCode};

use airlock_service::UsageRecount;
use airlock_store::Store;
use anyhow::Context as _;

use super::source::open_state;
use crate::{
    args::UsageVerifyOptions,
    output::{self, EXIT_TAMPERED, Style},
    when,
};

/// Counts all of it anew, as far as the records are still there, and repairs it when that is asked.
pub async fn run(options: &UsageVerifyOptions, style: Style) -> anyhow::Result<ExitCode> {
    let state = &options.state.state;
    let (recount, first) = counted(state).await?;
    style.print(&recount, |out| text(out, &recount))?;
    if first > 0 {
        let from = when::utc(recount.from_unix_ms / 1_000);
        output::warning(format!("records before {from} were removed: usage before that cannot be counted again"));
    }
    if recount.differences == 0 {
        return Ok(ExitCode::SUCCESS);
    }
    if !options.repair {
        output::warning(
            "the trail counts: look at it with `airlock audit verify`, then stop the server and put it right with `--repair`",
        );
        return Ok(ExitCode::from(EXIT_TAMPERED));
    }
    let store = Store::open(state).context("a repair needs the state directory for itself: stop the server")?;
    store.repair_usage(first).await?;
    drop(store);
    let left = counted(state).await?.0.differences;
    output::progress("Repaired", format!("{} rows; {left} still differ", recount.differences));
    Ok(if left == 0 { ExitCode::SUCCESS } else { ExitCode::from(EXIT_TAMPERED) })
}

/// What a recount finds, and the first hour that it can compare.
async fn counted(state: &Path) -> anyhow::Result<(UsageRecount, u64)> {
    let reader = open_state(state)?;
    let first = reader.first_whole_hour().await?;
    Ok((reader.recount_usage(first).await?, first))
}

fn text(out: &mut dyn Write, recount: &UsageRecount) -> std::io::Result<()> {
    let UsageRecount { records, rows, through_seq, differences, first, .. } = recount;
    writeln!(out, "rows         {rows}")?;
    writeln!(out, "records      {records}, to record {through_seq}; reports add what comes after it")?;
    writeln!(out, "differences  {differences}")?;
    for one in first {
        let hour = when::utc(one.hour_unix_ms / 1_000);
        let key = &one.key;
        let whose = [&key.tenant, &key.environment, &key.app, &key.subject, &key.function, &key.resource];
        let whose = whose.map(|text| super::table::shown(text)).join(" ");
        writeln!(out, "  {hour}  {whose}: {}", one.why)?;
    }
    Ok(())
}
