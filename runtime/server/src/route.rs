//! One request from its headers to the start of its answer.

use std::{convert::Infallible, panic::AssertUnwindSafe, sync::Arc, time::Duration};

use airlock_model::Failure;
use airlock_proto::v1::{
    approval_service_server::{ApprovalServiceServer, SERVICE_NAME as APPROVAL},
    audit_service_server::{AuditServiceServer, SERVICE_NAME as AUDIT},
    function_service_server::{FunctionServiceServer, SERVICE_NAME as FUNCTION},
    invocation_service_server::{InvocationServiceServer, SERVICE_NAME as INVOCATION},
    log_service_server::{LogServiceServer, SERVICE_NAME as LOG},
    operator_service_server::{OperatorServiceServer, SERVICE_NAME as OPERATOR},
    resource_service_server::{ResourceServiceServer, SERVICE_NAME as RESOURCE},
    token_service_server::{SERVICE_NAME as TOKEN, TokenServiceServer},
    usage_service_server::{SERVICE_NAME as USAGE, UsageServiceServer},
};
use airlock_service::{
    Holding, Listener, Wanted,
    isolation::{self, IsolationLevel},
};
use bytes::Bytes;
use futures::FutureExt as _;
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode, Version, header};
use http_body::Body as _;
use tokio::sync::watch;
use tonic::{Code, Status, body::Body};
use tower::{Service as _, ServiceExt as _, util::BoxCloneSyncService};

use crate::{
    application::Application,
    body::{BoxError, PromptBody, SentBody, UntilDrain},
    config::TransportLimits,
    counters::Tally,
    grpc::{Control, Invocations, Logs},
    json, listen,
    listen::{Busy, Peer, Phase},
    request,
    rpcs::Rpcs,
    status,
    status::Refusal,
    strangers::Strangers,
    trace,
};

/// Every RPC under this needs a token, but for the one that gives some.
const OURS: &str = "/airlock.v1.";
const INVOKE: &str = "/airlock.v1.InvocationService/Invoke";
const LOG_TAIL: &str = "/airlock.v1.LogService/Tail";
const INVOKE_STREAM: &str = "/airlock.v1.InvocationService/InvokeStream";
const CANCEL: &str = "/airlock.v1.InvocationService/Cancel";
const EXPLAIN: &str = "/airlock.v1.InvocationService/Explain";
const AUDIT_TAIL: &str = "/airlock.v1.AuditService/Tail";
const DEPLOY: &str = "/airlock.v1.FunctionService/Deploy";
const CHECK: &str = "/airlock.v1.FunctionService/Check";
pub(crate) const EXCHANGE: &str = "/airlock.v1.TokenService/Exchange";

/// A service that is off the hot path.
type Side = BoxCloneSyncService<Request<Body>, Response<Body>, Infallible>;

/// What both listeners serve beside their own services.
#[derive(Clone)]
pub(crate) struct Sides {
    pub(crate) health: Side,
    pub(crate) reflection: Side,
    pub(crate) reflection_alpha: Side,
}

/// What one listener serves.
enum Plane<A: Application> {
    Data(InvocationServiceServer<Invocations<A>>),
    Control(Box<Services<A>>),
}

/// What the control listener serves.
struct Services<A: Application> {
    functions: FunctionServiceServer<Control<A>>,
    audit: AuditServiceServer<Control<A>>,
    operator: OperatorServiceServer<Control<A>>,
    resources: ResourceServiceServer<Control<A>>,
    approvals: ApprovalServiceServer<Control<A>>,
    usage: UsageServiceServer<Control<A>>,
    logs: LogServiceServer<Logs<A>>,
    tokens: TokenServiceServer<Control<A>>,
}

impl<A: Application> Services<A> {
    fn new(app: &Arc<A>, phase: &watch::Receiver<Phase>, deploy_bytes_max: usize) -> Self {
        let control = || Control(Arc::clone(app));
        Self {
            functions: FunctionServiceServer::new(control()).max_decoding_message_size(deploy_bytes_max),
            audit: AuditServiceServer::new(control()).max_decoding_message_size(QUESTION_BYTES_MAX),
            operator: OperatorServiceServer::new(control()).max_decoding_message_size(QUESTION_BYTES_MAX),
            resources: ResourceServiceServer::new(control()).max_decoding_message_size(QUESTION_BYTES_MAX),
            approvals: ApprovalServiceServer::new(control()).max_decoding_message_size(QUESTION_BYTES_MAX),
            usage: UsageServiceServer::new(control()).max_decoding_message_size(QUESTION_BYTES_MAX),
            logs: LogServiceServer::new(Logs { app: Arc::clone(app), phase: phase.clone() })
                .max_decoding_message_size(QUESTION_BYTES_MAX),
            tokens: TokenServiceServer::new(control()).max_decoding_message_size(EXCHANGE_BYTES_MAX),
        }
    }
}

/// Which listener.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Which {
    Data,
    Control,
}

/// Everything one worker needs to answer.
pub(crate) struct Router<A: Application> {
    app: Arc<A>,
    plane: Plane<A>,
    sides: Sides,
    contract: json::Contract,
    pub(crate) tally: Arc<Tally>,
    pub(crate) phase: watch::Receiver<Phase>,
    bytes_max: usize,
    read_max: Duration,
    shed_retry_after: Duration,
    /// Who waits with a request of [`EXCHANGE`].
    strangers: Arc<Strangers>,
    rpcs: Arc<Rpcs>,
}

/// What all routers of a server share.
pub(crate) struct Shared<A> {
    pub(crate) app: Arc<A>,
    pub(crate) sides: Sides,
    pub(crate) contract: json::Contract,
    pub(crate) tally: Arc<Tally>,
    pub(crate) phase: watch::Receiver<Phase>,
    pub(crate) strangers: Arc<Strangers>,
    pub(crate) rpcs: Arc<Rpcs>,
}

impl<A: Application> Router<A> {
    pub(crate) fn new(which: Which, limits: &TransportLimits, shared: &Shared<A>) -> Self {
        let app = Arc::clone(&shared.app);
        let (bytes_max, read_max) = match which {
            Which::Data => (limits.invoke_bytes_max, limits.invoke_read_max),
            Which::Control => (limits.deploy_bytes_max, limits.deploy_read_max),
        };
        let plane = match which {
            Which::Data => {
                let invocations =
                    Invocations::new(Arc::clone(&app), Arc::clone(&shared.tally), limits.shed_retry_after);
                Plane::Data(InvocationServiceServer::new(invocations).max_decoding_message_size(bytes_max))
            }
            Which::Control => Plane::Control(Box::new(Services::new(&app, &shared.phase, bytes_max))),
        };
        Self {
            app,
            plane,
            sides: shared.sides.clone(),
            contract: shared.contract.clone(),
            tally: Arc::clone(&shared.tally),
            phase: shared.phase.clone(),
            bytes_max,
            read_max,
            shed_retry_after: limits.shed_retry_after,
            strangers: Arc::clone(&shared.strangers),
            rpcs: Arc::clone(&shared.rpcs),
        }
    }

    pub(crate) fn listener(&self) -> Listener {
        match self.plane {
            Plane::Data(_) => Listener::Data,
            Plane::Control(..) => Listener::Control,
        }
    }

    pub(crate) fn app(&self) -> Arc<A> {
        Arc::clone(&self.app)
    }

    /// What the thread that serves this plane is called.
    pub(crate) fn thread_name(&self) -> &'static str {
        match self.plane {
            Plane::Data(_) => "airlock-data",
            Plane::Control(..) => "airlock-control",
        }
    }

    /// Answers one request. Never fails: hyper gets an answer even when a handler panics.
    ///
    /// hyper drops this future when the client resets the stream or the connection breaks, and with it the call.
    pub(crate) async fn respond<B>(self: Arc<Self>, mut request: Request<B>, peer: Peer, busy: Busy) -> Response<Body>
    where
        B: http_body::Body<Data = Bytes, Error: Into<BoxError>> + Send + Unpin + 'static,
    {
        let id = request::settle_id(request.headers_mut());
        let asked = self.rpcs.begin(request.uri().path());
        let path = request.uri().path();
        // Whoever asks for anything else makes no spans with names of their own.
        let is_traced = self.rpcs.is_known(path);
        let mut span = is_traced.then(|| trace::begin(self.app.telemetry(), path, request.headers())).flatten();
        let context = span.as_ref().map(|span| span.context().clone());
        if let Some(context) = &context {
            request.extensions_mut().insert(context.clone());
        }
        let streams = self.streams(request.uri().path());
        let holding = self.app.open_holding();
        request.extensions_mut().insert(holding.clone());
        let is_ours = |authority: &str| self.app.is_named(self.listener(), authority, peer.met_at);
        if let Some(sender) = request::sender(&request, peer, is_ours) {
            request.extensions_mut().insert(sender);
        }
        let form = Form::of(&request);
        let in_json = matches!(form, Form::Json);
        let answer = trace::within(context, self.answer(form, request, &holding));
        let answer = AssertUnwindSafe(answer).catch_unwind().await;
        let mut response = answer.unwrap_or_else(|_| {
            self.tally.count_panic();
            let status = status::status(Failure::internal("a handler panicked"), id.to_str().unwrap_or_default());
            if in_json { json::failed(&status) } else { status.into_http() }
        });
        asked.answered(&response);
        if let Some(span) = &mut span {
            span.answered(trace::end(&response));
        }
        if let header::Entry::Vacant(place) = response.headers_mut().entry(request::REQUEST_ID) {
            place.insert(id);
        }
        let unsent = busy.unsent();
        let busy = streams.then_some(busy);
        response
            .map(|body| if body.is_end_stream() { body } else { SentBody::wrap(body, unsent, (busy, holding, span)) })
    }

    /// Whether the answer's body may go on for long after its headers.
    fn streams(&self, path: &str) -> bool {
        path == INVOKE_STREAM || path == LOG_TAIL || path == AUDIT_TAIL || self.side(path).is_some()
    }

    async fn answer<B>(&self, form: Form, request: Request<B>, holding: &Holding) -> Response<Body>
    where
        B: http_body::Body<Data = Bytes, Error: Into<BoxError>> + Send + Unpin + 'static,
    {
        let bytes_max = self.bytes_max(request.uri().path());
        if needs_token(request.uri().path())
            && let Some(looking) = self.app.find_key(request::presented(&request).token)
        {
            looking.await;
        }
        let read_max = self.read_max(request.uri().path());
        let mut request = request.map(|body| PromptBody::new(body, read_max, bytes_max));
        if request.uri().path().starts_with(OURS)
            && let Err(refused) = self.expect(&mut request, holding)
        {
            let status = status::status(refused, request::id_of(request.headers()));
            return if matches!(form, Form::Json) { json::failed(&status) } else { status.into_http() };
        }
        match form {
            Form::Grpc => self.dispatch(request).await,
            // Boxed: rare, and it would make the future of every call larger.
            Form::Json => {
                let call = |request| self.dispatch(request);
                Box::pin(json::answer(&self.contract, request, bytes_max, call)).await
            }
            Form::Other(code, reason, hint) => json::plain(code, reason, hint, request::id_of(request.headers())),
        }
    }

    /// A body that is still to come is waited for only by those who may send one, and counted: waiting holds memory.
    fn expect<B>(&self, request: &mut Request<PromptBody<B>>, holding: &Holding) -> Result<(), Failure>
    where
        B: http_body::Body<Data = Bytes, Error: Into<BoxError>> + Unpin,
    {
        let is_complete = request.body_mut().is_complete();
        let bearer = request::presented(request);
        if is_complete {
            // Who invokes is told by the call itself, a moment later.
            let tenant = matches!(self.plane, Plane::Control(..)).then(|| self.app.tenant_of(bearer)).flatten();
            tenant.inspect(|tenant| holding.name(tenant));
            return Ok(());
        }
        // Whoever asks for a token has none yet: what they send is bounded apart, so that it takes nobody's room.
        if request.uri().path() == EXCHANGE {
            request.body_mut().wait_among(&self.strangers);
            return Ok(());
        }
        holding.claim(&self.app.authenticate(bearer, wanted(request.uri().path()))?)?;
        request.body_mut().count_in(holding.clone());
        Ok(())
    }

    /// How long a request may take to arrive.
    fn read_max(&self, path: &str) -> Duration {
        if path == EXCHANGE { EXCHANGE_READ_MAX.min(self.read_max) } else { self.read_max }
    }

    /// Bytes of one request message.
    fn bytes_max(&self, path: &str) -> usize {
        match wanted(path) {
            // Whoever may ask about a call is whoever may make it, but a question is short.
            Wanted::Call if path == EXPLAIN => QUESTION_BYTES_MAX,
            Wanted::Call | Wanted::Deploy => self.bytes_max,
            Wanted::Other if path == EXCHANGE => EXCHANGE_BYTES_MAX,
            Wanted::Other => QUESTION_BYTES_MAX,
        }
    }

    /// Finds the service by the path and lets it answer.
    async fn dispatch<B>(&self, request: Request<B>) -> Response<Body>
    where
        B: http_body::Body<Data = Bytes, Error: Into<BoxError> + Send> + Send + 'static,
    {
        let id = request.headers().get(request::REQUEST_ID).cloned();
        let path = request.uri().path();
        let bytes_max = self.bytes_max(path);
        let service = path.strip_prefix('/').and_then(|path| path.split('/').next()).unwrap_or_default();
        let answer = match (&self.plane, service) {
            (Plane::Data(invocations), INVOCATION) => {
                // What makes room is never turned away for want of room.
                if self.tally.is_full() && path != CANCEL {
                    self.tally.count_shed();
                    let refusal = Refusal::overloaded(self.shed_retry_after);
                    return status::status(refusal, request::id_of(request.headers())).into_http();
                }
                unfailing(invocations.clone().call(request).await)
            }
            (Plane::Control(of), FUNCTION) => unfailing(of.functions.clone().call(request).await),
            (Plane::Control(of), AUDIT) => {
                let follows = path == AUDIT_TAIL;
                let answer = unfailing(of.audit.clone().call(request).await);
                if follows { self.until_drain(answer) } else { answer }
            }
            (Plane::Control(of), OPERATOR) => unfailing(of.operator.clone().call(request).await),
            (Plane::Control(of), RESOURCE) => unfailing(of.resources.clone().call(request).await),
            (Plane::Control(of), APPROVAL) => unfailing(of.approvals.clone().call(request).await),
            (Plane::Control(of), USAGE) => unfailing(of.usage.clone().call(request).await),
            (Plane::Control(of), LOG) => unfailing(of.logs.clone().call(request).await),
            (Plane::Control(of), TOKEN) => unfailing(of.tokens.clone().call(request).await),
            (Plane::Data(_), FUNCTION | AUDIT | OPERATOR | RESOURCE | APPROVAL | USAGE | LOG | TOKEN) => {
                elsewhere("control", request.headers())
            }
            (Plane::Control(..), INVOCATION) => elsewhere("data", request.headers()),
            _ => Box::pin(self.dispatch_side(request)).await,
        };
        Self::repair(answer, bytes_max, id.as_ref())
    }

    async fn dispatch_side<B>(&self, request: Request<B>) -> Response<Body>
    where
        B: http_body::Body<Data = Bytes, Error: Into<BoxError>> + Send + 'static,
    {
        let Some((side, guarded)) = self.side(request.uri().path()) else {
            let hint = "reflection lists the services of this listener";
            return status::unimplemented(hint, request::id_of(request.headers())).into_http();
        };
        if guarded && let Err(refused) = self.app.authenticate(request::presented(&request), Wanted::Other) {
            return status::status(refused, request::id_of(request.headers())).into_http();
        }
        self.until_drain(unfailing(side.oneshot(request.map(Body::new)).await))
    }

    /// An answer that would never end by itself.
    fn until_drain(&self, answer: Response<Body>) -> Response<Body> {
        answer.map(|body| UntilDrain::wrap(body, self.phase.clone()))
    }

    /// The side service of a path, and whether it needs a token.
    fn side(&self, path: &str) -> Option<(Side, bool)> {
        if path.starts_with("/grpc.health.v1.Health/") {
            return Some((self.sides.health.clone(), false));
        }
        if path.starts_with("/grpc.reflection.v1.ServerReflection/") {
            return Some((self.sides.reflection.clone(), true));
        }
        let alpha = path.starts_with("/grpc.reflection.v1alpha.ServerReflection/");
        alpha.then(|| (self.sides.reflection_alpha.clone(), true))
    }

    /// Replaces a status that tonic made by itself; ours always have details.
    fn repair(answer: Response<Body>, bytes_max: usize, id: Option<&HeaderValue>) -> Response<Body> {
        let headers = answer.headers();
        if !headers.contains_key(Status::GRPC_STATUS) || headers.contains_key("grpc-status-details-bin") {
            return answer;
        }
        match Status::from_header_map(headers) {
            Some(made) if !matches!(made.code(), Code::Ok | Code::NotFound) => {
                let id = id.and_then(|id| id.to_str().ok()).unwrap_or_default();
                status::repaired(&made, bytes_max, id).into_http()
            }
            // Health answers NOT_FOUND for a service it does not know, as its protocol says.
            _ => answer,
        }
    }
}

/// Reflection needs one too; who asks for health has none.
fn needs_token(path: &str) -> bool {
    path.starts_with(OURS) || path.starts_with("/grpc.reflection.")
}

fn wanted(path: &str) -> Wanted {
    match path {
        INVOKE | INVOKE_STREAM | EXPLAIN => Wanted::Call,
        DEPLOY | CHECK => Wanted::Deploy,
        _ => Wanted::Other,
    }
}

fn unfailing(answer: Result<Response<Body>, Infallible>) -> Response<Body> {
    match answer {
        Ok(response) => response,
        Err(never) => match never {},
    }
}

fn elsewhere(listener: &str, headers: &HeaderMap) -> Response<Body> {
    let hint = format!("this service is served on the {listener} listener");
    status::unimplemented(&hint, request::id_of(headers)).into_http()
}

/// How a request speaks.
enum Form {
    Grpc,
    Json,
    Other(StatusCode, &'static str, &'static str),
}

impl Form {
    fn of<B>(request: &Request<B>) -> Self {
        let kind = request.headers().get(header::CONTENT_TYPE).map(HeaderValue::as_bytes).unwrap_or_default();
        if is_kind(kind, b"application/json") {
            return Self::Json;
        }
        if !is_kind(kind, b"application/grpc") && !is_kind(kind, b"application/grpc+proto") {
            let hint = "send application/grpc, or application/json with POST";
            return Self::Other(StatusCode::UNSUPPORTED_MEDIA_TYPE, "content_type_unsupported", hint);
        }
        match request.version() {
            Version::HTTP_2 if request.method() == http::Method::POST => Self::Grpc,
            Version::HTTP_2 => Self::Other(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", "use POST"),
            _ => {
                let hint = "gRPC needs HTTP/2; over HTTP/1.1 send application/json";
                Self::Other(StatusCode::HTTP_VERSION_NOT_SUPPORTED, "http2_needed", hint)
            }
        }
    }
}

/// Whether a content type is this one, whatever its case and parameters.
fn is_kind(given: &[u8], kind: &[u8]) -> bool {
    let essence = given.split(|byte| *byte == b';').next().unwrap_or_default();
    essence.trim_ascii().eq_ignore_ascii_case(kind)
}

/// The health of a server that takes the tokens of a desk; no other knows the name.
const DEVELOPMENT: &str = "airlock.development";

/// The names that health knows. One says how guests are isolated: whoever needs a level asks for its name. The last is that of
/// development servers: whoever must not meet one asks for it too.
pub(crate) fn health_names(is_development: bool) -> Vec<&'static str> {
    let isolation = match isolation::reached() {
        IsolationLevel::L0 => "airlock.isolation.L0",
        IsolationLevel::L1 => "airlock.isolation.L1",
    };
    let names = ["", INVOCATION, FUNCTION, AUDIT, OPERATOR, RESOURCE, isolation];
    names.into_iter().chain(is_development.then_some(DEVELOPMENT)).collect()
}

/// Filters, names and page tokens; only uploads are larger.
const QUESTION_BYTES_MAX: usize = 64 << 10;
/// Requests of [`EXCHANGE`] are one packet or a few.
const EXCHANGE_READ_MAX: Duration = Duration::from_secs(10);
/// Two tokens of identity providers, and what is wished for: 6 MiB for all whom [`crate::strangers::STRANGERS_MAX`] lets wait.
const EXCHANGE_BYTES_MAX: usize = 96 << 10;
/// A health check names one service.
const HEALTH_BYTES_MAX: usize = 1 << 10;

/// Builds reflection (v1 and v1alpha) and wraps health.
pub(crate) fn sides(health: tonic_health::server::HealthReporter) -> Result<Sides, listen::ServeError> {
    let builder = || {
        tonic_reflection::server::Builder::configure()
            .register_encoded_file_descriptor_set(airlock_proto::FILE_DESCRIPTOR_SET)
            .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
    };
    let service = tonic_health::server::HealthService::from_health_reporter(health);
    Ok(Sides {
        health: BoxCloneSyncService::new(
            tonic_health::pb::health_server::HealthServer::new(service).max_decoding_message_size(HEALTH_BYTES_MAX),
        ),
        reflection: BoxCloneSyncService::new(builder().build_v1()?.max_decoding_message_size(QUESTION_BYTES_MAX)),
        reflection_alpha: BoxCloneSyncService::new(
            builder().build_v1alpha()?.max_decoding_message_size(QUESTION_BYTES_MAX),
        ),
    })
}
