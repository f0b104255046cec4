//! HTTP APIs through one guarded client.
//!
//! The binding owns scheme, host, port and credential, and lists the other origins that a function may name. The client
//! resolves the host itself, judges every address and connects to exactly the one it judged; it knows no proxy and asks for no
//! compression, and follows a redirect only as a request of its own. What comes back is capped, stripped of hop-by-hop headers
//! and cookies, and scrubbed of the credential.

mod attempt;
mod body;
mod check;
mod config;
mod connect;
mod credential;
mod document;
mod exchange;
mod explain;
mod headers;
mod meter;
mod pace;
mod parked;
mod place;
mod reach;
mod redirect;
mod reply;
mod route;
mod scrub;
mod session;
mod target;
mod types;
mod verdict;
mod wait;

use std::{sync::Arc, time::Duration};

use airlock_model::{HostError, HostReply, ResourceName, TenantName};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::{
    client::legacy::Client,
    rt::{TokioExecutor, TokioTimer},
};
use rustls::ClientConfig;
use tokio::time::timeout_at;

use crate::{
    HttpRequest, Performed,
    address::AddressPolicy,
    dial::Origin,
    places::{Place, Places},
};
use attempt::Arrived;
pub(crate) use body::Outgoing;
pub(crate) use check::{HttpSettings, check};
pub use config::{AuditPath, ClientCertificateConfig, CredentialConfig, HttpConfig};
use connect::Dialer;
use credential::Tokens;
pub use document::{CollectorAnswer, CollectorClient, CollectorConfig, DocumentClient, DocumentConfig, DocumentError};
use exchange::Prepared;
pub(crate) use explain::{is_forbidden, request as explain_request};
pub(crate) use meter::Meter;
use pace::Pace;
use redirect::Hops;
pub(crate) use reply::Answer;
use reply::Reading;
use route::Routes;
pub(crate) use scrub::spellings;
pub use session::{HttpExchange, Passing};
pub(crate) use target::BaseUrl;
pub use verdict::{EgressDecision, EgressVerdict};

const IDLE_CONNECTION_MAX: Duration = Duration::from_secs(30);
const IDLE_CONNECTIONS: usize = 32;
const RESPONSE_HEADERS_MAX: usize = 100;
const RESPONSE_HEAD_BYTES_MAX: u32 = 64 << 10;
/// What a server may send of one response before anybody reads it.
const STREAM_WINDOW_BYTES: u32 = 128 << 10;
/// The same of all responses on one connection, which tenants share: room for 256 that nobody reads, so that they hold up none
/// that somebody does.
const CONNECTION_WINDOW_BYTES: u32 = 32 << 20;

/// A client that reaches one origin and no other, whatever URI it is handed.
pub(crate) type Guarded = Client<HttpsConnector<Dialer>, Outgoing>;

/// Makes one, with a connection pool of its own.
pub(crate) fn guarded(tls: &ClientConfig, origin: Origin) -> Guarded {
    let connector = HttpsConnectorBuilder::new()
        .with_tls_config(tls.clone())
        .https_or_http()
        .enable_all_versions()
        .wrap_connector(Dialer::new(origin));
    Client::builder(TokioExecutor::new())
        .pool_timer(TokioTimer::new())
        .timer(TokioTimer::new())
        .pool_idle_timeout(IDLE_CONNECTION_MAX)
        .pool_max_idle_per_host(IDLE_CONNECTIONS)
        .http1_max_headers(RESPONSE_HEADERS_MAX)
        .http1_max_buf_size(RESPONSE_HEAD_BYTES_MAX as usize)
        .http2_max_header_list_size(RESPONSE_HEAD_BYTES_MAX)
        .http2_initial_stream_window_size(STREAM_WINDOW_BYTES)
        .http2_initial_connection_window_size(CONNECTION_WINDOW_BYTES)
        .build(connector)
}

/// The client of one binding, with connections of its own.
#[derive(Debug)]
pub(crate) struct HttpClient {
    resource: ResourceName,
    settings: HttpSettings,
    routes: Routes,
    tokens: Option<Tokens>,
    places: Places,
}

impl HttpClient {
    pub(crate) fn new(resource: ResourceName, settings: HttpSettings, policy: AddressPolicy) -> Self {
        let tokens =
            settings.token_origin(policy.clone()).map(|origin| Tokens::new(guarded(&settings.tls_elsewhere, origin)));
        let routes = Routes::new(&settings, policy);
        let places = Places::new(settings.requests_max, settings.tenant_requests_max);
        Self { resource, settings, routes, tokens, places }
    }

    pub(crate) fn settings(&self) -> &HttpSettings {
        &self.settings
    }

    /// Sends one request and reads its whole response, within deadline, caps and budget.
    pub(crate) async fn perform(&self, request: HttpRequest) -> Performed {
        let meter = Arc::new(Meter::new(request.egress.clone()));
        let pace = Pace::whole(request.deadline, self.settings.timeout);
        let changes = !request.method.is_safe();
        let reply = match self.exchange(request, &meter, pace).await {
            Ok(answer) => answer.collect().await,
            Err(error) => Err(error),
        };
        let traffic = meter.traffic();
        Performed {
            egress_bytes: meter.spent(),
            is_outcome_unknown: changes && reply.is_err() && traffic.sent_bytes > 0,
            traffic: Some(traffic),
            ..Performed::without_egress(reply.map(HostReply::Http))
        }
    }

    /// Sends one request; its response is read in pieces, each of which may take as long as `timeout_ms` says, and
    /// whoever reads them as long as `idle_timeout_ms`. What the exchange costs stands in the meter, also when it fails.
    ///
    /// # Errors
    /// Why there is no response, in words that a guest may see.
    pub(crate) async fn open(&self, request: HttpRequest, meter: &Arc<Meter>) -> Result<Answer, HostError> {
        let pace = self.in_pieces(&request);
        self.exchange(request, meter, pace).await
    }

    /// As [`Self::open`], with a body that comes in pieces too. Sent once, without redirects.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub(super) async fn upload(
        &self,
        request: HttpRequest,
        body: Outgoing,
        meter: &Arc<Meter>,
    ) -> Result<Answer, HostError> {
        let pace = self.in_pieces(&request);
        let place = self.place(&request.tenant, pace).await?;
        let prepared = Prepared::new(&self.settings, request)?.with_body(&self.settings)?;
        self.visit(meter, &prepared.place);
        let arrived = self.once(&prepared, body, meter, pace).await?;
        self.begin(arrived, meter, pace, place)
    }

    fn in_pieces(&self, request: &HttpRequest) -> Pace {
        Pace::pieces(request.deadline, self.settings.timeout, self.settings.idle_timeout)
    }

    async fn exchange(&self, mut request: HttpRequest, meter: &Arc<Meter>, pace: Pace) -> Result<Answer, HostError> {
        let mut hops = Hops { grants: request.hops.take(), left: self.settings.redirects_max };
        let tenant = request.tenant.clone();
        let mut prepared = Prepared::new(&self.settings, request)?;
        let place = self.place(&tenant, pace).await?;
        loop {
            self.visit(meter, &prepared.place);
            let arrived = self.until_answered(&prepared, meter, pace).await?;
            match hops.next(&self.settings, &self.resource, &prepared, &arrived)? {
                Some(next) => prepared = next,
                None => return self.begin(arrived, meter, pace, place),
            }
        }
    }

    fn begin(
        &self,
        arrived: Arrived,
        meter: &Arc<Meter>,
        pace: Pace,
        place: Option<Place>,
    ) -> Result<Answer, HostError> {
        let Arrived { response, presented } = arrived;
        let reading = Reading {
            resource: self.resource.clone(),
            scrubber: presented.scrubber,
            meter: Arc::clone(meter),
            pace,
            response_bytes_max: self.settings.response_bytes_max,
            place,
        };
        self.settings.check_response(&response)?;
        Answer::begin(response, reading)
    }

    /// Waits until the binding has room for one more exchange of this tenant.
    async fn place(&self, tenant: &TenantName, pace: Pace) -> Result<Option<Place>, HostError> {
        timeout_at(pace.step_ends(), self.places.take(tenant)).await.map_err(|_| {
            let text =
                format!("as many requests to `{}` are under way as its binding allows: try again", self.resource);
            HostError::Unavailable(text)
        })
    }
}

#[cfg(test)]
mod tests;
