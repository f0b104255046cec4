//! `InvocationService` over the application: the hot path.

use std::{
    option,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use airlock_model::{Failure, InvocationId, LogLine};
use airlock_proto::v1::{self, invocation_service_server::InvocationService, invoke_stream_response::Event};
use airlock_service::{Explanation, InvokeCall};
use futures::{FutureExt as _, Stream, StreamExt as _};
use http::{HeaderMap, HeaderName, HeaderValue};
use tokio::{
    sync::{mpsc, oneshot},
    task::JoinError,
};
use tokio_util::task::AbortOnDropHandle;
use tonic::{Request, Response, Status, async_trait};

use super::{Around, answer, split};
use crate::{
    application::Application,
    counters::{InFlight, Tally},
    request, status,
    status::Refusal,
    wire,
};

/// Log lines that wait for a slow reader; beyond them the run waits too, until its deadline.
const LOG_LINES_WAITING_MAX: usize = 256;

/// The data plane of one application.
pub(crate) struct Invocations<A> {
    app: Arc<A>,
    tally: Arc<Tally>,
    shed_retry_after: Duration,
}

impl<A: Application> Invocations<A> {
    pub(crate) fn new(app: Arc<A>, tally: Arc<Tally>, shed_retry_after: Duration) -> Self {
        Self { app, tally, shed_retry_after }
    }

    /// A place among the calls in flight. Taken only now that the whole message is here: a caller who sends headers and
    /// then nothing holds none.
    fn enter(&self) -> Result<InFlight, Refusal> {
        self.tally.enter().ok_or_else(|| Refusal::overloaded(self.shed_retry_after))
    }

    async fn run(&self, call: Result<InvokeCall, Refusal>) -> Result<v1::InvokeResponse, Refusal> {
        let call = call?;
        let _place = self.enter()?;
        match self.app.invoke(call).await {
            Ok(reply) => Ok(wire::invoke_response(reply)),
            Err(failed) => Err(Refusal::of_run(failed.failure, failed.invocation)),
        }
    }
}

fn call(around: &Around, asked: v1::InvokeRequest) -> Result<InvokeCall, Refusal> {
    // A fresh id that we made ourselves names the call just as well: the caller reads it in the answer.
    let request_id = around.id().into();
    Ok(InvokeCall {
        bearer: around.bearer().token.map(ToOwned::to_owned),
        sender: around.sender.clone().unwrap_or_default(),
        remaining: request::deadline(&around.headers)?,
        request: wire::invoke_request(asked)?,
        logs: None,
        request_id: Some(request_id),
        begun: None,
        holding: around.holding.clone(),
        trace: around.trace.clone(),
    })
}

/// Takes the message's own id in the place of the header's, so that logs, errors and the answer all say the same.
fn adopt_id(headers: &mut HeaderMap, text: &str) -> Result<Option<HeaderValue>, Refusal> {
    let own = wire::own_request_id(text)?;
    if let Some(id) = &own {
        headers.insert(request::REQUEST_ID, id.clone());
    }
    Ok(own)
}

/// The answer, with the names by which its call is known.
fn respond<M>(message: M, own_id: Option<HeaderValue>, invocation: Option<InvocationId>) -> Response<M> {
    let mut response = Response::new(message);
    let invocation = invocation.and_then(|id| HeaderValue::from_str(&id.0).ok()).map(request::passing);
    if own_id.is_some() || invocation.is_some() {
        let mut headers = std::mem::take(response.metadata_mut()).into_headers();
        headers.extend(own_id.map(|id| (request::REQUEST_ID, id)));
        headers.extend(invocation.map(|id| (HeaderName::from_static(status::INVOCATION_ID), id)));
        *response.metadata_mut() = tonic::metadata::MetadataMap::from_headers(headers);
    }
    response
}

#[async_trait]
impl<A: Application> InvocationService for Invocations<A> {
    async fn invoke(&self, request: Request<v1::InvokeRequest>) -> Result<Response<v1::InvokeResponse>, Status> {
        let (mut around, asked) = split(request);
        let own_id =
            adopt_id(&mut around.headers, &asked.request_id).map_err(|refusal| status::status(refusal, around.id()))?;
        // tonic drops this future when the caller goes away, and with it the run.
        match self.run(call(&around, asked)).await {
            Ok(message) => Ok(respond(message, own_id, None)),
            Err(refusal) => Err(status::status(refusal, around.id())),
        }
    }

    type InvokeStreamStream = Events;

    async fn invoke_stream(
        &self,
        request: Request<v1::InvokeStreamRequest>,
    ) -> Result<Response<Self::InvokeStreamStream>, Status> {
        let (mut around, message) = split(request);
        let v1::InvokeStreamRequest { function, environment, payload, request_id, alias } = message;
        let own_id =
            adopt_id(&mut around.headers, &request_id).map_err(|refusal| status::status(refusal, around.id()))?;
        let asked = v1::InvokeRequest { function, environment, payload, request_id, alias };
        let call = call(&around, asked).map_err(|refusal| status::status(refusal, around.id()))?;
        let (run, begun) = self.start(call, around.id().to_owned());
        match run.opening(begun).await {
            Opening::Refused(status) => Err(status),
            Opening::Begun(invocation, events) => Ok(respond(*events, own_id, invocation)),
        }
    }

    async fn cancel(&self, request: Request<v1::CancelRequest>) -> Result<Response<v1::CancelResponse>, Status> {
        let (around, asked) = split(request);
        let call = async { Ok(self.app.cancel(around.bearer(), &wire::call_name(asked.call)?)?) };
        let respond = |ids: Vec<InvocationId>| v1::CancelResponse {
            invocation_ids: ids.iter().map(ToString::to_string).collect(),
        };
        answer(&around, call, respond).await
    }

    async fn explain(&self, request: Request<v1::ExplainRequest>) -> Result<Response<v1::ExplainResponse>, Status> {
        let (around, asked) = split(request);
        answer(&around, self.explained(&around, asked), wire::explain_response).await
    }
}

impl<A: Application> Invocations<A> {
    /// An explanation takes a place among the requests in flight, which all callers share, and none of its tenant's.
    async fn explained(&self, around: &Around, asked: v1::ExplainRequest) -> Result<Explanation, Refusal> {
        let question = wire::question(asked)?;
        let _place = self.enter()?;
        // Its answer is counted as the tenant's, as answers to questions on the control plane are.
        self.app.tenant_of(around.bearer()).inspect(|tenant| around.holding.name(tenant));
        Ok(self.app.explain(around.bearer(), question).await?)
    }

    /// Starts the run in a task of its own: its clock goes on while the caller does not read.
    fn start(&self, mut call: InvokeCall, request_id: String) -> (Run, oneshot::Receiver<InvocationId>) {
        let (sink, lines) = mpsc::channel(LOG_LINES_WAITING_MAX);
        let (begin, begun) = oneshot::channel();
        (call.logs, call.begun) = (Some(sink), Some(begin));
        let this = Self::new(Arc::clone(&self.app), Arc::clone(&self.tally), self.shed_retry_after);
        let task = AbortOnDropHandle::new(tokio::spawn(async move { this.run(Ok(call)).await }));
        (Run { lines, task: Some(task), ended: None, tally: Arc::clone(&self.tally), request_id }, begun)
    }
}

/// How the answer to a stream begins.
enum Opening {
    /// As an error, instead of as a stream that breaks.
    Refused(Status),
    /// With the run's id, so that it can be cancelled.
    Begun(Option<InvocationId>, Box<Events>),
}

impl Run {
    /// Waits until the run has begun, or was refused before.
    async fn opening(mut self, begun: oneshot::Receiver<InvocationId>) -> Opening {
        if let Ok(id) = begun.await {
            return Opening::Begun(Some(id), Box::new(Events(futures::stream::iter(None).chain(self))));
        }
        // It ended, or will in a moment, without ever beginning: its first event says how.
        match self.next().await {
            Some(Err(status)) => Opening::Refused(status),
            first => Opening::Begun(None, Box::new(Events(futures::stream::iter(first).chain(self)))),
        }
    }
}

type Item = Result<v1::InvokeStreamResponse, Status>;

/// The events of one run. Dropping it stops the run.
pub(crate) struct Events(futures::stream::Chain<futures::stream::Iter<option::IntoIter<Item>>, Run>);

impl Stream for Events {
    type Item = Item;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Item>> {
        self.0.poll_next_unpin(context)
    }
}

/// Log lines until the run ends, then how it ended.
struct Run {
    lines: mpsc::Receiver<LogLine>,
    task: Option<AbortOnDropHandle<Ended>>,
    ended: Option<Result<Ended, JoinError>>,
    tally: Arc<Tally>,
    request_id: String,
}

type Ended = Result<v1::InvokeResponse, Refusal>;

impl Stream for Run {
    type Item = Item;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Item>> {
        if let Some(task) = &mut self.task {
            match task.poll_unpin(context) {
                Poll::Pending => {
                    let line = self.lines.poll_recv(context);
                    // No line and no end yet; once the sink is gone, only the end is waited for.
                    let Poll::Ready(Some(line)) = line else { return Poll::Pending };
                    return Poll::Ready(Some(Ok(log_event(line))));
                }
                Poll::Ready(ended) => {
                    self.task = None;
                    self.ended = Some(ended);
                }
            }
        }
        // What was written before the end comes before it; a sink that outlives the run holds nothing up.
        if let Ok(line) = self.lines.try_recv() {
            return Poll::Ready(Some(Ok(log_event(line))));
        }
        Poll::Ready(self.ended.take().map(|ended| self.last(ended)))
    }
}

impl Run {
    fn last(&self, ended: Result<Ended, JoinError>) -> Item {
        match ended {
            Ok(Ok(done)) => Ok(v1::InvokeStreamResponse { event: Some(Event::Done(done)) }),
            Ok(Err(refusal)) => Err(status::status(refusal, &self.request_id)),
            Err(broken) => {
                self.tally.count_panic();
                Err(status::status(Failure::internal(broken), &self.request_id))
            }
        }
    }
}

fn log_event(line: LogLine) -> v1::InvokeStreamResponse {
    v1::InvokeStreamResponse { event: Some(Event::Log(wire::log_line(line))) }
}
