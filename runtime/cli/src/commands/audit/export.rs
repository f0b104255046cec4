//! `airlock audit export` and `exports`: the trail in the words of others, and how far others have it.

use std::{
    fs::OpenOptions,
    io::{BufWriter, IsTerminal as _, Write},
    os::unix::fs::OpenOptionsExt as _,
    path::Path,
    process::ExitCode,
    time::Duration,
};

use airlock_service::{ExportFilter, ExportFormat, export_line};
use airlock_store::{AuditFilter, AuditRecord, Reader, Store};
use anyhow::Context as _;
use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;

use super::query::kind_named;
use crate::{
    args::{ExportOptions, LineFormat, StateOptions},
    output::{self, Style},
    when::{self, Moment},
};

/// Records in one look at the trail.
const PAGE: u32 = 1_000;
/// How long a follower waits for more.
const FOLLOW_EVERY: Duration = Duration::from_millis(250);

/// Prints every record that is asked for, as it is read.
pub async fn run(options: &ExportOptions) -> anyhow::Result<ExitCode> {
    let wanted = Wanted::read(options)?;
    let reader = Store::open_read_only(&options.state.state)?;
    let (mut out, is_file) = output_of(&options.output)?;
    let progress = progress(&reader, options, is_file).await?;
    let (mut after, mut written) = (options.after, 0_u64);
    loop {
        let page =
            reader.query(AuditFilter { after_seq: Some(after), limit: Some(PAGE), ..AuditFilter::default() }).await?;
        for record in page.iter().filter(|record| wanted.has(record)) {
            writeln!(out, "{}", export_line(wanted.format, record))?;
            written += 1;
        }
        progress.inc(page.len() as u64);
        match page.last() {
            Some(last) => after = last.seq,
            None if options.follow => {
                out.flush()?;
                tokio::time::sleep(FOLLOW_EVERY).await;
            }
            None => break,
        }
    }
    out.finish()?;
    progress.finish_and_clear();
    if is_file {
        output::progress(
            "Exported",
            format!("{written} records to `{}`, the last is {after}", options.output.display()),
        );
    }
    Ok(ExitCode::SUCCESS)
}

/// What is asked for.
struct Wanted {
    format: ExportFormat,
    filter: ExportFilter,
    since_unix_ms: u64,
    until_unix_ms: u64,
}

impl Wanted {
    fn read(options: &ExportOptions) -> anyhow::Result<Self> {
        let name = |name: &String| format!("`{name}` is no name that anything has");
        let filter = ExportFilter {
            kinds: options.kind.iter().map(|kind| kind_named(kind)).collect::<Result<_, _>>()?,
            environments: options
                .environment
                .iter()
                .map(|one| one.parse().with_context(|| name(one)))
                .collect::<Result<_, _>>()?,
            tenants: options
                .tenant
                .iter()
                .map(|one| one.parse().with_context(|| name(one)))
                .collect::<Result<_, _>>()?,
        };
        let format = match options.format {
            LineFormat::Airlock => ExportFormat::Airlock,
            LineFormat::Ocsf => ExportFormat::Ocsf,
            LineFormat::Datadog => ExportFormat::Datadog,
        };
        let point = |moment: Option<Moment>, or| moment.map_or(or, |moment| moment.0);
        let (since_unix_ms, until_unix_ms) = (point(options.since, 0), point(options.until, u64::MAX));
        Ok(Self { format, filter, since_unix_ms, until_unix_ms })
    }

    fn has(&self, record: &AuditRecord) -> bool {
        (self.since_unix_ms..self.until_unix_ms).contains(&record.event.time_unix_ms)
            && self.filter.wants(&record.event)
    }
}

/// Where lines go. A file is on disk when it is finished.
enum Out {
    Stdout(BufWriter<std::io::Stdout>),
    File(BufWriter<std::fs::File>),
}

impl Out {
    fn finish(mut self) -> std::io::Result<()> {
        self.flush()?;
        match self {
            Self::Stdout(_) => Ok(()),
            Self::File(file) => file.get_ref().sync_all(),
        }
    }
}

impl Write for Out {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        match self {
            Self::Stdout(out) => out.write(bytes),
            Self::File(file) => file.write(bytes),
        }
    }

    fn flush(&mut self) -> std::io::Result<()> {
        match self {
            Self::Stdout(out) => out.flush(),
            Self::File(file) => file.flush(),
        }
    }
}

fn output_of(path: &Path) -> anyhow::Result<(Out, bool)> {
    if path == Path::new("-") {
        return Ok((Out::Stdout(BufWriter::new(std::io::stdout())), false));
    }
    let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    let file = file.with_context(|| format!("cannot make `{}`: give a name that is not there yet", path.display()))?;
    Ok((Out::File(BufWriter::new(file)), true))
}

/// A bar on a terminal, unless the records themselves go there or nobody knows how many come.
async fn progress(reader: &Reader, options: &ExportOptions, is_file: bool) -> anyhow::Result<ProgressBar> {
    let is_shown = std::io::stderr().is_terminal() && (is_file || !std::io::stdout().is_terminal());
    if !is_shown || options.follow {
        return Ok(ProgressBar::hidden());
    }
    let bar = ProgressBar::new(reader.head().await?.seq.saturating_sub(options.after));
    if let Ok(style) = ProgressStyle::with_template("{bar:30.green} {pos}/{len} records ({per_sec}, {eta} left)") {
        bar.set_style(style);
    }
    Ok(bar)
}

/// How far one export is.
#[derive(Serialize)]
struct Standing {
    name: String,
    configured: bool,
    seq: u64,
    hash: String,
    moved: String,
    lag_records: u64,
    lag_s: u64,
    error: Option<String>,
    failing_since: Option<String>,
}

/// Prints how far every export is.
pub async fn standings(options: &StateOptions, style: Style) -> anyhow::Result<ExitCode> {
    let reader = Store::open_read_only(&options.state)?;
    let now = when::now_unix_ms() / 1_000;
    let mut standings = Vec::new();
    for export in reader.exports().await? {
        let lag = reader.export_lag(export.at.seq).await?;
        standings.push(Standing {
            name: export.name,
            configured: export.configured,
            seq: export.at.seq,
            hash: export.at.hash.to_string(),
            moved: when::utc_ms(export.moved_unix_ms),
            lag_records: lag.records,
            lag_s: lag.oldest_unix_ms.map_or(0, |oldest| now.saturating_sub(oldest / 1_000)),
            failing_since: export.failure.as_ref().map(|failure| when::utc_ms(failure.since_unix_ms)),
            error: export.failure.map(|failure| output::plain(&failure.why)),
        });
    }
    style.print(&standings, |out| standings.iter().try_for_each(|one| line(out, one)))?;
    if standings.is_empty() {
        output::warning("nothing was ever exported from here: `[[audit.export]]` in airlock.toml says to whom");
    }
    Ok(ExitCode::SUCCESS)
}

fn line(out: &mut dyn Write, one: &Standing) -> std::io::Result<()> {
    let Standing { name, seq, lag_records, lag_s, .. } = one;
    write!(out, "{name:<20} record {seq}, {lag_records} behind, {}", when::span(*lag_s))?;
    if !one.configured {
        write!(out, ", not configured any more")?;
    }
    if let (Some(error), Some(since)) = (&one.error, &one.failing_since) {
        write!(out, ", failing since {since}: {error}")?;
    }
    writeln!(out)
}
