//! What waits for a person, and what is said about it.

use clap::{Args, Subcommand};

use super::ControlOptions;

#[derive(Subcommand)]
pub enum ApprovalsCommand {
    /// List approvals and requests for them, newest first. Needs `approval:read`.
    List(ListApprovalsOptions),
    /// Show one: what it changes, who wrote it, and what is new about it. Needs `approval:read`.
    Show(ApprovalOptions),
    /// Run its statement in a transaction that is rolled back, and show what it would change. Needs `approval:decide`.
    Preview(PreviewOptions),
    /// Say yes. Needs `approval:decide`, and another person than the author unless the environment allows it.
    Approve(ApproveOptions),
    /// Say no; the function and its author are told why. Needs `approval:decide`.
    Reject(RejectOptions),
    /// Take an approval back. Needs `approval:decide`.
    Revoke(RevokeOptions),
}

#[derive(Args)]
pub struct ListApprovalsOptions {
    /// Only those of this function.
    #[arg(long)]
    pub function: Option<String>,
    /// Only those on this resource.
    #[arg(long)]
    pub resource: Option<String>,
    /// Only those in this state: `pending`, `approved`, `executing`, `used`, `unknown`, `rejected`, `expired`, `revoked`.
    #[arg(long)]
    pub state: Option<String>,
    #[command(flatten)]
    pub control: ControlOptions,
}

#[derive(Args)]
pub struct ApprovalOptions {
    /// Its name, as an error or the list gave it.
    pub id: String,
    #[command(flatten)]
    pub control: ControlOptions,
}

#[derive(Args)]
pub struct PreviewOptions {
    #[command(flatten)]
    pub approval: ApprovalOptions,
    /// The parameters to run it with: a JSON array, `@file`, or `-` for standard input. Without them, its own.
    #[arg(long)]
    pub parameters: Option<String>,
}

#[derive(Args)]
pub struct ApproveOptions {
    #[command(flatten)]
    pub approval: ApprovalOptions,
    /// Roll back whatever changes more rows than this.
    #[arg(long, value_name = "N")]
    pub rows_max: Option<u64>,
    /// End after so many seconds.
    #[arg(long, value_name = "SECONDS")]
    pub expires_after_s: Option<u64>,
    /// For an execution: so many times, where the environment allows it.
    #[arg(long, value_name = "N")]
    pub times: Option<u32>,
    /// For an execution: as often as it is asked for within so many seconds, where the environment allows it.
    #[arg(long, value_name = "SECONDS")]
    pub repeat_for_s: Option<u64>,
}

#[derive(Args)]
pub struct RejectOptions {
    #[command(flatten)]
    pub approval: ApprovalOptions,
    /// What has to change.
    #[arg(long)]
    pub reason: String,
}

#[derive(Args)]
pub struct RevokeOptions {
    #[command(flatten)]
    pub approval: ApprovalOptions,
    /// Why.
    #[arg(long, default_value = "")]
    pub reason: String,
}
