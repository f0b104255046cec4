//! Messages of the approval service.

use airlock_model::{Approval, ApprovalId, ApprovalState, Decided, Executed, Execution, Terms};
use airlock_proto::v1;
use airlock_service::{AffectedTable, ApprovalFilter, Page, Preview, Shown, SimilarApproval};

use super::{optional_name, timestamp};
use crate::status::Refusal;

pub(crate) fn approval_id(text: &str) -> Result<ApprovalId, Refusal> {
    text.parse().map_err(|why| {
        let hint = "send an `id` as an error or List gave it";
        Refusal::malformed("id", format!("field `id`: {why}"), hint)
    })
}

pub(crate) fn approval_filter(asked: &v1::ApprovalServiceListRequest) -> Result<ApprovalFilter, Refusal> {
    Ok(ApprovalFilter {
        function: optional_name("function", &asked.function)?,
        resource: optional_name("resource", &asked.resource)?,
        state: optional_state(&asked.state)?,
    })
}

fn optional_state(text: &str) -> Result<Option<ApprovalState>, Refusal> {
    if text.is_empty() {
        return Ok(None);
    }
    ApprovalState::ALL.into_iter().find(|state| state.as_str() == text).map(Some).ok_or_else(|| {
        let known = ApprovalState::ALL.map(ApprovalState::as_str).join(", ");
        Refusal::malformed("state", format!("field `state`: the states are {known}"), "send one of them, or none")
    })
}

pub(crate) fn terms(asked: &v1::ApproveRequest) -> Terms {
    let v1::ApproveRequest { rows_max, expires_after_s, times, repeat_for_s, .. } = *asked;
    Terms { rows_max, expires_after_s, times, repeat_for_s }
}

pub(crate) fn list_approvals_response(page: Page<Shown>) -> v1::ApprovalServiceListResponse {
    v1::ApprovalServiceListResponse {
        next_page_token: page.next.map(|token| token.to_string()).unwrap_or_default(),
        approvals: page.items.into_iter().map(|shown| approval(shown.approval, shown.state)).collect(),
    }
}

pub(crate) fn get_approval_response(shown: Shown, similar: Option<SimilarApproval>) -> v1::ApprovalServiceGetResponse {
    let (similar_id, diff) = similar.map(|similar| (similar.id.to_string(), similar.diff)).unwrap_or_default();
    v1::ApprovalServiceGetResponse { approval: Some(approval(shown.approval, shown.state)), similar_id, diff }
}

/// An approval right after somebody decided.
pub(crate) fn decided(decided: Approval) -> v1::Approval {
    let state = decided.progress.state;
    approval(decided, state)
}

pub(crate) fn preview_response(preview: Preview) -> v1::PreviewResponse {
    let table =
        |AffectedTable { name, inserted, updated, deleted }| v1::AffectedTable { name, inserted, updated, deleted };
    v1::PreviewResponse {
        affected: preview.affected,
        tables: preview.tables.into_iter().map(table).collect(),
        columns: preview.columns,
        sample: preview.sample.into_iter().map(|values| v1::MaskedRow { values }).collect(),
    }
}

fn approval(approval: Approval, state: ApprovalState) -> v1::Approval {
    let scope = approval.asked.scope().as_str().to_owned();
    let Approval { id, asked, effect, parameters, authors, revision, progress, .. } = approval;
    let mut shown = v1::Approval {
        id: id.to_string(),
        state: state.as_str().to_owned(),
        scope,
        environment: asked.environment.to_string(),
        function: asked.function.to_string(),
        resource: asked.resource.to_string(),
        language: asked.language.as_str().to_owned(),
        text: asked.text,
        class: effect.class.map(|class| class.as_str().to_owned()).unwrap_or_default(),
        destructive: effect.is_destructive,
        counts_rows: effect.counts_rows,
        tables: effect.tables,
        columns: effect.columns,
        authors,
        revision,
        parameters: parameters.unwrap_or_default(),
        request_time: Some(timestamp(approval.requested_unix_ms)),
        expire_time: progress.expires_unix_ms.map(timestamp),
        rows_max: approval.rows_max,
        uses_left: progress.uses_left,
        follows_unknown: approval.follows_unknown.map(String::from).unwrap_or_default(),
        ..v1::Approval::default()
    };
    if let Some(execution) = asked.execution {
        say_whose(&mut shown, execution);
    }
    if let Some(Decided { by, time_unix_ms, reason }) = approval.decided {
        (shown.decided_by, shown.decide_time) = (by, Some(timestamp(time_unix_ms)));
        shown.reason = reason.unwrap_or_default();
    }
    if let Some(Executed { outcome, rows }) = approval.executed {
        (shown.outcome, shown.rows) = (outcome, rows);
    }
    shown
}

fn say_whose(shown: &mut v1::Approval, execution: Execution) {
    let Execution { revision, app, subject, actor, parameters_sha256 } = execution;
    (shown.revision, shown.app, shown.subject) = (revision, app.to_string(), subject);
    (shown.actor, shown.parameters_sha256) = (actor.unwrap_or_default(), parameters_sha256.to_string());
}
