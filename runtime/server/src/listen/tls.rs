//! The transport of one connection: TLS where the listener speaks it, and what the client showed of itself there.

use std::{
    io,
    net::SocketAddr,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use airlock_service::Thumbprint;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
    time::timeout,
};
use tokio_rustls::{TlsAcceptor, rustls::ServerConfig, server::TlsStream};

/// What is known of the client of a connection before its first request.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Peer {
    /// Whether the connection is TLS.
    pub(crate) over_tls: bool,
    /// Of the client's certificate, which was verified.
    pub(crate) certificate: Option<Thumbprint>,
    /// Our end of the connection.
    pub(crate) met_at: Option<SocketAddr>,
}

/// A client's socket, in clear text or not.
pub(super) enum Transport {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

/// Shakes hands where the listener speaks TLS. The client has this long for all of it.
///
/// # Errors
/// When it took longer, spoke something else, or showed a certificate that is not accepted.
pub(super) async fn open(
    stream: TcpStream,
    config: Option<Arc<ServerConfig>>,
    within: Duration,
) -> io::Result<(Transport, Peer)> {
    let met_at = stream.local_addr().ok();
    let Some(config) = config else {
        return Ok((Transport::Plain(stream), Peer { met_at, ..Peer::default() }));
    };
    let shaken = timeout(within, TlsAcceptor::from(config).accept(stream)).await;
    let stream = shaken.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))??;
    let (_, session) = stream.get_ref();
    // The client's own certificate comes first (RFC 8446 section 4.4.2).
    let certificate = session.peer_certificates().and_then(|chain| chain.first());
    let certificate = certificate.map(|own| Thumbprint::of_certificate(own));
    Ok((Transport::Tls(Box::new(stream)), Peer { over_tls: true, certificate, met_at }))
}

impl AsyncRead for Transport {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_read(context, into),
            Self::Tls(stream) => Pin::new(stream).poll_read(context, into),
        }
    }
}

impl AsyncWrite for Transport {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_write(context, bytes),
            Self::Tls(stream) => Pin::new(stream).poll_write(context, bytes),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_write_vectored(context, parts),
            Self::Tls(stream) => Pin::new(stream).poll_write_vectored(context, parts),
        }
    }

    fn is_write_vectored(&self) -> bool {
        match self {
            Self::Plain(stream) => stream.is_write_vectored(),
            Self::Tls(stream) => stream.is_write_vectored(),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_flush(context),
            Self::Tls(stream) => Pin::new(stream).poll_flush(context),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_shutdown(context),
            Self::Tls(stream) => Pin::new(stream).poll_shutdown(context),
        }
    }
}
