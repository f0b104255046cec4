//! `TokenService` over the application.

use airlock_model::RevocationId;
use airlock_proto::v1;
use tonic::{Request, Response, Status, async_trait};

use super::{Control, answer, split};
use crate::{application::Application, wire};

#[async_trait]
impl<A: Application> v1::token_service_server::TokenService for Control<A> {
    async fn exchange(&self, request: Request<v1::ExchangeRequest>) -> Result<Response<v1::ExchangeResponse>, Status> {
        let (mut around, asked) = split(request);
        let sender = around.sender.take().unwrap_or_default();
        let call = async { Ok(self.0.exchange(wire::exchange(&asked)?, sender).await?) };
        answer(&around, call, wire::exchange_response).await
    }

    async fn attenuate(
        &self,
        request: Request<v1::AttenuateRequest>,
    ) -> Result<Response<v1::AttenuateResponse>, Status> {
        let (around, asked) = split(request);
        let call = async { Ok(self.0.attenuate(around.bearer(), wire::attenuation(&asked)?).await?) };
        answer(&around, call, wire::attenuate_response).await
    }

    async fn revoke(
        &self,
        request: Request<v1::TokenServiceRevokeRequest>,
    ) -> Result<Response<v1::TokenServiceRevokeResponse>, Status> {
        let (around, asked) = split(request);
        let call = async {
            let environment = wire::name("environment", &asked.environment)?;
            Ok(self.0.revoke(around.bearer(), environment, wire::revocation_request(asked)?).await?)
        };
        answer(&around, call, wire::revoke_response).await
    }

    async fn list_revocations(
        &self,
        request: Request<v1::ListRevocationsRequest>,
    ) -> Result<Response<v1::ListRevocationsResponse>, Status> {
        let (around, asked) = split(request);
        let call = async {
            let environment = wire::name("environment", &asked.environment)?;
            Ok(self.0.list_revocations(around.bearer(), environment).await?)
        };
        answer(&around, call, wire::list_revocations_response).await
    }

    async fn lift_revocation(
        &self,
        request: Request<v1::LiftRevocationRequest>,
    ) -> Result<Response<v1::LiftRevocationResponse>, Status> {
        let (around, asked) = split(request);
        let call = async {
            let environment = wire::name("environment", &asked.environment)?;
            Ok(self.0.lift_revocation(around.bearer(), environment, RevocationId(asked.id)).await?)
        };
        answer(&around, call, |revocation| v1::LiftRevocationResponse {
            revocation: Some(wire::revocation(revocation)),
        })
        .await
    }
}
