//! HTTP APIs through one guarded client.
//!
//! The binding owns scheme, host, port and credential. The client resolves the host itself, judges every address and
//! connects to exactly the one it judged; it follows no redirect, knows no proxy and asks for no compression. What
//! comes back is capped, stripped of hop-by-hop headers and cookies, and scrubbed of the credential.

mod body;
mod check;
mod connect;
mod credential;
mod exchange;
mod explain;
mod headers;
mod meter;
mod pace;
mod reply;
mod scrub;
mod target;

use std::{sync::Arc, time::Duration};

use ::http::{Request, Response};
use airlock_model::{HostError, HostReply, ResourceName, TenantName};
use hyper::body::Incoming;
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
pub(crate) use body::Outgoing;
pub(crate) use check::{HttpSettings, check};
use connect::Dialer;
use credential::Credential;
pub(crate) use explain::{is_forbidden, request as explain_request};
pub(crate) use meter::Meter;
use pace::Pace;
pub(crate) use reply::Answer;
use reply::Reading;
pub(crate) use target::BaseUrl;

const IDLE_CONNECTION_MAX: Duration = Duration::from_secs(30);
const IDLE_CONNECTIONS: usize = 32;
const RESPONSE_HEADERS_MAX: usize = 100;
const RESPONSE_HEAD_BYTES_MAX: u32 = 64 << 10;
/// What a server may send of one response, and of all on one connection, before anybody reads it.
const STREAM_WINDOW_BYTES: u32 = 128 << 10;
const CONNECTION_WINDOW_BYTES: u32 = 1 << 20;

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

/// The client of one binding, with a connection pool of its own.
#[derive(Debug)]
pub(crate) struct HttpClient {
    resource: ResourceName,
    settings: HttpSettings,
    client: Guarded,
    places: Places,
}

impl HttpClient {
    pub(crate) fn new(resource: ResourceName, settings: HttpSettings, policy: AddressPolicy) -> Self {
        let client = guarded(&settings.tls, settings.origin(policy));
        let places = Places::new(settings.requests_max, settings.tenant_requests_max);
        Self { resource, settings, client, places }
    }

    /// Sends one request and reads its whole response, within deadline, caps and budget.
    pub(crate) async fn perform(&self, request: HttpRequest) -> Performed {
        let meter = Arc::new(Meter::new(request.egress_bytes_max));
        let pace = Pace::whole(request.deadline, self.settings.timeout);
        let reply = match self.exchange(request, &meter, pace).await {
            Ok(answer) => answer.collect().await,
            Err(error) => Err(error),
        };
        Performed { egress_bytes: meter.spent(), ..Performed::without_egress(reply.map(HostReply::Http)) }
    }

    /// Sends one request; its response is read in pieces, each of which may take as long as `timeout_ms` says. What the
    /// exchange costs stands in the meter, also when it fails.
    ///
    /// # Errors
    /// Why there is no response, in words that a guest may see.
    pub(crate) async fn open(&self, request: HttpRequest, meter: &Arc<Meter>) -> Result<Answer, HostError> {
        let pace = Pace::pieces(request.deadline, self.settings.timeout);
        self.exchange(request, meter, pace).await
    }

    async fn exchange(&self, request: HttpRequest, meter: &Arc<Meter>, pace: Pace) -> Result<Answer, HostError> {
        let tenant = request.tenant.clone();
        let outgoing = exchange::assemble(&self.settings, request)?;
        let place = self.place(&tenant, pace).await?;
        let response = pace.step(&self.resource, self.send(outgoing, meter)).await??;
        let reading = Reading {
            resource: self.resource.clone(),
            scrubber: self.settings.credential.as_ref().map(Credential::scrubber),
            meter: Arc::clone(meter),
            pace,
            response_bytes_max: self.settings.response_bytes_max,
            place,
        };
        Answer::begin(response, reading)
    }

    /// Waits until the binding has room for one more exchange of this tenant.
    async fn place(&self, tenant: &TenantName, pace: Pace) -> Result<Option<Place>, HostError> {
        timeout_at(pace.step_ends(), self.places.take(tenant)).await.map_err(|_| {
            let text = format!("as many requests to `{}` are under way as its binding allows: try again", self.resource);
            HostError::Unavailable(text)
        })
    }

    async fn send(&self, request: Request<Outgoing>, meter: &Meter) -> Result<Response<Incoming>, HostError> {
        let size = exchange::size_bytes(&request);
        meter.send(size)?;
        self.client.request(request).await.map_err(|error| {
            if !has_left(&error) {
                meter.refund(size);
            }
            explain::request(&self.resource, &error)
        })
    }
}

/// Whether any of the request may have been sent.
fn has_left(error: &hyper_util::client::legacy::Error) -> bool {
    !error.is_connect()
}

#[cfg(test)]
mod tests;
