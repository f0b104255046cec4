//! `ApprovalService` over the application.

use airlock_model::Approval;
use airlock_proto::v1;
use airlock_service::Decision;
use tonic::{Request, Response, Status, async_trait};

use super::{Around, Control, answer, split};
use crate::{application::Application, status::Refusal, wire};

/// Approvals of one page: each can have a text of 64 KiB.
const PAGE_MAX: i32 = 100;

#[async_trait]
impl<A: Application> v1::approval_service_server::ApprovalService for Control<A> {
    async fn list(
        &self,
        request: Request<v1::ApprovalServiceListRequest>,
    ) -> Result<Response<v1::ApprovalServiceListResponse>, Status> {
        let (around, asked) = split(request);
        let call = async {
            let environment = wire::name("environment", &asked.environment)?;
            let page = wire::page(asked.page_size.min(PAGE_MAX), &asked.page_token)?;
            let filter = wire::approval_filter(&asked)?;
            Ok(self.0.list_approvals(around.bearer(), environment, filter, page).await?)
        };
        answer(&around, call, wire::list_approvals_response).await
    }

    async fn get(
        &self,
        request: Request<v1::ApprovalServiceGetRequest>,
    ) -> Result<Response<v1::ApprovalServiceGetResponse>, Status> {
        let (around, asked) = split(request);
        let call = async {
            let environment = wire::name("environment", &asked.environment)?;
            Ok(self.0.get_approval(around.bearer(), environment, wire::approval_id(&asked.id)?).await?)
        };
        answer(&around, call, |(shown, similar)| wire::get_approval_response(shown, similar)).await
    }

    async fn preview(&self, request: Request<v1::PreviewRequest>) -> Result<Response<v1::PreviewResponse>, Status> {
        let (around, asked) = split(request);
        let call = async {
            let environment = wire::name("environment", &asked.environment)?;
            let id = wire::approval_id(&asked.id)?;
            let parameters = Some(asked.parameters).filter(|text| !text.is_empty());
            Ok(self.0.preview_approval(around.bearer(), environment, id, parameters).await?)
        };
        answer(&around, call, wire::preview_response).await
    }

    async fn approve(&self, request: Request<v1::ApproveRequest>) -> Result<Response<v1::ApproveResponse>, Status> {
        let (around, asked) = split(request);
        let call = self.decide(&around, &asked.environment, &asked.id, Decision::Approve(wire::terms(&asked)));
        answer(&around, call, |approval| v1::ApproveResponse { approval: Some(wire::decided(approval)) }).await
    }

    async fn reject(&self, request: Request<v1::RejectRequest>) -> Result<Response<v1::RejectResponse>, Status> {
        let (around, asked) = split(request);
        let call = self.decide(&around, &asked.environment, &asked.id, Decision::Reject(asked.reason));
        answer(&around, call, |approval| v1::RejectResponse { approval: Some(wire::decided(approval)) }).await
    }

    async fn revoke(&self, request: Request<v1::RevokeRequest>) -> Result<Response<v1::RevokeResponse>, Status> {
        let (around, asked) = split(request);
        let call = self.decide(&around, &asked.environment, &asked.id, Decision::Revoke(asked.reason));
        answer(&around, call, |approval| v1::RevokeResponse { approval: Some(wire::decided(approval)) }).await
    }
}

impl<A: Application> Control<A> {
    async fn decide(
        &self,
        around: &Around,
        environment: &str,
        id: &str,
        decision: Decision,
    ) -> Result<Approval, Refusal> {
        let (environment, id) = (wire::name("environment", environment)?, wire::approval_id(id)?);
        Ok(self.0.decide_approval(around.bearer(), environment, id, decision).await?)
    }
}
