//! Structured log lines of this invocation. The host caps, escapes and charges them.

use serde::Serialize;

pub use crate::wit::airlock::guest::log::Level;

/// Writes one line. `fields` must serialise to a JSON object; anything else is left out.
pub fn write(level: Level, message: &str, fields: &impl Serialize) {
    let text = serde_json::to_string(fields).unwrap_or_default();
    send(level, message, if text.starts_with('{') { &text } else { "" });
}

/// One line at level `trace`.
pub fn trace(message: impl AsRef<str>) {
    send(Level::Trace, message.as_ref(), "");
}

/// One line at level `debug`.
pub fn debug(message: impl AsRef<str>) {
    send(Level::Debug, message.as_ref(), "");
}

/// One line at level `info`.
pub fn info(message: impl AsRef<str>) {
    send(Level::Info, message.as_ref(), "");
}

/// One line at level `warn`.
pub fn warn(message: impl AsRef<str>) {
    send(Level::Warn, message.as_ref(), "");
}

/// One line at level `error`.
pub fn error(message: impl AsRef<str>) {
    send(Level::Error, message.as_ref(), "");
}

#[cfg(target_arch = "wasm32")]
fn send(level: Level, message: &str, fields: &str) {
    crate::wit::airlock::guest::log::write(level, message, fields);
}

// Handlers stay testable with `cargo test` on the author's machine.
#[cfg(not(target_arch = "wasm32"))]
fn send(level: Level, message: &str, fields: &str) {
    eprintln!("{level:?} {message} {fields}");
}
