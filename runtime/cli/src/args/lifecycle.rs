//! What happens to a function after its deploy.

use std::path::PathBuf;

use clap::Args;

use super::ControlOptions;

#[derive(Args)]
pub struct PromoteOptions {
    /// The function's name.
    pub function: String,
    /// The environment it comes from. Where it goes is --environment, which the token has to be for.
    #[arg(long)]
    pub from: String,
    /// The revision there, by its digest or the first 8 digits and more; without it, what is live there.
    #[arg(long, value_name = "DIGEST")]
    pub revision: Option<String>,
    /// Give it only this many of a hundred calls, beside what is live; `airlock alias` changes the share.
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=100))]
    pub percent: u32,
    #[command(flatten)]
    pub control: ControlOptions,
}

#[derive(Args)]
pub struct RollbackOptions {
    /// The function's name.
    pub function: String,
    /// The revision to go to, by its digest or the first 8 digits and more; without it, the one that was live before.
    #[arg(long, value_name = "DIGEST")]
    pub to: Option<String>,
    #[command(flatten)]
    pub control: ControlOptions,
}

#[derive(Args)]
pub struct AliasOptions {
    /// The function's name.
    pub function: String,
    /// `live` for shares beside what is live, or a name that callers give: `airlock invoke --alias`.
    pub alias: String,
    /// Revisions, by their digests or the first 8 digits and more, with their shares of a hundred calls; none removes the alias.
    #[arg(value_name = "DIGEST=PERCENT")]
    pub shares: Vec<String>,
    #[command(flatten)]
    pub control: ControlOptions,
}

#[derive(Args)]
pub struct DisableOptions {
    /// The function's name.
    pub function: String,
    /// Why, for those who call it.
    #[arg(long)]
    pub reason: String,
    #[command(flatten)]
    pub control: ControlOptions,
}

#[derive(Args)]
pub struct FunctionOptions {
    /// The function's name.
    pub function: String,
    #[command(flatten)]
    pub control: ControlOptions,
}

#[derive(Args)]
pub struct FunctionsOptions {
    /// Show one function whole: its aliases, and what it may say to its resources.
    pub function: Option<String>,
    #[command(flatten)]
    pub control: ControlOptions,
}

#[derive(Args)]
pub struct BindingsOptions {
    /// The function that was called where nothing has to be listed.
    #[arg(long, value_name = "FUNCTION")]
    pub from_recording: String,
    /// Write the file there, for instance beside `function.toml`, instead of printing it.
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,
    #[command(flatten)]
    pub control: ControlOptions,
}
