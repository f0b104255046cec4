//! Requests to one bucket: signed, sent over the guarded connector, answers read under a cap.

use airlock_model::{Digest, HostError, ResourceName};
use bytes::Bytes;
use http_body_util::BodyExt as _;
use hyper::{Method, Request, Response, body::Incoming};
use tokio::time::Instant;

use super::{
    DOCUMENT_BYTES_MAX,
    answer::{self, Answer},
};
use crate::{
    Network,
    address::AddressPolicy,
    blob::check::S3Settings,
    breaker::Breaker,
    dial::Origin,
    http::{self, Guarded, Outgoing},
    sign::{self, Signed, Signer, Stamp},
};

/// The way to one bucket.
#[derive(Debug)]
pub(super) struct Client {
    resource: ResourceName,
    /// Scheme, host and port as URLs have them, and the last two alone.
    origin: String,
    authority: String,
    bucket: String,
    signer: Signer,
    guarded: Guarded,
    breaker: Breaker,
}

/// One request.
pub(super) struct Asked {
    pub(super) method: Method,
    /// Key of an object; empty for the bucket itself.
    pub(super) object: String,
    /// Encoded and sorted.
    pub(super) query: String,
    pub(super) range: Option<String>,
    pub(super) content_type: Option<String>,
    pub(super) body: Vec<u8>,
}

impl Asked {
    pub(super) fn new(method: Method, object: String) -> Self {
        Self { method, object, query: String::new(), range: None, content_type: None, body: Vec::new() }
    }
}

impl Client {
    pub(super) fn new(resource: ResourceName, settings: S3Settings, network: &Network) -> Self {
        let S3Settings { base, bucket, region, access_key_id, secret, allow_private, tls, connect_timeout, .. } =
            settings;
        let policy = AddressPolicy::new(allow_private, network);
        let origin = Origin { host: base.host_to_resolve(), port: base.port(), policy, connect_timeout };
        Self {
            resource,
            origin: base.origin(),
            authority: base.authority(),
            bucket,
            signer: Signer { access_key_id, secret, region, service: "s3".to_owned() },
            guarded: http::guarded(&tls, origin),
            breaker: Breaker::default(),
        }
    }

    /// Sends one request and reads its answer: a body of at most `bytes_max`, or a document where it is an error.
    ///
    /// # Errors
    /// When there is no whole answer, in words that a guest may see.
    pub(super) async fn ask(&self, asked: Asked, now_unix_ms: u64, bytes_max: u64) -> Result<Answer, HostError> {
        self.breaker.check(&self.resource, Instant::now())?;
        let request = self.request(asked, now_unix_ms)?;
        let sent = self.guarded.request(request).await;
        match &sent {
            Ok(_) => self.breaker.succeeded(),
            Err(error) if http::is_forbidden(error) => {}
            Err(_) => self.breaker.failed(Instant::now()),
        }
        let response = sent.map_err(|error| http::explain_request(&self.resource, &error))?;
        self.read(response, bytes_max).await
    }

    async fn read(&self, response: Response<Incoming>, bytes_max: u64) -> Result<Answer, HostError> {
        let (head, mut body) = response.into_parts();
        let bytes_max = if head.status.is_success() { bytes_max } else { DOCUMENT_BYTES_MAX };
        let mut bytes = Vec::new();
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(|error| {
                tracing::warn!(resource = %self.resource, %error, "an answer broke off");
                HostError::Unavailable(format!(
                    "the connection to `{}` broke before the answer was complete",
                    self.resource
                ))
            })?;
            let Ok(data) = frame.into_data() else { continue };
            if (bytes.len() + data.len()) as u64 > bytes_max {
                return Err(answer::malformed(&self.resource));
            }
            bytes.extend_from_slice(&data);
        }
        Ok(Answer { status: head.status.as_u16(), headers: head.headers, body: bytes })
    }

    fn request(&self, asked: Asked, now_unix_ms: u64) -> Result<Request<Outgoing>, HostError> {
        let (path, stamp) = (self.path(&asked.object), Stamp::of(now_unix_ms));
        let payload = Digest::of(&asked.body).to_string();
        let headers = [
            ("content-type", asked.content_type.as_deref()),
            ("host", Some(self.authority.as_str())),
            ("range", asked.range.as_deref()),
            ("x-amz-content-sha256", Some(payload.as_str())),
            ("x-amz-date", Some(stamp.as_str())),
        ];
        let headers: Vec<(&str, &str)> = headers.into_iter().filter_map(|(name, value)| Some((name, value?))).collect();
        let signed = Signed { method: asked.method.as_str(), path: &path, query: &asked.query, headers: &headers };
        let authorization = self.signer.authorization(&signed, &payload, &stamp);
        let query = if asked.query.is_empty() { String::new() } else { format!("?{}", asked.query) };
        let mut request = Request::builder().method(asked.method.clone()).uri(format!("{}{path}{query}", self.origin));
        // Who sends the request says `host` itself, from the same URL.
        let sent = headers.iter().filter(|(name, _)| *name != "host");
        for (name, value) in sent.chain([&("authorization", authorization.as_str())]) {
            request = request.header(*name, *value);
        }
        request.body(Outgoing::Whole(Bytes::from(asked.body))).map_err(|error| {
            tracing::error!(resource = %self.resource, %error, "a request could not be put together");
            HostError::BadRequest("key and content type do not make a request".to_owned())
        })
    }

    /// A URL that reads an object for so many seconds.
    pub(super) fn signed_url(&self, object: &str, seconds: u64, now_unix_ms: u64) -> String {
        let path = self.path(object);
        let query = self.signer.query(&self.authority, &path, seconds, &Stamp::of(now_unix_ms));
        format!("{}{path}?{query}", self.origin)
    }

    fn path(&self, object: &str) -> String {
        sign::path(&format!("/{}/{object}", self.bucket)).trim_end_matches('/').to_owned()
    }
}
