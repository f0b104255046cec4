//! `airlock approvals`: what waits for a person, and what is said about it.

mod printed;

use std::process::ExitCode;

use airlock_proto::v1::{
    Approval, ApprovalServiceGetRequest, ApprovalServiceListRequest, ApproveRequest, PreviewRequest, RejectRequest,
    RevokeRequest,
};

use crate::{
    args::{
        ApprovalOptions, ApprovalsCommand, ApproveOptions, ListApprovalsOptions, PreviewOptions, RejectOptions,
        RevokeOptions,
    },
    client::{Client, Rejected, text_argument},
    output::{self, Style},
};
use printed::{Printed, PrintedPreview};

/// Rows of one page.
const PAGE: i32 = 100;

/// Runs one of them.
pub async fn run(command: ApprovalsCommand, style: Style) -> anyhow::Result<ExitCode> {
    match command {
        ApprovalsCommand::List(options) => list(options, style).await,
        ApprovalsCommand::Show(options) => show(&options, style).await,
        ApprovalsCommand::Preview(options) => preview(&options, style).await,
        ApprovalsCommand::Approve(options) => approve(&options, style).await,
        ApprovalsCommand::Reject(options) => reject(options, style).await,
        ApprovalsCommand::Revoke(options) => revoke(options, style).await,
    }
}

async fn list(options: ListApprovalsOptions, style: Style) -> anyhow::Result<ExitCode> {
    let client = Client::to_control(&options.control).await?;
    let mut asked = ApprovalServiceListRequest {
        environment: client.environment(),
        function: options.function.unwrap_or_default(),
        resource: options.resource.unwrap_or_default(),
        state: options.state.unwrap_or_default(),
        page_size: PAGE,
        page_token: String::new(),
    };
    let mut listed: Vec<Printed> = Vec::new();
    loop {
        let request = client.request(asked.clone());
        let page = client.approvals().list(request).await.map_err(Rejected::from)?.into_inner();
        listed.extend(page.approvals.into_iter().map(Printed::from));
        asked.page_token = page.next_page_token;
        if asked.page_token.is_empty() {
            break;
        }
    }
    style.print(&listed, |out| listed.iter().try_for_each(|one| one.line(out)))?;
    Ok(ExitCode::SUCCESS)
}

async fn show(options: &ApprovalOptions, style: Style) -> anyhow::Result<ExitCode> {
    let client = Client::to_control(&options.control).await?;
    let environment = client.environment();
    let request = client.request(ApprovalServiceGetRequest { environment, id: options.id.clone() });
    let found = client.approvals().get(request).await.map_err(Rejected::from)?.into_inner();
    let mut printed = Printed::from(found.approval.unwrap_or_default());
    (printed.similar_id, printed.diff) = (found.similar_id, found.diff);
    style.print(&printed, |out| printed.whole(out))?;
    Ok(ExitCode::SUCCESS)
}

async fn preview(options: &PreviewOptions, style: Style) -> anyhow::Result<ExitCode> {
    let parameters = options.parameters.as_deref().map(text_argument).transpose()?.unwrap_or_default();
    let ApprovalOptions { id, control } = &options.approval;
    let client = Client::to_control(control).await?;
    let environment = client.environment();
    output::progress("Trying", format!("{id}; it is rolled back"));
    let request = client.request(PreviewRequest { environment, id: id.clone(), parameters });
    let seen = client.approvals().preview(request).await.map_err(Rejected::from)?.into_inner();
    let printed = PrintedPreview::from(seen);
    style.print(&printed, |out| printed.whole(out))?;
    Ok(ExitCode::SUCCESS)
}

async fn approve(options: &ApproveOptions, style: Style) -> anyhow::Result<ExitCode> {
    let ApprovalOptions { id, control } = &options.approval;
    let client = Client::to_control(control).await?;
    let request = client.request(ApproveRequest {
        environment: client.environment(),
        id: id.clone(),
        rows_max: options.rows_max,
        expires_after_s: options.expires_after_s,
        times: options.times,
        repeat_for_s: options.repeat_for_s,
    });
    let answer = client.approvals().approve(request).await.map_err(Rejected::from)?.into_inner();
    said("Approved", answer.approval, style)
}

async fn reject(options: RejectOptions, style: Style) -> anyhow::Result<ExitCode> {
    let ApprovalOptions { id, control } = options.approval;
    let client = Client::to_control(&control).await?;
    let environment = client.environment();
    let request = client.request(RejectRequest { environment, id, reason: options.reason });
    let answer = client.approvals().reject(request).await.map_err(Rejected::from)?.into_inner();
    said("Rejected", answer.approval, style)
}

async fn revoke(options: RevokeOptions, style: Style) -> anyhow::Result<ExitCode> {
    let ApprovalOptions { id, control } = options.approval;
    let client = Client::to_control(&control).await?;
    let environment = client.environment();
    let request = client.request(RevokeRequest { environment, id, reason: options.reason });
    let answer = client.approvals().revoke(request).await.map_err(Rejected::from)?.into_inner();
    said("Revoked", answer.approval, style)
}

fn said(verb: &str, approval: Option<Approval>, style: Style) -> anyhow::Result<ExitCode> {
    let printed = Printed::from(approval.unwrap_or_default());
    output::progress(verb, &printed.id);
    style.print(&printed, |out| printed.line(out))?;
    Ok(ExitCode::SUCCESS)
}
