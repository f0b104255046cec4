//! `airlock sql classify`: what the server would make of a statement, for people and as JSON lines.

use std::process::ExitCode;

use airlock_analysis::{Dialect, ReadFunctions, classify_with};
use serde::{Deserialize, Serialize};

use super::lines;
use crate::{
    args::{ClassifyOptions, DialectName, SqlCommand},
    output::{EXIT_REFUSED, Style},
};

/// One line of input.
#[derive(Deserialize)]
struct Question {
    sql: String,
}

/// One line of output.
#[derive(Serialize)]
struct Answer {
    class: &'static str,
    objects: Vec<String>,
    reasons: Vec<String>,
}

/// Runs one subcommand.
pub fn run(command: &SqlCommand, style: Style) -> anyhow::Result<ExitCode> {
    let SqlCommand::Classify(options) = command;
    let rules = Rules::new(options)?;
    match &options.statement {
        Some(statement) => one(&rules.judge(statement), style),
        None => lines::answer(|asked, number| asked.map_or_else(Answer::refused, |line| rules.line(line, number))),
    }
}

fn one(answer: &Answer, style: Style) -> anyhow::Result<ExitCode> {
    style.print(answer, |out| {
        writeln!(out, "class    {}", answer.class)?;
        if !answer.objects.is_empty() {
            writeln!(out, "objects  {}", answer.objects.join(", "))?;
        }
        answer.reasons.iter().try_for_each(|reason| writeln!(out, "because  {reason}"))
    })?;
    Ok(if answer.class == REFUSED { ExitCode::from(EXIT_REFUSED) } else { ExitCode::SUCCESS })
}

const REFUSED: &str = "refused";

impl Answer {
    fn refused(reason: String) -> Self {
        Self { class: REFUSED, objects: Vec::new(), reasons: vec![reason] }
    }
}

/// What statements are judged by.
struct Rules {
    dialect: Dialect,
    listed: ReadFunctions,
}

impl Rules {
    fn new(options: &ClassifyOptions) -> anyhow::Result<Self> {
        let dialect = match options.dialect {
            DialectName::Postgres => Dialect::Postgres,
            DialectName::Sqlite => Dialect::Sqlite,
            DialectName::Mysql => Dialect::Mysql,
        };
        let listed = ReadFunctions::new(dialect, options.read_functions.iter().map(String::as_str))?;
        Ok(Self { dialect, listed })
    }

    fn line(&self, line: &[u8], number: u64) -> Answer {
        match serde_json::from_slice::<Question>(line) {
            Ok(question) => self.judge(&question.sql),
            Err(error) => Answer::refused(format!("line {number}: not `{{\"sql\": \"..\"}}`: {error}")),
        }
    }

    fn judge(&self, statement: &str) -> Answer {
        match classify_with(self.dialect, statement, &self.listed) {
            Ok(report) => Answer { class: report.class.as_str(), objects: report.tables, reasons: report.because },
            Err(refusal) => Answer::refused(refusal.to_string()),
        }
    }
}
