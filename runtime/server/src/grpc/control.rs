//! `FunctionService` and `AuditService` over the application.

use std::sync::Arc;

use airlock_model::{Failure, Reason};
use airlock_proto::v1;
use airlock_service::FunctionChange;
use futures::{
    StreamExt as _,
    stream::{self, BoxStream},
};
use tokio::time::sleep;
use tonic::{Request, Response, Status, async_trait};

use super::{Around, answer, split};
use crate::{
    application::Application,
    request,
    status::{self, Refusal},
    wire,
};

/// The control plane of one application.
pub(crate) struct Control<A>(pub(crate) Arc<A>);

#[async_trait]
impl<A: Application> v1::function_service_server::FunctionService for Control<A> {
    async fn check(&self, request: Request<v1::CheckRequest>) -> Result<Response<v1::CheckResponse>, Status> {
        let (around, message) = split(request);
        let v1::CheckRequest { environment, manifest_toml, component, sources, signature } = message;
        let call = async {
            let asked = v1::DeployRequest { environment, manifest_toml, component, sources, signature };
            Ok(self.0.check(around.bearer(), wire::upload(asked)?).await?)
        };
        answer(&around, call, wire::check_response).await
    }

    async fn deploy(&self, request: Request<v1::DeployRequest>) -> Result<Response<v1::DeployResponse>, Status> {
        let (around, asked) = split(request);
        let call = async { Ok(self.0.deploy(around.bearer(), wire::upload(asked)?).await?) };
        answer(&around, call, wire::deploy_response).await
    }

    async fn get(
        &self,
        request: Request<v1::FunctionServiceGetRequest>,
    ) -> Result<Response<v1::FunctionServiceGetResponse>, Status> {
        let (around, asked) = split(request);
        let call = async {
            let function = wire::name("function", &asked.function)?;
            let environment = wire::name("environment", &asked.environment)?;
            Ok(self.0.get(around.bearer(), function, environment).await?)
        };
        answer(&around, call, wire::get_response).await
    }

    async fn list(
        &self,
        request: Request<v1::FunctionServiceListRequest>,
    ) -> Result<Response<v1::FunctionServiceListResponse>, Status> {
        let (around, asked) = split(request);
        let call = async {
            let environment = wire::name("environment", &asked.environment)?;
            let page = wire::page(asked.page_size, &asked.page_token)?;
            Ok(self.0.list(around.bearer(), environment, page).await?)
        };
        answer(&around, call, wire::list_response).await
    }

    async fn list_revisions(
        &self,
        request: Request<v1::ListRevisionsRequest>,
    ) -> Result<Response<v1::ListRevisionsResponse>, Status> {
        let (around, asked) = split(request);
        let call = async {
            let function = wire::name("function", &asked.function)?;
            let environment = wire::name("environment", &asked.environment)?;
            let page = wire::page(asked.page_size, &asked.page_token)?;
            Ok(self.0.list_revisions(around.bearer(), function, environment, page).await?)
        };
        answer(&around, call, wire::list_revisions_response).await
    }

    async fn list_candidates(
        &self,
        request: Request<v1::ListCandidatesRequest>,
    ) -> Result<Response<v1::ListCandidatesResponse>, Status> {
        let (around, asked) = split(request);
        let call = async {
            let function = wire::name("function", &asked.function)?;
            let environment = wire::name("environment", &asked.environment)?;
            Ok(self.0.list_candidates(around.bearer(), function, environment).await?)
        };
        answer(&around, call, wire::list_candidates_response).await
    }

    async fn promote(&self, request: Request<v1::PromoteRequest>) -> Result<Response<v1::PromoteResponse>, Status> {
        let (around, asked) = split(request);
        let call = async { Ok(self.0.promote(around.bearer(), wire::promotion(&asked)?).await?) };
        answer(&around, call, wire::promote_response).await
    }

    async fn rollback(&self, request: Request<v1::RollbackRequest>) -> Result<Response<v1::RollbackResponse>, Status> {
        let (around, asked) = split(request);
        let call = self.change(&around, &asked.function, &asked.environment, wire::rollback(&asked));
        answer(&around, call, |function| v1::RollbackResponse { function }).await
    }

    async fn set_alias(&self, request: Request<v1::SetAliasRequest>) -> Result<Response<v1::SetAliasResponse>, Status> {
        let (around, asked) = split(request);
        let call = self.change(&around, &asked.function, &asked.environment, wire::set_alias(&asked));
        answer(&around, call, |function| v1::SetAliasResponse { function }).await
    }

    async fn disable(&self, request: Request<v1::DisableRequest>) -> Result<Response<v1::DisableResponse>, Status> {
        let (around, asked) = split(request);
        let change = Ok(FunctionChange::Disable(asked.reason));
        let call = self.change(&around, &asked.function, &asked.environment, change);
        answer(&around, call, |function| v1::DisableResponse { function }).await
    }

    async fn enable(&self, request: Request<v1::EnableRequest>) -> Result<Response<v1::EnableResponse>, Status> {
        let (around, asked) = split(request);
        let call = self.change(&around, &asked.function, &asked.environment, Ok(FunctionChange::Enable));
        answer(&around, call, |function| v1::EnableResponse { function }).await
    }

    async fn delete(
        &self,
        request: Request<v1::FunctionServiceDeleteRequest>,
    ) -> Result<Response<v1::FunctionServiceDeleteResponse>, Status> {
        let (around, asked) = split(request);
        let call = self.change(&around, &asked.function, &asked.environment, Ok(FunctionChange::Delete));
        answer(&around, call, |_| v1::FunctionServiceDeleteResponse {}).await
    }
}

impl<A: Application> Control<A> {
    /// One change to a function, and what callers meet afterwards.
    async fn change(
        &self,
        around: &Around,
        function: &str,
        environment: &str,
        change: Result<FunctionChange, Refusal>,
    ) -> Result<Option<v1::Function>, Refusal> {
        let (function, environment) = (wire::name("function", function)?, wire::name("environment", environment)?);
        let live = self.0.change_function(around.bearer(), function, environment, change?).await?;
        Ok(wire::changed(live))
    }
}

#[async_trait]
impl<A: Application> v1::audit_service_server::AuditService for Control<A> {
    async fn query(
        &self,
        request: Request<v1::AuditServiceQueryRequest>,
    ) -> Result<Response<v1::AuditServiceQueryResponse>, Status> {
        let (around, asked) = split(request);
        let call = async {
            let query = wire::audit_query(asked)?;
            let found = self.0.audit_query(around.bearer(), query.environment, query.filter).await?;
            wire::audit_response(found).map_err(|why| Refusal::from(Failure::internal(why)))
        };
        answer(&around, call, |response| response).await
    }

    type TailStream = BoxStream<'static, Result<v1::AuditServiceTailResponse, Status>>;

    async fn tail(&self, request: Request<v1::AuditServiceTailRequest>) -> Result<Response<Self::TailStream>, Status> {
        let (around, asked) = split(request);
        let id = around.id().to_owned();
        let begun = async {
            let left = request::deadline(&around.headers)?;
            let query = wire::audit_tail(asked)?;
            Ok((left, self.0.audit_tail(around.bearer(), query.environment, query.filter).await?))
        };
        let (left, pages) = begun.await.map_err(|refusal: Refusal| status::status(refusal, &id))?;
        let pages = match left {
            Some(left) => pages.take_until(sleep(left)).chain(stream::once(async { Err(deadline_passed()) })).boxed(),
            None => pages,
        };
        let messages = pages.map(move |page| {
            let message = page.and_then(|page| wire::tail_response(page).map_err(Failure::internal));
            message.map_err(|failure| status::status(failure, &id))
        });
        Ok(Response::new(messages.boxed()))
    }

    async fn checkpoint(
        &self,
        request: Request<v1::AuditServiceCheckpointRequest>,
    ) -> Result<Response<v1::AuditServiceCheckpointResponse>, Status> {
        let (around, asked) = split(request);
        let call = async {
            let environment = wire::name("environment", &asked.environment)?;
            Ok(self.0.audit_checkpoint(around.bearer(), environment).await?)
        };
        answer(&around, call, wire::checkpoint_response).await
    }

    async fn verify(
        &self,
        request: Request<v1::AuditServiceVerifyRequest>,
    ) -> Result<Response<v1::AuditServiceVerifyResponse>, Status> {
        let (around, asked) = split(request);
        let call = async {
            let (environment, checkpoints) = wire::audit_verify(asked)?;
            Ok(self.0.audit_verify(around.bearer(), environment, checkpoints).await?)
        };
        answer(&around, call, |report| wire::verify_response(&report)).await
    }

    async fn erase(
        &self,
        request: Request<v1::AuditServiceEraseRequest>,
    ) -> Result<Response<v1::AuditServiceEraseResponse>, Status> {
        let (around, asked) = split(request);
        let call = async {
            let asked = wire::audit_erase(asked)?;
            Ok(self.0.audit_erase(around.bearer(), asked.environment, asked.erasure, asked.why).await?)
        };
        answer(&around, call, wire::erase_response).await
    }
}

fn deadline_passed() -> Failure {
    let hint = "follow again, after the last record that was seen";
    Failure::new(Reason::TimeExhausted, "the caller's deadline passed", hint)
}
