//! `LogService` over the application.

use std::{pin::Pin, sync::Arc};

use airlock_model::Failure;
use airlock_proto::v1;
use airlock_service::LogEvent;
use futures::{Stream, stream};
use tokio::sync::{mpsc, watch};
use tonic::{Request, Response, Status, async_trait};

use super::split;
use crate::{application::Application, listen::Phase, status, status::Refusal, wire};

/// What functions write, of one application.
pub(crate) struct Logs<A> {
    pub(crate) app: Arc<A>,
    /// Whoever follows does not keep a server from ending.
    pub(crate) phase: watch::Receiver<Phase>,
}

type Item = Result<v1::TailResponse, Status>;

#[async_trait]
impl<A: Application> v1::log_service_server::LogService for Logs<A> {
    type TailStream = Pin<Box<dyn Stream<Item = Item> + Send>>;

    async fn tail(&self, request: Request<v1::TailRequest>) -> Result<Response<Self::TailStream>, Status> {
        let (around, asked) = split(request);
        let call = async {
            let (environment, query) = wire::log_query(asked)?;
            Ok(self.app.tail_logs(around.bearer(), environment, query).await?)
        };
        let events = call.await.map_err(|refusal: Refusal| status::status(refusal, around.id()))?;
        Ok(Response::new(Box::pin(told(events, self.phase.clone(), around.id().to_owned()))))
    }
}

fn told(
    events: mpsc::Receiver<Result<LogEvent, Failure>>,
    phase: watch::Receiver<Phase>,
    id: String,
) -> impl Stream<Item = Item> + Send {
    stream::unfold((events, phase, id), |(mut events, mut phase, id)| async move {
        let event = tokio::select! {
            event = events.recv() => event?,
            _ = phase.wait_for(|phase| !matches!(phase, Phase::Serving)) => return None,
        };
        let item = event.map(wire::log_response).map_err(|failure| status::status(Refusal::from(failure), &id));
        Some((item, (events, phase, id)))
    })
}
