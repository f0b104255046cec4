//! HTTP APIs through one guarded client.
//!
//! The binding owns scheme, host, port and credential. The client resolves the host itself, judges every address and
//! connects to exactly the one it judged; it follows no redirect, knows no proxy and asks for no compression. What
//! comes back is capped, stripped of hop-by-hop headers and cookies, and scrubbed of the credential.

mod check;
mod connect;
mod credential;
mod exchange;
mod explain;
mod headers;
mod meter;
mod reach;
mod reply;
mod scrub;
mod target;

use std::time::Duration;

use ::http::Request;
use airlock_model::{HostError, HostReply, HttpReply, ResourceName};
use bytes::Bytes;
use http_body_util::Full;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::{
    client::legacy::Client,
    rt::{TokioExecutor, TokioTimer},
};
use rustls::ClientConfig;
use tokio::time::{Instant, timeout_at};

use crate::{HttpRequest, Performed, address::AddressPolicy, dial::Origin};
pub(crate) use check::{HttpSettings, check};
use connect::Dialer;
pub(crate) use explain::{is_forbidden, request as explain_request};
use meter::Meter;
pub(crate) use target::BaseUrl;

const IDLE_CONNECTION_MAX: Duration = Duration::from_secs(30);
const IDLE_CONNECTIONS: usize = 32;
const RESPONSE_HEADERS_MAX: usize = 100;
const RESPONSE_HEAD_BYTES_MAX: u32 = 64 << 10;

/// A client that reaches one origin and no other, whatever URI it is handed.
pub(crate) type Guarded = Client<HttpsConnector<Dialer>, Full<Bytes>>;

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
        .build(connector)
}

/// The client of one binding, with a connection pool of its own.
#[derive(Debug)]
pub(crate) struct HttpClient {
    resource: ResourceName,
    settings: HttpSettings,
    client: Guarded,
}

impl HttpClient {
    pub(crate) fn new(resource: ResourceName, settings: HttpSettings, policy: AddressPolicy) -> Self {
        let client = guarded(&settings.tls, settings.origin(policy));
        Self { resource, settings, client }
    }

    /// Sends one request and reads its whole response, within deadline, caps and budget.
    pub(crate) async fn perform(&self, request: HttpRequest) -> Performed {
        let mut meter = Meter::new(request.egress_bytes_max);
        let until = request.deadline.min(Instant::now() + self.settings.timeout);
        let reply = match timeout_at(until, self.exchange(request, &mut meter)).await {
            Ok(reply) => reply,
            Err(_) => Err(HostError::Timeout(format!("`{}` did not answer in time", self.resource))),
        };
        Performed { egress_bytes: meter.spent(), ..Performed::without_egress(reply.map(HostReply::Http)) }
    }

    async fn exchange(&self, request: HttpRequest, meter: &mut Meter) -> Result<HttpReply, HostError> {
        let outgoing = exchange::assemble(&self.settings, request)?;
        let size = exchange::size_bytes(&outgoing);
        meter.spend(size)?;
        let response = self.send(outgoing).await.inspect_err(|error| {
            if !has_left(error) {
                meter.refund(size);
            }
        });
        reply::read(&self.settings, response.map_err(|error| explain::request(&self.resource, &error))?, meter)
            .await
            .map_err(|fault| explain::response(&self.resource, fault))
    }

    async fn send(
        &self,
        request: Request<Full<Bytes>>,
    ) -> Result<::http::Response<hyper::body::Incoming>, hyper_util::client::legacy::Error> {
        self.client.request(request).await
    }
}

/// Whether any of the request may have been sent.
fn has_left(error: &hyper_util::client::legacy::Error) -> bool {
    !error.is_connect()
}

#[cfg(test)]
mod tests;
