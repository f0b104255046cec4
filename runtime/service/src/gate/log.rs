//! Log lines of guests: charged, redacted, capped, escaped, handed on.

use std::borrow::Cow;

use airlock_model::{HostError, HostReply, LogLevel, LogLine};
use serde::de::IgnoredAny;
use tokio::time::timeout_at;

use super::CallGate;

/// Characters of one message or of its fields that are kept.
const TEXT_CHARS_MAX: usize = 8_192;

impl CallGate {
    /// Hands one line to whoever listens. Waits for a slow listener, within the call's deadline.
    pub(super) async fn log(&self, line: LogLine) -> Result<HostReply, HostError> {
        self.budget.charge_log(line.size_bytes() as u64)?;
        let line = self.clean(&line);
        self.trace(&line);
        self.backends.logs.publish(&self.facts, &line);
        if let Some(logs) = &self.logs {
            // A listener that has gone away is not the guest's concern. One that does not read must not hold up the call: what
            // a guest printed comes here when the call is over and nothing else would end the wait.
            let _unheard = timeout_at(self.deadline, logs.send(line)).await;
        }
        Ok(HostReply::Logged)
    }

    /// Secrets first: what is cut could end with half of one.
    fn clean(&self, line: &LogLine) -> LogLine {
        let redactor = &self.facts.settings.redactor;
        let fields = match redactor.redact(&line.fields) {
            // What is taken out may have been more than a text.
            Cow::Owned(fields) if serde_json::from_str::<IgnoredAny>(&fields).is_err() => r#""[redacted]""#.to_owned(),
            fields => printable(&fields),
        };
        LogLine { level: line.level, message: printable(&redactor.redact(&line.message)), fields }
    }

    fn trace(&self, line: &LogLine) {
        let (invocation, message, fields) = (&self.facts.invocation, &line.message, &line.fields);
        match line.level {
            LogLevel::Trace | LogLevel::Debug => tracing::trace!(target: "guest", %invocation, fields, "{message}"),
            LogLevel::Info => tracing::debug!(target: "guest", %invocation, fields, "{message}"),
            LogLevel::Warn | LogLevel::Error => tracing::info!(target: "guest", %invocation, fields, "{message}"),
        }
    }
}

/// Cuts a text and escapes what could fake a line or drive a terminal: control, bidirectional and invisible characters.
fn printable(text: &str) -> String {
    let mut kept = String::with_capacity(text.len().min(TEXT_CHARS_MAX));
    let mut room = TEXT_CHARS_MAX;
    for c in text.chars() {
        let odd = c.is_control()
            || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}');
        // What is escaped is longer than it was.
        let Some(left) = room.checked_sub(if odd { c.escape_unicode().len() } else { 1 }) else { break };
        room = left;
        if odd { kept.extend(c.escape_unicode()) } else { kept.push(c) }
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_line_cannot_fake_another_or_drive_a_terminal() {
        assert_eq!(printable("a\nb\u{1b}[31mc\u{202e}d"), "a\\u{a}b\\u{1b}[31mc\\u{202e}d");
        assert_eq!(printable("grüße 漢字"), "grüße 漢字");
        assert_eq!(printable(&"x".repeat(10_000)).len(), TEXT_CHARS_MAX);
        assert_eq!(printable(&"\u{202e}".repeat(10_000)).len(), TEXT_CHARS_MAX);
    }
}
