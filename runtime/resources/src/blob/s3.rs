//! Servers that speak S3, over the same guarded client as HTTP resources.
//!
//! Requests are put together and signed by ourselves (`sign`), not with `object_store`: an operation is one request of ours
//! with one answer under a cap, there is no retry that outlives its call, and there is no second place that looks for
//! credentials, proxies or regions. Redirects are not followed. What a server says in an error never reaches a guest.

mod answer;
mod client;
mod listing;

use airlock_model::{BlobCommand, BlobReply, EnvironmentName, HostError, ObjectKey, ResourceName, TenantName};
use hyper::Method;
use tokio::time::timeout_at;

use super::{Answer, PAGE_OBJECTS, PIECE_BYTES_MAX, check::S3Settings, owner, too_late, unknown_effect};
use crate::{BlobRequest, Network, places::Places};
use answer::Head;
use client::{Asked, Client};

/// Requests at a time, and how many of them one tenant's.
const REQUESTS: (usize, usize) = (32, 16);
/// Answers that are no object: listings, errors.
const DOCUMENT_BYTES_MAX: u64 = 4 << 20;

/// A bucket, or the part of one that belongs to a binding.
#[derive(Debug)]
pub(crate) struct S3 {
    resource: ResourceName,
    prefix: String,
    is_shared: bool,
    object_bytes_max: u64,
    signed_url_ms_max: Option<std::num::NonZeroU64>,
    client: Client,
    places: Places,
}

impl S3 {
    pub(super) fn new(
        resource: ResourceName,
        environment: &EnvironmentName,
        settings: S3Settings,
        network: &Network,
    ) -> Self {
        // Names have no `/`, so no two bindings meet by default.
        let prefix = settings.prefix.clone().unwrap_or_else(|| format!("airlock/{resource}/{environment}/"));
        Self {
            prefix,
            is_shared: settings.is_shared,
            object_bytes_max: settings.object_bytes_max,
            signed_url_ms_max: settings.signed_url_ms_max,
            client: Client::new(resource.clone(), settings, network),
            places: Places::new(REQUESTS.0, REQUESTS.1),
            resource,
        }
    }

    pub(super) fn object_bytes_max(&self) -> u64 {
        self.object_bytes_max
    }

    pub(super) async fn perform(&self, request: BlobRequest) -> Answer {
        let (changes, deadline) = (request.command.changes(), request.deadline);
        let Ok(Some(_place)) = timeout_at(deadline, self.places.take(&request.tenant)).await else {
            return Err(too_late(&self.resource));
        };
        match timeout_at(deadline, self.run(request)).await {
            Ok(answer) => answer,
            Err(_) if changes => Err(unknown_effect()),
            Err(_) => Err(too_late(&self.resource)),
        }
    }

    async fn run(&self, request: BlobRequest) -> Answer {
        let BlobRequest { tenant, command, now_unix_ms: now, .. } = request;
        let space = self.space(&tenant);
        let object = |key: &ObjectKey| format!("{space}{}", key.as_str());
        match command {
            BlobCommand::Get { key, offset, length } => {
                let length = length.map_or(PIECE_BYTES_MAX, |length| length.get().min(PIECE_BYTES_MAX));
                self.get(&object(&key), (offset, length), now).await
            }
            BlobCommand::Head { key } => {
                self.head(&object(&key), now).await.map(|head| BlobReply::Info(head.map(Head::into_info)))
            }
            BlobCommand::Put { key, content_type, bytes } => {
                let asked =
                    Asked { content_type: Some(content_type), body: bytes, ..Asked::new(Method::PUT, object(&key)) };
                let answer = self.client.ask(asked, now, DOCUMENT_BYTES_MAX).await?;
                answer.expect(&[200], &self.resource)?;
                Ok(BlobReply::Stored(answer.etag()))
            }
            BlobCommand::Delete { key } => {
                let answer = self.client.ask(Asked::new(Method::DELETE, object(&key)), now, DOCUMENT_BYTES_MAX).await?;
                answer.expect(&[200, 204, 404], &self.resource)?;
                Ok(BlobReply::Deleted)
            }
            BlobCommand::List { prefix, cursor } => {
                let after = cursor.map(|cursor| format!("{space}{}", cursor.as_str()));
                let query = listing::query(&format!("{space}{}", prefix.as_str()), after.as_deref(), PAGE_OBJECTS);
                let asked = Asked { query, ..Asked::new(Method::GET, String::new()) };
                let answer = self.client.ask(asked, now, DOCUMENT_BYTES_MAX).await?;
                answer.expect(&[200], &self.resource)?;
                let page = listing::read(&answer.body, &space, prefix.as_str());
                page.map(BlobReply::Objects).ok_or_else(|| answer::malformed(&self.resource))
            }
            BlobCommand::SignedUrl { key, ttl_ms } => self.signed_url(&object(&key), ttl_ms.get(), now),
        }
    }

    async fn get(&self, object: &str, (offset, length): (u64, u64), now: u64) -> Answer {
        let last = offset.saturating_add(length - 1);
        let asked =
            Asked { range: Some(format!("bytes={offset}-{last}")), ..Asked::new(Method::GET, object.to_owned()) };
        let answer = self.client.ask(asked, now, length).await?;
        match answer.status {
            404 if answer.is_no_such_key() => Ok(BlobReply::Piece(None)),
            // Nothing is there from the offset on, as in an empty object.
            416 => {
                let head = self.head(object, now).await?;
                Ok(BlobReply::Piece(head.map(|head| head.into_piece(Vec::new()))))
            }
            206 => {
                let head = Head::of_piece(&answer).ok_or_else(|| answer::malformed(&self.resource))?;
                Ok(BlobReply::Piece(Some(head.into_piece(answer.body))))
            }
            _ => Err(answer.refused(&self.resource)),
        }
    }

    async fn head(&self, object: &str, now: u64) -> Result<Option<Head>, HostError> {
        let answer = self.client.ask(Asked::new(Method::HEAD, object.to_owned()), now, 0).await?;
        match answer.status {
            // A HEAD has no body that could say what is missing.
            404 => Ok(None),
            200 => Head::of_whole(&answer).map(Some).ok_or_else(|| answer::malformed(&self.resource)),
            _ => Err(answer.refused(&self.resource)),
        }
    }

    fn signed_url(&self, object: &str, ttl_ms: u64, now: u64) -> Answer {
        let Some(max) = self.signed_url_ms_max else {
            let text = format!("the binding of `{}` gives out no URLs: read with `get`", self.resource);
            return Err(HostError::BadRequest(text));
        };
        if ttl_ms > max.get() {
            let text = format!("the URL would live {ttl_ms} ms, the binding allows {max} ms");
            return Err(HostError::BadRequest(text));
        }
        Ok(BlobReply::Url(self.client.signed_url(object, ttl_ms.div_ceil(1_000), now)))
    }

    /// What all keys of a tenant begin with. A tenant's name has no `/`, so that of one never begins another's.
    fn space(&self, tenant: &TenantName) -> String {
        match owner(self.is_shared, tenant) {
            "" => self.prefix.clone(),
            owner => format!("{}{owner}/", self.prefix),
        }
    }
}
