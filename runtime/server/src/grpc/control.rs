//! `FunctionService` and `AuditService` over the application.

use std::sync::Arc;

use airlock_proto::v1;
use http::HeaderMap;
use tonic::{Request, Response, Status, async_trait};

use super::{answer, split};
use crate::{
    application::{Application, ControlCall},
    request,
    status::Refusal,
    wire,
};

/// The control plane of one application.
pub(crate) struct Control<A>(pub(crate) Arc<A>);

fn with_bearer<R>(headers: &HeaderMap, request: R) -> ControlCall<R> {
    ControlCall { bearer: request::bearer(headers).map(ToOwned::to_owned), request }
}

#[async_trait]
impl<A: Application> v1::function_service_server::FunctionService for Control<A> {
    async fn check(&self, request: Request<v1::CheckRequest>) -> Result<Response<v1::CheckResponse>, Status> {
        let (headers, message) = split(request);
        let v1::CheckRequest { environment, manifest_toml, component, sources } = message;
        let call = async {
            let asked = v1::DeployRequest { environment, manifest_toml, component, sources };
            Ok(self.0.check(with_bearer(&headers, wire::deploy_request(asked)?)).await?)
        };
        answer(&headers, call, wire::check_response).await
    }

    async fn deploy(&self, request: Request<v1::DeployRequest>) -> Result<Response<v1::DeployResponse>, Status> {
        let (headers, asked) = split(request);
        let call = async { Ok(self.0.deploy(with_bearer(&headers, wire::deploy_request(asked)?)).await?) };
        answer(&headers, call, wire::deploy_response).await
    }

    async fn get(
        &self,
        request: Request<v1::FunctionServiceGetRequest>,
    ) -> Result<Response<v1::FunctionServiceGetResponse>, Status> {
        let (headers, asked) = split(request);
        let call = async { Ok(self.0.get(with_bearer(&headers, wire::get_request(&asked)?)).await?) };
        answer(&headers, call, wire::get_response).await
    }

    async fn list(
        &self,
        request: Request<v1::FunctionServiceListRequest>,
    ) -> Result<Response<v1::FunctionServiceListResponse>, Status> {
        let (headers, asked) = split(request);
        let call = async { Ok(self.0.list(with_bearer(&headers, wire::list_request(asked)?)).await?) };
        answer(&headers, call, wire::list_response).await
    }

    async fn list_revisions(
        &self,
        request: Request<v1::ListRevisionsRequest>,
    ) -> Result<Response<v1::ListRevisionsResponse>, Status> {
        let (headers, asked) = split(request);
        let call = async {
            let call = with_bearer(&headers, wire::list_revisions_request(asked)?);
            Ok(self.0.list_revisions(call).await?)
        };
        answer(&headers, call, wire::list_revisions_response).await
    }
}

#[async_trait]
impl<A: Application> v1::audit_service_server::AuditService for Control<A> {
    async fn query(
        &self,
        request: Request<v1::AuditServiceQueryRequest>,
    ) -> Result<Response<v1::AuditServiceQueryResponse>, Status> {
        let (headers, asked) = split(request);
        let call = async {
            let found = self.0.audit_query(with_bearer(&headers, wire::audit_query(asked)?)).await?;
            wire::audit_response(found).map_err(|why| Refusal::from(airlock_model::Failure::internal(why)))
        };
        answer(&headers, call, |response| response).await
    }
}
