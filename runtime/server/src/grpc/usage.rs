//! `UsageService` over the application.

use airlock_proto::v1;
use tonic::{Request, Response, Status, async_trait};

use super::{Control, answer, split};
use crate::{application::Application, wire};

#[async_trait]
impl<A: Application> v1::usage_service_server::UsageService for Control<A> {
    async fn report(
        &self,
        request: Request<v1::UsageReportRequest>,
    ) -> Result<Response<v1::UsageReportResponse>, Status> {
        let (around, asked) = split(request);
        let call = async {
            let (environment, query) = wire::usage_query(asked)?;
            Ok(self.0.usage_report(around.bearer(), environment, query).await?)
        };
        answer(&around, call, wire::usage_response).await
    }

    async fn unused_grants(
        &self,
        request: Request<v1::UnusedGrantsRequest>,
    ) -> Result<Response<v1::UnusedGrantsResponse>, Status> {
        let (around, asked) = split(request);
        let call = async {
            let (environment, days) = wire::unused_grants(&asked)?;
            Ok(self.0.unused_grants(around.bearer(), environment, days).await?)
        };
        answer(&around, call, wire::unused_grants_response).await
    }
}
