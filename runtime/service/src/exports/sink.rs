//! Who is given records, and what counts as taken.

use std::{io, time::Duration};

use airlock_resources::{CollectorAnswer, CollectorClient, Network, Sources};
use airlock_store::AuditRecord;

use super::{
    file::RotatedFile,
    format,
    lines::{Line, Output, Writer},
};
use crate::{
    clock,
    config::{ExportCollector, ExportConfig, ExportFormat, ExportTarget},
};

/// Characters of what a collector says about records that it left out.
const SAID_CHARS_MAX: usize = 200;

pub(super) enum Sink {
    /// Lines on a thread of their own.
    Lines(Writer, ExportFormat),
    /// OTLP logs, in the name of this installation.
    Otlp(Box<CollectorClient>, String),
    /// Lines, or an array of them for Datadog.
    Http(Box<CollectorClient>, ExportFormat),
}

/// Why a batch is not known to be taken.
pub(super) struct Refused {
    pub(super) why: String,
    /// How long the sink wants to be left alone.
    pub(super) retry_after: Option<Duration>,
    /// Less at a time may do.
    pub(super) is_too_much: bool,
    /// Nothing failed yet: whoever takes it is slow.
    pub(super) is_still_written: bool,
}

impl Refused {
    pub(super) fn because(why: impl Into<String>) -> Self {
        Self { why: why.into(), retry_after: None, is_too_much: false, is_still_written: false }
    }
}

impl Sink {
    /// Checks what was written; opens and connects to nothing. An error comes with the key that it is about.
    pub(super) fn new(
        export: &ExportConfig,
        instance: &str,
        sources: &Sources<'_>,
        network: &Network,
    ) -> Result<Self, (&'static str, String)> {
        let format = export.format.unwrap_or_default();
        let collector = |key, written: Option<&ExportCollector>| {
            let written = written.ok_or_else(|| (key, "is needed".to_owned()))?;
            let client = CollectorClient::new(&written.collector(), sources, network);
            client.map(Box::new).map_err(|why| (key, why.to_string()))
        };
        Ok(match export.to {
            ExportTarget::Stdout => Self::Lines(Writer::new(Output::Stdout), format),
            ExportTarget::File => {
                let file = export.file.as_ref().ok_or_else(|| ("file", "is needed".to_owned()))?;
                let file = RotatedFile::new(file).map_err(|why| ("file.path", why))?;
                Self::Lines(Writer::new(Output::File(file)), format)
            }
            ExportTarget::Otlp => Self::Otlp(collector("otlp", export.otlp.as_ref())?, instance.to_owned()),
            ExportTarget::Http => Self::Http(collector("http", export.http.as_ref())?, format),
        })
    }

    /// Gives it records. Once it has taken them, says what a collector left out on purpose, if it did.
    pub(super) async fn take(&mut self, records: &[AuditRecord]) -> Result<Option<String>, Refused> {
        match self {
            Self::Lines(writer, format) => {
                let line = |record: &AuditRecord| Line {
                    seq: record.seq,
                    text: format!("{}\n", format::export_line(*format, record)),
                };
                let written = writer.write(|| records.iter().map(line).collect()).await;
                written.map(|()| None)
            }
            Self::Otlp(client, instance) => {
                let body = format::request(records, instance, clock::now_unix_ms());
                let (content_type, answer) = post(client, body, "application/x-protobuf").await?;
                otlp_answer(content_type.as_deref(), &answer)
            }
            Self::Http(client, format) => {
                let (body, content_type) = text(*format, records);
                post(client, body.into_bytes(), content_type).await.map(|_| None)
            }
        }
    }
}

/// Lines (<https://github.com/ndjson/ndjson-spec>), or the array that Datadog takes.
fn text(format: ExportFormat, records: &[AuditRecord]) -> (String, &'static str) {
    let lines: Vec<String> = records.iter().map(|record| format::export_line(format, record)).collect();
    match format {
        ExportFormat::Datadog => (format!("[{}]", lines.join(",")), "application/json"),
        ExportFormat::Airlock | ExportFormat::Ocsf => (lines.join("\n") + "\n", "application/x-ndjson"),
    }
}

/// A content type, if there is one, and a body.
type Taken = (Option<String>, Vec<u8>);

async fn post(client: &CollectorClient, body: Vec<u8>, content_type: &'static str) -> Result<Taken, Refused> {
    let now = Duration::from_millis(clock::now_unix_ms());
    match client.post(body, content_type, now).await {
        Ok(CollectorAnswer::Taken { content_type, body }) => Ok((content_type, body)),
        Ok(CollectorAnswer::Refused { status, retry_after }) => Err(Refused {
            retry_after,
            is_too_much: matches!(status, 400 | 413),
            ..Refused::because(format!("the collector answers with the status {status}"))
        }),
        Err(why) => Err(Refused::because(why.to_string())),
    }
}

/// Whoever answers something else is no collector, whatever the status is: a proxy, or a page for people.
fn otlp_answer(content_type: Option<&str>, answer: &[u8]) -> Result<Option<String>, Refused> {
    let is_otlp = answer.is_empty() || content_type.is_none_or(|one| one == "application/x-protobuf");
    let rejected = format::rejected(answer).filter(|_| is_otlp);
    let Some((count, why)) = rejected else {
        return Err(Refused::because(
            "the answer is none of an OTLP collector: check the URL, which ends with `/v1/logs`",
        ));
    };
    let said: String = why.chars().filter(|c| !c.is_control()).take(SAID_CHARS_MAX).collect();
    Ok((count > 0).then(|| format!("{count} records: {said}")))
}

/// What a thread that writes has to say.
pub(super) fn refused_by(why: &io::Error) -> Refused {
    Refused::because(format!("the output cannot be written: {why}"))
}
