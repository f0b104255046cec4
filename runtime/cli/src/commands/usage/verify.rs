//! `airlock usage verify`: whether usage is what the trail says.

use std::{io::Write, process::ExitCode};

use airlock_service::UsageRecount;

use super::source::open_state;
use crate::{
    args::StateOptions,
    output::{self, EXIT_TAMPERED, Style},
    when,
};

/// Counts all of it anew, as far as the records are still there.
pub async fn run(options: &StateOptions, style: Style) -> anyhow::Result<ExitCode> {
    let reader = open_state(&options.state)?;
    let first = reader.first_whole_hour().await?;
    let recount = reader.recount_usage(first).await?;
    style.print(&recount, |out| text(out, &recount))?;
    if first > 0 {
        let from = when::utc(recount.from_unix_ms / 1_000);
        output::warning(format!("records before {from} were removed: usage before that cannot be counted again"));
    }
    Ok(if recount.differences == 0 { ExitCode::SUCCESS } else { ExitCode::from(EXIT_TAMPERED) })
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
    if *differences > 0 {
        writeln!(
            out,
            "the trail counts: look at it with `airlock audit verify`, stop the server, delete the rows (`DELETE FROM usage; DELETE FROM \
             counters WHERE name = 'usage_through'`), and the next start counts them anew"
        )?;
    }
    Ok(())
}
