//! One file without a project.

use std::{io::Read, path::Path, process::ExitCode};

use airlock_analysis::{
    Dialect,
    source::{Language, Project, check_project},
};
use anyhow::{Context, anyhow};

use super::{render, sarif};
use crate::{
    args::{CheckFormat, CheckOptions},
    output::Style,
};

/// There are findings. Programs that run linters expect this number, not the one of a refusal.
const EXIT_FINDINGS: u8 = 2;

/// Judges a file by itself.
pub fn run(source: &Path, options: &CheckOptions, style: Style) -> anyhow::Result<ExitCode> {
    let (name, text) = read(source, options)?;
    let language = language(&name, options)?;
    let report = check_project(&Project::loose(&name, &text, language, dialect(options)?));
    let format = options.format.unwrap_or(if style.json { CheckFormat::Json } else { CheckFormat::Text });
    match format {
        CheckFormat::Json => Style { json: true }.print(&report, |_| Ok(()))?,
        CheckFormat::Sarif => sarif::print(&report, &[])?,
        CheckFormat::Text => {
            render::print(&report, |_| Some(text.as_str()))?;
            let (findings, statements) = (report.findings.len(), report.statements.len());
            Style { json: false }
                .print(&(), |out| writeln!(out, "{findings} findings, {statements} constant statements"))?;
        }
    }
    Ok(if report.findings.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(EXIT_FINDINGS) })
}

fn read(source: &Path, options: &CheckOptions) -> anyhow::Result<(String, String)> {
    if source == Path::new("-") {
        let mut bytes = Vec::new();
        std::io::stdin().read_to_end(&mut bytes).context("cannot read standard input")?;
        return Ok((options.stdin_name.clone(), String::from_utf8(bytes).context("standard input is not UTF-8")?));
    }
    let text = std::fs::read_to_string(source).with_context(|| format!("cannot read `{}`", source.display()))?;
    Ok((source.display().to_string(), text))
}

fn language(name: &str, options: &CheckOptions) -> anyhow::Result<Language> {
    match &options.language {
        Some(given) => given.parse().map_err(|()| anyhow!("`{given}` is not a language: write ts, js, py or rs")),
        None => Language::of_file(name)
            .ok_or_else(|| anyhow!("the name `{name}` does not tell the language: add --language ts, js, py or rs")),
    }
}

/// The dialect asked for.
pub fn dialect(options: &CheckOptions) -> anyhow::Result<Option<Dialect>> {
    let parse = |given: &String| {
        given.parse().map_err(|()| anyhow!("`{given}` is not a dialect: write postgres, sqlite or mysql"))
    };
    options.dialect.as_ref().map(parse).transpose()
}
