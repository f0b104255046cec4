//! Messages of the log service.

use airlock_model::{EnvironmentName, LogLevel, LogLine};
use airlock_proto::v1;
use airlock_service::{LogEvent, LogQuery};

use super::{log_line, name, optional_name, timestamp};
use crate::status::Refusal;

const INVOCATION_BYTES_MAX: usize = 64;

pub(crate) fn log_query(asked: v1::TailRequest) -> Result<(EnvironmentName, LogQuery), Refusal> {
    if asked.invocation_id.len() > INVOCATION_BYTES_MAX {
        let hint = "send an `invocation_id` as a reply or error gave it";
        return Err(Refusal::malformed("invocation_id", "field `invocation_id`: too long", hint));
    }
    let level = match asked.level() {
        v1::LogLevel::Unspecified => None,
        v1::LogLevel::Trace => Some(LogLevel::Trace),
        v1::LogLevel::Debug => Some(LogLevel::Debug),
        v1::LogLevel::Info => Some(LogLevel::Info),
        v1::LogLevel::Warn => Some(LogLevel::Warn),
        v1::LogLevel::Error => Some(LogLevel::Error),
    };
    let query = LogQuery {
        function: optional_name("function", &asked.function)?,
        app: optional_name("app", &asked.app)?,
        level,
        past: !asked.only_new,
        follow: asked.follow,
        invocation: (!asked.invocation_id.is_empty()).then_some(asked.invocation_id),
    };
    Ok((name("environment", &asked.environment)?, query))
}

pub(crate) fn log_response(event: LogEvent) -> v1::TailResponse {
    use v1::tail_response::Event;
    let event = match event {
        LogEvent::Dropped(count) => Event::Dropped(count),
        LogEvent::Line(entry) => Event::Line(v1::TailedLine {
            time: Some(timestamp(entry.time_unix_ms)),
            function: entry.function.to_string(),
            invocation_id: entry.invocation.to_string(),
            app: entry.app.to_string(),
            line: Some(log_line(LogLine {
                level: entry.level,
                message: entry.message.clone(),
                fields: entry.fields.clone(),
            })),
        }),
    };
    v1::TailResponse { event: Some(event) }
}
