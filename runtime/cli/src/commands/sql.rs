//! `airlock sql classify`: what the server would make of a statement, for people and as JSON lines.

use std::{
    io::{BufRead, BufReader, BufWriter, Read, Write},
    process::ExitCode,
};

use airlock_analysis::{Dialect, ReadFunctions, classify_with};
use serde::{Deserialize, Serialize};

use crate::{
    args::{ClassifyOptions, DialectName, SqlCommand},
    output::{EXIT_REFUSED, Style},
};

/// Longest input line, in bytes: a statement of the largest size with every character escaped fits.
const LINE_BYTES_MAX: u64 = 2 << 20;

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
        None => stream(&rules),
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

/// Answers line by line, in order, in memory that does not grow.
fn stream(rules: &Rules) -> anyhow::Result<ExitCode> {
    let mut input = BufReader::new(std::io::stdin().lock());
    let mut output = BufWriter::new(std::io::stdout().lock());
    let mut line = Vec::new();
    let mut number: u64 = 0;
    loop {
        // The next read may wait for whoever waits for these answers.
        if !input.buffer().contains(&b'\n') {
            output.flush()?;
        }
        line.clear();
        if input.by_ref().take(LINE_BYTES_MAX).read_until(b'\n', &mut line)? == 0 {
            return Ok(ExitCode::SUCCESS);
        }
        number += 1;
        let is_whole = line.ends_with(b"\n") || input.fill_buf()?.is_empty();
        let answer = if is_whole { rules.line(&line, number) } else { too_long(&mut input, number)? };
        serde_json::to_writer(&mut output, &answer)?;
        output.write_all(b"\n")?;
    }
}

fn too_long(input: &mut impl BufRead, number: u64) -> std::io::Result<Answer> {
    input.skip_until(b'\n')?;
    Ok(Answer::refused(format!("line {number}: longer than {LINE_BYTES_MAX} bytes")))
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
