//! `ResourceService` over the application.

use airlock_proto::v1;
use tonic::{Request, Response, Status, async_trait};

use super::{Control, answer, split};
use crate::{application::Application, wire};

#[async_trait]
impl<A: Application> v1::resource_service_server::ResourceService for Control<A> {
    async fn list(
        &self,
        request: Request<v1::ResourceServiceListRequest>,
    ) -> Result<Response<v1::ResourceServiceListResponse>, Status> {
        let (around, asked) = split(request);
        let call = async {
            let environment = wire::name("environment", &asked.environment)?;
            Ok(self.0.list_resources(around.bearer(), environment).await?)
        };
        answer(&around, call, wire::list_resources_response).await
    }

    async fn describe_schema(
        &self,
        request: Request<v1::DescribeSchemaRequest>,
    ) -> Result<Response<v1::DescribeSchemaResponse>, Status> {
        let (around, asked) = split(request);
        let call = async {
            let environment = wire::name("environment", &asked.environment)?;
            let resource = wire::name("resource", &asked.resource)?;
            Ok(self.0.describe_schema(around.bearer(), environment, resource, asked.refresh).await?)
        };
        answer(&around, call, |described| wire::describe_schema_response(&described)).await
    }
}
