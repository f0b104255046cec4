//! The only place that dials: resolve, judge every address, connect to the one that was judged.

use std::{
    io,
    net::SocketAddr,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use ::http::Uri;
use hyper_util::rt::TokioIo;
use tokio::{
    net::{TcpStream, lookup_host},
    time::timeout,
};

use super::HttpSettings;
use crate::address::{AddressPolicy, Forbidden};

/// Connects to the host of one binding, whatever URI it is handed.
#[derive(Debug, Clone)]
pub(super) struct Dialer(Arc<Origin>);

#[derive(Debug)]
struct Origin {
    host: String,
    port: u16,
    policy: AddressPolicy,
    connect_timeout: Duration,
}

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub(super) enum DialError {
    #[error("the host `{host}` cannot be resolved")]
    Resolve { host: String, source: io::Error },
    #[error("the host `{0}` has no address")]
    NoAddress(String),
    #[error("the address {target} is not allowed: {why:?}")]
    Forbidden { target: SocketAddr, why: Forbidden },
    #[error("no connection to {target}")]
    Connect { target: SocketAddr, source: io::Error },
    #[error("no connection within {0:?}")]
    TooSlow(Duration),
}

impl Dialer {
    pub(super) fn new(settings: &HttpSettings, policy: AddressPolicy) -> Self {
        Self(Arc::new(Origin {
            host: settings.base.host_to_resolve(),
            port: settings.base.port(),
            policy,
            connect_timeout: settings.connect_timeout,
        }))
    }
}

impl Origin {
    async fn connect(&self) -> Result<TcpStream, DialError> {
        match timeout(self.connect_timeout, self.resolve_and_connect()).await {
            Ok(ended) => ended,
            Err(_) => Err(DialError::TooSlow(self.connect_timeout)),
        }
    }

    async fn resolve_and_connect(&self) -> Result<TcpStream, DialError> {
        let resolve = |source| DialError::Resolve { host: self.host.clone(), source };
        let targets: Vec<SocketAddr> = lookup_host((self.host.as_str(), self.port)).await.map_err(resolve)?.collect();
        // All or none: a name that has one forbidden address is being played with, or configured by mistake.
        for target in &targets {
            self.policy.check(*target).map_err(|why| DialError::Forbidden { target: *target, why })?;
        }
        let mut last = DialError::NoAddress(self.host.clone());
        for target in targets {
            match connect_checked(target).await {
                Ok(stream) => return Ok(stream),
                Err(source) => last = DialError::Connect { target, source },
            }
        }
        Err(last)
    }
}

#[allow(clippy::disallowed_methods, reason = "the one place that dials; the address was judged a line above")]
async fn connect_checked(target: SocketAddr) -> io::Result<TcpStream> {
    let stream = TcpStream::connect(target).await?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

impl tower::Service<Uri> for Dialer {
    type Response = TokioIo<TcpStream>;
    type Error = DialError;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, DialError>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), DialError>> {
        Poll::Ready(Ok(()))
    }

    /// The URI is ours and names the origin already; not reading it here means that it cannot matter.
    fn call(&mut self, _: Uri) -> Self::Future {
        let origin = Arc::clone(&self.0);
        Box::pin(async move { origin.connect().await.map(TokioIo::new) })
    }
}
