//! `airlock logs`.

use std::{io::Write, process::ExitCode};

use airlock_proto::v1::{self, LogLevel, TailRequest, TailedLine, tail_response::Event};
use serde_json::{Value, json};
use tokio_stream::StreamExt as _;

use crate::{
    args::{Level, LogsOptions},
    client::{Client, Rejected},
    output::{self, Style},
};

/// Prints lines as they come, with `--json` as one object a line.
pub async fn run(options: &LogsOptions, style: Style) -> anyhow::Result<ExitCode> {
    let client = Client::to_control(&options.control).await?;
    let text = |text: &Option<String>| text.clone().unwrap_or_default();
    let request = TailRequest {
        environment: client.environment(),
        function: text(&options.function),
        invocation_id: text(&options.invocation),
        app: text(&options.app),
        level: options.level.map_or(LogLevel::Unspecified, level).into(),
        follow: options.follow,
        only_new: options.only_new,
    };
    let mut events = client.logs().tail(client.request(request)).await.map_err(Rejected::from)?.into_inner();
    let mut seen = false;
    while let Some(event) = events.next().await {
        match event.map_err(Rejected::from)?.event {
            Some(Event::Line(line)) => print(&line, style)?,
            Some(Event::Dropped(count)) if style.json => say(&json!({ "dropped": count }).to_string())?,
            Some(Event::Dropped(count)) => output::warning(format!("dropped {count} lines: this reader was too slow")),
            None => continue,
        }
        seen = true;
    }
    if !seen && !options.follow {
        output::warning(
            "no line is kept that is asked for: `[logs] store` in airlock.toml says which are, `-f` shows them as they come",
        );
    }
    Ok(ExitCode::SUCCESS)
}

fn level(level: Level) -> LogLevel {
    match level {
        Level::Trace => LogLevel::Trace,
        Level::Debug => LogLevel::Debug,
        Level::Info => LogLevel::Info,
        Level::Warn => LogLevel::Warn,
        Level::Error => LogLevel::Error,
    }
}

fn print(tailed: &TailedLine, style: Style) -> anyhow::Result<()> {
    let v1::LogLine { message, fields, .. } = tailed.line.clone().unwrap_or_default();
    let level = tailed.line.as_ref().map_or(LogLevel::Unspecified, v1::LogLine::level);
    let level = level.as_str_name().trim_start_matches("LOG_LEVEL_");
    let time = tailed.time.as_ref().map(ToString::to_string).unwrap_or_default();
    let TailedLine { function, invocation_id, app, .. } = tailed;
    if style.json {
        let fields: Value = serde_json::from_slice(&fields).unwrap_or_default();
        let line = json!({
            "time": time, "level": level.to_ascii_lowercase(), "function": function, "invocation": invocation_id, "app": app,
            "message": message, "fields": fields,
        });
        return say(&line.to_string());
    }
    let fields = String::from_utf8_lossy(&fields);
    let space = if fields.is_empty() { "" } else { " " };
    say(&output::plain(&format!("{time} {level:<5} {function} {invocation_id} {message}{space}{fields}")))
}

/// Each line at once: somebody may be waiting for it.
fn say(line: &str) -> anyhow::Result<()> {
    let mut out = anstream::stdout().lock();
    writeln!(out, "{line}")?;
    Ok(out.flush()?)
}
