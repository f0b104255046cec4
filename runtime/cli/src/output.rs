//! What people and programs see: progress on standard error, data on standard output, errors with what to do.

use std::{
    io::{IsTerminal, Write},
    process::ExitCode,
    time::Duration,
};

use anstyle::{AnsiColor, Style as Ansi};
use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;

use crate::client::Rejected;

/// The command did not do what was asked.
pub const EXIT_FAILURE: u8 = 1;
/// The trail is not what was written.
pub const EXIT_TAMPERED: u8 = 2;
/// Airlock refused.
pub const EXIT_REFUSED: u8 = 3;
/// The function returned its own error.
pub const EXIT_FUNCTION_ERROR: u8 = 4;

/// How to print.
#[derive(Clone, Copy)]
pub struct Style {
    /// One JSON document on standard output.
    pub json: bool,
}

impl Style {
    /// Prints data: a JSON document, or what `text` writes.
    pub fn print<T: Serialize>(
        self,
        value: &T,
        text: impl FnOnce(&mut dyn Write) -> std::io::Result<()>,
    ) -> anyhow::Result<()> {
        let mut out = anstream::stdout().lock();
        if self.json {
            serde_json::to_writer_pretty(&mut out, value)?;
            writeln!(out)?;
        } else {
            text(&mut out)?;
        }
        Ok(())
    }
}

const GOOD: Ansi = AnsiColor::Green.on_default().bold();
const BAD: Ansi = AnsiColor::Red.on_default().bold();
const ODD: Ansi = AnsiColor::Yellow.on_default().bold();

/// A line of progress, in cargo's manner: `   Compiling order-summary`.
pub fn progress(verb: &str, what: impl std::fmt::Display) {
    line(GOOD, verb, what);
}

/// A refusal that was expected, in the same manner.
pub fn refusal(verb: &str, what: impl std::fmt::Display) {
    line(ODD, verb, what);
}

/// A warning.
pub fn warning(what: impl std::fmt::Display) {
    line(ODD, "warning", what);
}

fn line(style: Ansi, verb: &str, what: impl std::fmt::Display) {
    let _closed = writeln!(anstream::stderr(), "{style}{verb:>12}{style:#} {what}");
}

/// A spinner with a text while something takes long; on a terminal only.
pub fn spinner(text: &str) -> ProgressBar {
    if !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::new_spinner().with_message(text.to_owned());
    if let Ok(style) = ProgressStyle::with_template("{spinner:>12.green} {msg} ({elapsed})") {
        bar.set_style(style);
    }
    bar.enable_steady_tick(Duration::from_millis(100));
    bar
}

/// Prints an error with its causes and gives the exit status.
pub fn report(error: &anyhow::Error) -> ExitCode {
    // Whoever read our output has seen enough.
    let is_closed = |cause: &(dyn std::error::Error + 'static)| {
        let plain = cause.downcast_ref::<std::io::Error>().map(std::io::Error::kind);
        let as_json = cause.downcast_ref::<serde_json::Error>().and_then(serde_json::Error::io_error_kind);
        plain.or(as_json) == Some(std::io::ErrorKind::BrokenPipe)
    };
    if error.chain().any(is_closed) {
        return ExitCode::SUCCESS;
    }
    let mut err = anstream::stderr();
    let _closed = writeln!(err, "{BAD}error{BAD:#}: {error}");
    for cause in error.chain().skip(1) {
        let _closed = writeln!(err, "  caused by: {cause}");
    }
    match error.downcast_ref::<Rejected>() {
        Some(rejected) => {
            for line in rejected.details() {
                let _closed = writeln!(err, "  {line}");
            }
            ExitCode::from(EXIT_REFUSED)
        }
        None => ExitCode::from(EXIT_FAILURE),
    }
}

/// The text without what a terminal would take for an order, and without characters that change the direction of others.
pub fn plain(text: &str) -> String {
    let is_order = |c: char| {
        (c.is_control() && c != '\n' && c != '\t')
            || matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    text.chars().map(|c| if is_order(c) { '\u{fffd}' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_function_wrote_cannot_move_the_cursor() {
        assert_eq!(plain("a\u{1b}[2Jb\r\u{202e}c\nd"), "a\u{fffd}[2Jb\u{fffd}\u{fffd}c\nd");
    }
}
