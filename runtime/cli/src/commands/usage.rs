//! `airlock usage`: what calls used, by whom, and what nobody uses.

mod adoption;
mod charts;
mod csv;
mod headroom;
mod quantities;
mod report;
mod served;
mod source;
mod span;
mod table;
mod unused;
pub mod unused_grants;
mod verify;

use std::process::ExitCode;

use crate::{
    args::{UsageCommand, UsageOptions},
    output::Style,
};

/// Reports.
pub async fn run(options: UsageOptions, style: Style) -> anyhow::Result<ExitCode> {
    match options.command {
        None => report::run(&options.report, style).await,
        Some(UsageCommand::Adoption(options)) => adoption::run(&options, style).await,
        Some(UsageCommand::Unused(options)) => unused::run(&options, style).await,
        Some(UsageCommand::UnusedGrants(options)) => unused_grants::run(&options, style).await,
        Some(UsageCommand::Headroom(options)) => headroom::run(&options, style).await,
        Some(UsageCommand::Verify(options)) => verify::run(&options, style).await,
    }
}
