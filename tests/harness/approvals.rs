//! Approvals as tests want them.

use airlock_proto::v1::{
    Approval, ApprovalServiceGetRequest, ApprovalServiceGetResponse, ApprovalServiceListRequest, ApproveRequest,
    RejectRequest, RevokeRequest,
};
use serde_json::Value;
use tonic::Status;

use crate::{Harness, tokens::TokenSpec, with_token};

/// The name of the approval that a denial of the probe speaks of.
pub fn approval_in(answer: &Value) -> String {
    let error = answer.get("error").unwrap_or_else(|| panic!("no denial: {answer}"));
    let rule = error["rule"].as_str().unwrap_or_default();
    let start = rule.find("ap-").unwrap_or_else(|| panic!("no approval: {answer}"));
    rule[start..].chars().take("ap-".len() + 32).collect()
}

/// May look and decide, and wrote nothing.
pub fn approver(environment: &str) -> TokenSpec {
    TokenSpec::control_with(&["approval:read", "approval:decide"]).environment(environment).subject("grace@example.com")
}

impl Harness {
    pub async fn approve(&self, spec: &TokenSpec, id: &str) -> Result<Approval, Status> {
        self.approve_with(spec, ApproveRequest { id: id.to_owned(), ..ApproveRequest::default() }).await
    }

    /// Approves within the terms of `request`.
    pub async fn approve_with(&self, spec: &TokenSpec, request: ApproveRequest) -> Result<Approval, Status> {
        let request = ApproveRequest { environment: spec.environment_name().to_owned(), ..request };
        let answer = self.approvals().approve(with_token(request, &self.token(spec))).await?;
        Ok(answer.into_inner().approval.expect("an approval"))
    }

    pub async fn reject(&self, spec: &TokenSpec, id: &str, reason: &str) -> Result<Approval, Status> {
        let (environment, id, reason) = (spec.environment_name().to_owned(), id.to_owned(), reason.to_owned());
        let request = RejectRequest { environment, id, reason };
        let answer = self.approvals().reject(with_token(request, &self.token(spec))).await?;
        Ok(answer.into_inner().approval.expect("an approval"))
    }

    pub async fn revoke(&self, spec: &TokenSpec, id: &str) -> Result<Approval, Status> {
        let (environment, id) = (spec.environment_name().to_owned(), id.to_owned());
        let request = RevokeRequest { environment, id, reason: String::new() };
        let answer = self.approvals().revoke(with_token(request, &self.token(spec))).await?;
        Ok(answer.into_inner().approval.expect("an approval"))
    }

    pub async fn approval(&self, spec: &TokenSpec, id: &str) -> Result<ApprovalServiceGetResponse, Status> {
        let request = ApprovalServiceGetRequest { environment: spec.environment_name().to_owned(), id: id.to_owned() };
        self.approvals().get(with_token(request, &self.token(spec))).await.map(tonic::Response::into_inner)
    }

    /// Those in a state, at most 100.
    pub async fn approvals_in(&self, spec: &TokenSpec, state: &str) -> Vec<Approval> {
        let request = ApprovalServiceListRequest {
            environment: spec.environment_name().to_owned(),
            state: state.to_owned(),
            page_size: 100,
            ..ApprovalServiceListRequest::default()
        };
        let listed = self.approvals().list(with_token(request, &self.token(spec))).await.expect("listed");
        listed.into_inner().approvals
    }
}
