//! The dialler as the HTTP client takes it.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use ::http::Uri;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use crate::dial::{DialError, Origin};

/// Connects to the host of one binding, whatever URI it is handed.
#[derive(Debug, Clone)]
pub(crate) struct Dialer(Arc<Origin>);

impl Dialer {
    pub(super) fn new(origin: Origin) -> Self {
        Self(Arc::new(origin))
    }
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
