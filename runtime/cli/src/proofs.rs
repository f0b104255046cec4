//! Requests with a proof of possession (DPoP, RFC 9449): those that ask for a token, and those whose token is bound to a key.

use std::{error::Error, path::Path, pin::Pin, sync::Arc};

use airlock_access::{ProofClaims, SigningKey, claims_unverified, prove};
use tonic::{
    body::Body,
    codegen::{
        Context, Poll, Service,
        http::{HeaderValue, Request, Response, Uri, header::AUTHORIZATION},
    },
    transport::Channel,
};

use crate::{commands::token::now_unix_s, keys};

type BoxError = Box<dyn Error + Send + Sync>;

/// A connection that proves the use of a key where there is one to use.
#[derive(Clone)]
pub struct Wire {
    channel: Channel,
    holder: Option<Arc<Holder>>,
}

/// Who sends the requests, and where to.
struct Holder {
    key: SigningKey,
    server: Uri,
}

impl Wire {
    /// Over this connection to `server`, with the private key in this file.
    pub fn new(channel: Channel, server: &Uri, key: Option<&Path>) -> anyhow::Result<Self> {
        let holder = |file: &Path| Ok::<_, anyhow::Error>(Holder { key: keys::read(file)?, server: server.clone() });
        Ok(Self { channel, holder: key.map(holder).transpose()?.map(Arc::new) })
    }
}

impl Holder {
    /// Adds the proof, and says with the scheme that there is one.
    fn prove(&self, request: &mut Request<Body>) -> Result<(), BoxError> {
        let sent = request.headers().get(AUTHORIZATION).and_then(|value| value.to_str().ok()).map(str::to_owned);
        let token = sent.as_deref().and_then(|sent| sent.strip_prefix("Bearer "));
        if token.is_some_and(|token| !is_bound(token)) {
            return Ok(());
        }
        let (scheme, authority) = (self.server.scheme_str().unwrap_or("http"), self.server.authority());
        let authority = authority.map_or("", |authority| authority.as_str());
        let url = format!("{scheme}://{authority}{}", request.uri().path());
        let claims =
            ProofClaims { method: request.method().as_str(), url: &url, token, issued_at_unix_s: now_unix_s() };
        let proof = HeaderValue::try_from(prove(&self.key, &claims)?)?;
        if let Some(token) = token {
            let mut authorization = HeaderValue::try_from(format!("DPoP {token}"))?;
            authorization.set_sensitive(true);
            request.headers_mut().insert(AUTHORIZATION, authorization);
        }
        request.headers_mut().insert("dpop", proof);
        Ok(())
    }
}

/// Whether the token names a key. A server refuses the scheme `DPoP` for one that does not.
fn is_bound(token: &str) -> bool {
    claims_unverified(token).is_some_and(|claims| claims.get("cnf").is_some_and(|cnf| cnf.get("jkt").is_some()))
}

impl Service<Request<Body>> for Wire {
    type Response = Response<Body>;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, BoxError>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.channel.poll_ready(context).map_err(Into::into)
    }

    fn call(&mut self, mut request: Request<Body>) -> Self::Future {
        if let Some(Err(why)) = self.holder.as_ref().map(|holder| holder.prove(&mut request)) {
            return Box::pin(std::future::ready(Err(why)));
        }
        let answer = self.channel.call(request);
        Box::pin(async move { answer.await.map_err(Into::into) })
    }
}
