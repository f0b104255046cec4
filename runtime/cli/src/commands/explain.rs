//! `airlock explain`: the decision about a call, step by step.

use std::{io::Write, process::ExitCode};

use airlock_proto::v1::{
    ExplainRequest, ExplainResponse, ExplainStep, LimitInForce, StoreOperation, explain_request::Asks,
};
use anstyle::{AnsiColor, Style as Ansi};
use anyhow::Context;
use serde::Serialize;

use crate::{
    args::ExplainOptions,
    client::{Client, Rejected, text_argument},
    output::{EXIT_REFUSED, Style, plain},
};

const YES: Ansi = AnsiColor::Green.on_default();
const NO: Ansi = AnsiColor::Red.on_default().bold();
const FAINT: Ansi = Ansi::new().dimmed();

/// Asks the server and prints what it would decide.
pub async fn run(options: ExplainOptions, style: Style) -> anyhow::Result<ExitCode> {
    let client = Client::with_access(&options.server, &options.access).await?;
    let request = client.request(request(options, client.environment())?);
    let answer = client.invocations().explain(request).await.map_err(Rejected::from)?.into_inner();
    let told = Told::from(answer);
    style.print(&told, |out| told.print(out))?;
    Ok(if told.decision == "permit" { ExitCode::SUCCESS } else { ExitCode::from(EXIT_REFUSED) })
}

fn request(options: ExplainOptions, environment: String) -> anyhow::Result<ExplainRequest> {
    let ExplainOptions { sql, graphql, request, read, write, complete, .. } = &options;
    let (mut http_method, mut asks) = (String::new(), None);
    if let Some(text) = sql {
        asks = Some(Asks::Sql(text_argument(text)?));
    } else if let Some(text) = graphql {
        asks = Some(Asks::Graphql(text_argument(text)?));
    } else if let Some(text) = request {
        let (method, url) = text.trim().split_once(' ').context("--request is a method and a path or URL")?;
        method.clone_into(&mut http_method);
        asks = Some(Asks::Url(url.trim().to_owned()));
    } else if *read || *write {
        let operation = if *read { StoreOperation::Read } else { StoreOperation::Write };
        asks = Some(Asks::Store(operation.into()));
    } else if let Some(model) = complete {
        asks = Some(Asks::Model(model.clone()));
    }
    Ok(ExplainRequest {
        function: options.function,
        environment,
        alias: options.alias.unwrap_or_default(),
        resource: options.resource.unwrap_or_default(),
        parameters: options.parameters.unwrap_or_default(),
        in_transaction: options.in_transaction,
        http_method,
        max_tokens: options.max_tokens.unwrap_or_default(),
        asks,
    })
}

/// An explanation as a document.
#[derive(Serialize)]
struct Told {
    decision: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    reason: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    revision: String,
    steps: Vec<Step>,
    limits: Vec<InForce>,
}

/// One question.
#[derive(Serialize)]
struct Step {
    name: String,
    verdict: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    rule: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    place: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    hint: String,
}

/// One limit.
#[derive(Serialize)]
struct InForce {
    limit: String,
    value: u64,
    source: String,
    place: String,
}

impl From<ExplainResponse> for Told {
    fn from(answer: ExplainResponse) -> Self {
        let ExplainResponse { decision, reason, revision, steps, limits } = answer;
        let step = |ExplainStep { name, verdict, rule, place, hint }| Step { name, verdict, rule, place, hint };
        let limit = |LimitInForce { limit, value, source, place }| InForce { limit, value, source, place };
        let (steps, limits) = (steps.into_iter().map(step).collect(), limits.into_iter().map(limit).collect());
        Self { decision, reason, revision, steps, limits }
    }
}

impl Told {
    fn print(&self, out: &mut dyn Write) -> std::io::Result<()> {
        self.steps.iter().try_for_each(|step| {
            step.print(out)?;
            if step.name == "limits" { self.print_limits(out) } else { Ok(()) }
        })?;
        let ansi = if self.decision == "permit" { YES.bold() } else { NO };
        let reason = if self.reason.is_empty() { String::new() } else { format!(" ({})", self.reason) };
        writeln!(out, "{ansi}{}{ansi:#}{reason}", self.decision)
    }

    fn print_limits(&self, out: &mut dyn Write) -> std::io::Result<()> {
        let mut limits = self.limits.iter();
        limits.try_for_each(|InForce { limit, value, place, .. }| {
            writeln!(out, "      {FAINT}{limit:<17} {value:>14}  {place}{FAINT:#}")
        })
    }
}

impl Step {
    fn print(&self, out: &mut dyn Write) -> std::io::Result<()> {
        let (ansi, mark) = match self.verdict.as_str() {
            "permit" => (YES, "✓"),
            "deny" => (NO, "✗"),
            "not_reached" => (FAINT, "·"),
            _ => (FAINT, "i"),
        };
        let rule = if self.rule.is_empty() { "not reached".to_owned() } else { plain(&self.rule) };
        // Only what decided stands out.
        let text = if self.verdict == "permit" { Ansi::new() } else { ansi };
        writeln!(out, "  {ansi}{mark}{ansi:#} {:<12} {text}{rule}{text:#}", self.name)?;
        if !self.place.is_empty() {
            writeln!(out, "      {FAINT}at {}{FAINT:#}", plain(&self.place))?;
        }
        if !self.hint.is_empty() {
            writeln!(out, "      {ansi}do{ansi:#} {}", plain(&self.hint))?;
        }
        Ok(())
    }
}
