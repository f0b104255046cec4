//! `airlock audit verify` and `checkpoint`: whether the trail is what was written, and what proves it later.

use std::{fs, io::Write, path::Path, process::ExitCode};

use airlock_access::{KeySet, verify_checkpoint};
use airlock_proto::v1::AuditServiceCheckpointRequest;
use airlock_service::{Checkpoint, TrailReport, audit_keys, verify_trail};
use airlock_store::{Store, StoreError};
use anyhow::{Context as _, bail};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::{
    args::{ControlOptions, VerifyOptions},
    client::{Client, Rejected},
    output::{self, EXIT_FAILURE, EXIT_TAMPERED, Style},
    when,
};

/// Ranges of unfinished calls in the text; `--json` has more.
const UNFINISHED_SHOWN_MAX: usize = 10;

/// A line as servers print it; what else it says only repeats what is signed.
#[derive(Deserialize)]
struct Line {
    airlock_checkpoint: String,
}

/// Verifies a state directory.
pub async fn run(options: &VerifyOptions, style: Style) -> anyhow::Result<ExitCode> {
    let state = &options.state.state;
    let reader = Store::open_read_only(state)?;
    let keys = keys(options)?;
    let mut given = Vec::new();
    for file in &options.checkpoint {
        given.extend(read(file, keys.as_ref())?);
    }
    let report = match verify_trail(&reader, keys.as_ref(), given).await {
        Ok(report) => report,
        // What cannot even be read is not what was written.
        Err(why @ (StoreError::Sqlite { .. } | StoreError::Corrupt { .. })) => {
            output::warning(format!("the trail cannot be read: {why}"));
            return Ok(ExitCode::from(EXIT_TAMPERED));
        }
        Err(why) => return Err(why.into()),
    };
    let (integrity, complete) = (report.integrity(), report.trail.calls.complete);
    style.print(&printed(&report)?, |out| text(out, &report))?;
    if report.trail.records == 0 {
        output::warning("the trail is empty, although every server begins one with a record of its start");
    }
    if options.checkpoint.is_empty() {
        output::warning(
            "without `--checkpoint` of one kept elsewhere nobody can tell whether the end of the trail was cut off, or all of it made \
             anew by whoever can write to the state directory",
        );
    } else if options.keys.is_none() {
        output::warning(format!(
            "the checkpoints were checked with the keys in `{}` itself: give keys that were kept elsewhere with `--keys`",
            state.display()
        ));
    }
    Ok(match (integrity, complete) {
        (false, _) => ExitCode::from(EXIT_TAMPERED),
        (true, false) => ExitCode::from(EXIT_FAILURE),
        (true, true) => ExitCode::SUCCESS,
    })
}

/// As JSON: integrity is that of the trail and of its checkpoints.
fn printed(report: &TrailReport) -> anyhow::Result<Value> {
    let mut printed = serde_json::to_value(report)?;
    if let Value::Object(members) = &mut printed {
        members.insert("integrity".to_owned(), report.integrity().into());
        members.insert("complete".to_owned(), report.trail.calls.complete.into());
    }
    Ok(printed)
}

fn keys(options: &VerifyOptions) -> anyhow::Result<Option<KeySet>> {
    if let Some(file) = &options.keys {
        let text = fs::read_to_string(file).with_context(|| format!("cannot read `{}`", file.display()))?;
        let keys = KeySet::parse(&text).with_context(|| format!("`{}` is not a JWK set", file.display()))?;
        return Ok(Some(keys));
    }
    let keys = audit_keys(&options.state.state);
    match keys {
        Ok(keys) => Ok(Some(keys)),
        Err(why) if why.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(why) => Err(why).context("cannot read the public keys of the state directory: give them with `--keys`"),
    }
}

fn read(file: &str, keys: Option<&KeySet>) -> anyhow::Result<Vec<Checkpoint>> {
    let text = match file {
        "-" => std::io::read_to_string(std::io::stdin()),
        file => fs::read_to_string(Path::new(file)),
    };
    let text = text.with_context(|| format!("cannot read `{file}`"))?;
    let mut read = Vec::new();
    for (index, line) in text.lines().map(str::trim).enumerate().filter(|(_, line)| !line.is_empty()) {
        let place = || format!("line {} of `{file}`", index + 1);
        match signed(line) {
            Some(signed) => read.push(one(&signed, keys).with_context(|| format!("{} does not count", place()))?),
            // A server that was killed leaves part of a line.
            None => output::warning(format!("{} is no checkpoint, and is left out", place())),
        }
    }
    if read.is_empty() {
        bail!("`{file}` has no checkpoint");
    }
    Ok(read)
}

/// What a line has of a compact JWS: all of it, or a member of JSON.
fn signed(line: &str) -> Option<String> {
    if line.starts_with('{') {
        return serde_json::from_str(line).ok().map(|Line { airlock_checkpoint }| airlock_checkpoint);
    }
    (line.split('.').count() == 3).then(|| line.to_owned())
}

fn one(signed: &str, keys: Option<&KeySet>) -> anyhow::Result<Checkpoint> {
    let keys =
        keys.context("the state directory has no `audit-jwks.json` to check it with: give keys with `--keys`")?;
    let said = verify_checkpoint(signed, keys)?;
    Ok(Checkpoint { seq: said.seq, hash: said.hash })
}

fn text(out: &mut dyn Write, report: &TrailReport) -> std::io::Result<()> {
    let yes = |good: bool| if good { "yes" } else { "NO" };
    let trail = &report.trail;
    writeln!(out, "records    {}", trail.records)?;
    if let Some(cut) = &trail.cut {
        let (seq, last) = (cut.seq, when::utc_ms(cut.last_unix_ms));
        writeln!(out, "begins     after record {seq} of {last}: what came before was removed when its time was over")?;
    }
    writeln!(out, "integrity  {}", yes(report.integrity()))?;
    if let Some((seq, why)) = report.first_bad() {
        writeln!(out, "  first bad record {seq}: {why}")?;
    }
    let calls = &trail.calls;
    let (complete, finished, open) = (yes(calls.complete), calls.finished, calls.unfinished_count);
    writeln!(out, "complete   {complete} ({finished} calls finished, {open} without an end)")?;
    for open in calls.unfinished.iter().take(UNFINISHED_SHOWN_MAX) {
        let (first, last) = (open.first, open.last);
        writeln!(out, "  calls {first} to {last} have no closing record: they ran when a server was killed")?;
    }
    let (kept, erased) = (trail.values_kept, trail.values_erased);
    writeln!(out, "values     {kept} kept beside the records, {erased} erased as the trail says")?;
    match report.proven_to {
        Some(seq) => writeln!(out, "proven     to record {seq}, by a checkpoint that was given")?,
        None => writeln!(out, "proven     nothing: none was given with --checkpoint, or none that holds")?,
    }
    if let Some(seq) = report.kept_to {
        writeln!(out, "kept       checkpoints of the state directory agree to record {seq}")?;
    }
    writeln!(out, "head       {} {}", trail.head.seq, trail.head.hash)
}

/// Asks a server for a checkpoint, to be kept elsewhere.
pub async fn checkpoint(options: &ControlOptions, style: Style) -> anyhow::Result<ExitCode> {
    let client = Client::to_control(options).await?;
    let request = AuditServiceCheckpointRequest { environment: client.environment() };
    let made = client.audit().checkpoint(client.request(request)).await.map_err(Rejected::from)?.into_inner();
    let printed = json!({
        "airlock_checkpoint": made.checkpoint,
        "seq": made.sequence,
        "hash": made.hash,
        "time": made.time.map(|time| time.to_string()),
    });
    // One line either way, as `verify --checkpoint` reads it.
    let line = if style.json { printed.to_string() } else { made.checkpoint };
    writeln!(anstream::stdout(), "{line}")?;
    Ok(ExitCode::SUCCESS)
}
