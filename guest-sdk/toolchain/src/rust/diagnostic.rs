//! What the compiler says, as cargo's JSON messages carry it.

use std::path::PathBuf;

use serde::Deserialize;

/// One error or warning of the compiler.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    /// The message in one sentence.
    pub message: String,
    /// The file, relative to the package it stands in; none for messages about no place.
    pub file: Option<PathBuf>,
    /// Line, from 1; 0 without a file.
    pub line: u32,
    /// Column, from 1; 0 without a file.
    pub column: u32,
    /// The whole text with source lines and hints, as cargo shows it.
    pub rendered: String,
}

/// All of them below each other, as cargo shows them.
pub(super) fn listing(diagnostics: &[Diagnostic]) -> String {
    let texts: Vec<_> = diagnostics.iter().map(|diagnostic| diagnostic.rendered.trim_end()).collect();
    texts.join("\n\n")
}

/// One line of `cargo build --message-format=json`, as far as it matters here.
pub(super) enum Message {
    Error(Diagnostic),
    Warning(Diagnostic),
    /// The files of a library of the given package.
    Module {
        package_manifest: PathBuf,
        files: Vec<PathBuf>,
    },
    Other,
}

impl Message {
    pub(super) fn parse(line: &str) -> Self {
        match serde_json::from_str(line) {
            Ok(Wire::CompilerMessage { message }) => message.classify(),
            Ok(Wire::CompilerArtifact { manifest_path, target, filenames }) if target.is_module() => {
                Self::Module { package_manifest: manifest_path, files: filenames }
            }
            Ok(Wire::CompilerArtifact { .. } | Wire::Other) | Err(_) => Self::Other,
        }
    }
}

#[derive(Deserialize)]
#[serde(tag = "reason", rename_all = "kebab-case")]
enum Wire {
    CompilerMessage {
        message: WireMessage,
    },
    CompilerArtifact {
        manifest_path: PathBuf,
        target: WireTarget,
        filenames: Vec<PathBuf>,
    },
    #[serde(other)]
    Other,
}

#[derive(Deserialize)]
struct WireTarget {
    crate_types: Vec<String>,
}

impl WireTarget {
    fn is_module(&self) -> bool {
        self.crate_types.iter().any(|kind| kind == "cdylib")
    }
}

#[derive(Deserialize)]
struct WireMessage {
    level: String,
    message: String,
    rendered: Option<String>,
    spans: Vec<WireSpan>,
}

#[derive(Deserialize)]
struct WireSpan {
    is_primary: bool,
    file_name: PathBuf,
    line_start: u32,
    column_start: u32,
}

impl WireMessage {
    fn classify(self) -> Message {
        let is_error = self.level.starts_with("error");
        let is_warning = self.level == "warning" && !self.spans.is_empty();
        // What is left are notes and summaries, which have no place.
        if !(is_error || is_warning) || self.message.starts_with("aborting due to") {
            return Message::Other;
        }
        let place = self.spans.into_iter().find(|span| span.is_primary);
        let diagnostic = Diagnostic {
            line: place.as_ref().map_or(0, |span| span.line_start),
            column: place.as_ref().map_or(0, |span| span.column_start),
            file: place.map(|span| span.file_name),
            rendered: self.rendered.unwrap_or_else(|| self.message.clone()),
            message: self.message,
        };
        if is_error { Message::Error(diagnostic) } else { Message::Warning(diagnostic) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ERROR: &str = r#"{"reason":"compiler-message","package_id":"p","message":{"level":"error",
        "message":"mismatched types","rendered":"error[E0308]: mismatched types\n --> src/lib.rs:7:5\n",
        "spans":[{"is_primary":false,"file_name":"src/a.rs","line_start":1,"column_start":1},
                 {"is_primary":true,"file_name":"src/lib.rs","line_start":7,"column_start":5}]}}"#;

    #[test]
    fn error_keeps_its_primary_place_and_its_text() {
        let Message::Error(found) = Message::parse(ERROR) else { panic!("an error") };
        assert_eq!((found.file, found.line, found.column), (Some("src/lib.rs".into()), 7, 5));
        assert!(listing(&[Diagnostic { file: None, ..error() }]).ends_with("src/lib.rs:7:5"));
    }

    fn error() -> Diagnostic {
        match Message::parse(ERROR) {
            Message::Error(found) => found,
            _ => panic!("an error"),
        }
    }

    #[test]
    fn summary_without_a_place_is_no_warning() {
        let line = r#"{"reason":"compiler-message","message":{"level":"warning","message":"1 warning emitted","rendered":null,"spans":[]}}"#;
        assert!(matches!(Message::parse(line), Message::Other));
    }

    #[test]
    fn only_a_cdylib_is_a_module() {
        let artifact = |kind: &str| {
            format!(
                r#"{{"reason":"compiler-artifact","manifest_path":"/p/Cargo.toml","target":{{"crate_types":["{kind}"]}},"filenames":["/t/p.wasm"]}}"#
            )
        };
        assert!(matches!(Message::parse(&artifact("cdylib")), Message::Module { .. }));
        assert!(matches!(Message::parse(&artifact("lib")), Message::Other));
    }

    #[test]
    fn lines_of_other_programs_are_passed_over() {
        assert!(matches!(Message::parse("not json"), Message::Other));
        assert!(matches!(Message::parse(r#"{"reason":"build-finished","success":true}"#), Message::Other));
    }
}
