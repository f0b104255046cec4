//! `OperatorService` over the application.

use airlock_proto::v1;
use tonic::{Request, Response, Status, async_trait};

use super::{Control, answer, split};
use crate::{application::Application, wire};

#[async_trait]
impl<A: Application> v1::operator_service_server::OperatorService for Control<A> {
    async fn reload(&self, request: Request<v1::ReloadRequest>) -> Result<Response<v1::ReloadResponse>, Status> {
        let (around, asked) = split(request);
        let call = async {
            let environment = wire::name("environment", &asked.environment)?;
            Ok(self.0.reload(around.bearer(), environment).await?)
        };
        answer(&around, call, wire::reload_response).await
    }

    async fn get_config(
        &self,
        request: Request<v1::GetConfigRequest>,
    ) -> Result<Response<v1::GetConfigResponse>, Status> {
        let (around, asked) = split(request);
        let call = async {
            let environment = wire::name("environment", &asked.environment)?;
            Ok(self.0.get_config(around.bearer(), environment).await?)
        };
        answer(&around, call, wire::get_config_response).await
    }

    async fn limits(&self, request: Request<v1::LimitsRequest>) -> Result<Response<v1::LimitsResponse>, Status> {
        let (around, asked) = split(request);
        let call = async {
            let environment = wire::name("environment", &asked.environment)?;
            let tenant = wire::optional_name("tenant", &asked.tenant)?;
            let function = wire::optional_name("function", &asked.function)?;
            Ok(self.0.limits_in_force(around.bearer(), environment, tenant, function).await?)
        };
        answer(&around, call, wire::limits_response).await
    }
}
