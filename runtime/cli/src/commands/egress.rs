//! `airlock egress explain`: what a binding makes of a request, without sending it.

use std::{io::Write, process::ExitCode};

use airlock_service::{App, Config, EgressDecision, EgressQuestion, EgressVerdict};

use crate::{
    args::{EgressCommand, EgressOptions},
    output::{EXIT_REFUSED, Style},
};

/// Runs one subcommand.
pub async fn run(command: EgressCommand, style: Style) -> anyhow::Result<ExitCode> {
    let EgressCommand::Explain(options) = command;
    let EgressOptions { resource, environment, config, method, url } = &options;
    let config = Config::load(config)?;
    let verdict = App::explain_egress(&config, EgressQuestion { resource, environment, method, url }).await?;
    style.print(&verdict, |out| print(out, &verdict))?;
    Ok(match verdict.decision {
        EgressDecision::Allow => ExitCode::SUCCESS,
        EgressDecision::Deny => ExitCode::from(EXIT_REFUSED),
    })
}

fn print(out: &mut dyn Write, verdict: &EgressVerdict) -> std::io::Result<()> {
    let decision = match verdict.decision {
        EgressDecision::Allow => "allow",
        EgressDecision::Deny => "deny",
    };
    writeln!(out, "decision  {decision}")?;
    writeln!(out, "rule      {}", verdict.rule)?;
    if let Some(address) = &verdict.address {
        writeln!(out, "address   {address}")?;
    }
    verdict.why.iter().try_for_each(|step| writeln!(out, "because   {step}"))
}
