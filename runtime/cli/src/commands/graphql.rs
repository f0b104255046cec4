//! `airlock graphql classify`: what the server would make of a document, for people and as JSON lines.

use std::{io::Write, process::ExitCode, sync::Arc};

use airlock_analysis::{Document, DocumentLimits, DocumentRefusal, DocumentRules, GraphqlSchema, Variables};
use airlock_model::OperationClass;
use anyhow::Context as _;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::lines;
use crate::{
    args::{DocumentOptions, GraphqlCommand},
    output::{EXIT_REFUSED, Style},
};

/// One line of input.
#[derive(Deserialize)]
struct Question {
    document: String,
    variables: Option<Box<RawValue>>,
}

/// One line of output.
#[derive(Serialize)]
struct Answer {
    class: &'static str,
    depth: u32,
    cost: u64,
    fields: Vec<String>,
    reasons: Vec<String>,
}

/// Runs one subcommand.
pub fn run(command: &GraphqlCommand, style: Style) -> anyhow::Result<ExitCode> {
    let GraphqlCommand::Classify(options) = command;
    let rules = rules(options)?;
    let Some(document) = &options.document else {
        return lines::answer(|asked, number| {
            asked.map_or_else(Answer::refused, |line| one_line(&rules, line, number))
        });
    };
    let answer = judge(&rules, document, options.variables.as_deref().unwrap_or_default());
    style.print(&answer, |out| answer.print(out))?;
    Ok(if answer.class == REFUSED { ExitCode::from(EXIT_REFUSED) } else { ExitCode::SUCCESS })
}

fn rules(options: &DocumentOptions) -> anyhow::Result<DocumentRules> {
    let read = |file: &std::path::PathBuf| {
        let sdl = std::fs::read_to_string(file).with_context(|| format!("cannot read `{}`", file.display()))?;
        GraphqlSchema::parse(&sdl).with_context(|| format!("`{}` is not a schema", file.display())).map(Arc::new)
    };
    let usual = DocumentLimits::BUILT_IN;
    let limits = DocumentLimits {
        depth_max: options.depth_max.unwrap_or(usual.depth_max),
        cost_max: options.cost_max.unwrap_or(usual.cost_max),
        allows_introspection: options.introspection,
        ..usual
    };
    Ok(DocumentRules { limits, schema: options.schema.as_ref().map(read).transpose()? })
}

fn one_line(rules: &DocumentRules, line: &[u8], number: u64) -> Answer {
    match serde_json::from_slice::<Question>(line) {
        Ok(Question { document, variables }) => judge(rules, &document, variables.as_deref().map_or("", RawValue::get)),
        Err(error) => Answer::refused(format!("line {number}: not `{{\"document\": \"..\"}}`: {error}")),
    }
}

fn judge(rules: &DocumentRules, document: &str, variables: &str) -> Answer {
    let judged = || -> Result<Answer, DocumentRefusal> {
        let document = Document::parse(document, rules)?;
        let cost = document.cost(&Variables::parse(variables)?)?;
        let report = document.report();
        let reasons = match report.class {
            OperationClass::Query => Vec::new(),
            OperationClass::Mutation => vec!["the operation is a mutation".to_owned()],
        };
        let (class, fields) = (report.class.as_str(), report.root_fields.clone());
        Ok(Answer { class, depth: report.depth, cost, fields, reasons })
    };
    judged().unwrap_or_else(|why| Answer::refused(why.to_string()))
}

const REFUSED: &str = "refused";

impl Answer {
    fn refused(reason: String) -> Self {
        Self { class: REFUSED, depth: 0, cost: 0, fields: Vec::new(), reasons: vec![reason] }
    }

    fn print(&self, out: &mut dyn Write) -> std::io::Result<()> {
        writeln!(out, "class    {}", self.class)?;
        if self.class != REFUSED {
            writeln!(out, "depth    {}\ncost     {}\nfields   {}", self.depth, self.cost, self.fields.join(", "))?;
        }
        self.reasons.iter().try_for_each(|reason| writeln!(out, "because  {reason}"))
    }
}
