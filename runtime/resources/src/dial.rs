//! The only place that dials: resolve, judge every address, connect to the one that was judged.

use std::{future::poll_fn, io, net::SocketAddr, pin::Pin, task::Poll, time::Duration};

use airlock_model::{HostError, Reason, ResourceName};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
    time::timeout,
};

use crate::address::{AddressPolicy, Forbidden};

/// A TCP connection, with or without TLS.
pub(crate) type Stream = Box<dyn Duplex>;

/// Both directions.
pub(crate) trait Duplex: AsyncRead + AsyncWrite + Send + Sync + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Sync + Unpin> Duplex for T {}

/// Whether the other side has said nothing and not gone away.
pub(crate) async fn is_quiet(stream: &mut Stream) -> bool {
    poll_fn(|context| {
        let mut byte = [0_u8];
        Poll::Ready(Pin::new(&mut *stream).poll_read(context, &mut ReadBuf::new(&mut byte)).is_pending())
    })
    .await
}

/// The one host and port of a binding.
#[derive(Debug)]
pub(crate) struct Origin {
    /// As a resolver takes it: no brackets around IPv6.
    pub(crate) host: String,
    pub(crate) port: u16,
    pub(crate) policy: AddressPolicy,
    pub(crate) connect_timeout: Duration,
}

/// Why there is no connection. Names hosts and addresses: for the operator's log only.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DialError {
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

impl Origin {
    /// Connects within the time that is set for it.
    ///
    /// # Errors
    /// Why there is no connection.
    pub(crate) async fn connect(&self) -> Result<TcpStream, DialError> {
        match timeout(self.connect_timeout, self.resolve_and_connect()).await {
            Ok(ended) => ended,
            Err(_) => Err(DialError::TooSlow(self.connect_timeout)),
        }
    }

    /// The addresses that a connection would be tried to, in order.
    ///
    /// # Errors
    /// As [`AddressPolicy::targets`].
    pub(crate) async fn targets(&self) -> Result<Vec<SocketAddr>, DialError> {
        self.policy.targets(&self.host, self.port).await
    }

    /// Judges the host where it is an address, without a look at the network. `false` for a name.
    ///
    /// # Errors
    /// As [`AddressPolicy::literal`].
    pub(crate) fn check_literal(&self) -> Result<bool, DialError> {
        self.policy.literal(&self.host, self.port).map(|target| target.is_some())
    }

    async fn resolve_and_connect(&self) -> Result<TcpStream, DialError> {
        let mut last = DialError::NoAddress(self.host.clone());
        for target in self.targets().await? {
            match connect_checked(target).await {
                Ok(stream) => return Ok(stream),
                Err(source) => last = DialError::Connect { target, source },
            }
        }
        Err(last)
    }

    /// Connects once more to an address that this origin has connected to, whatever its name says by now.
    ///
    /// # Errors
    /// Why there is no connection.
    pub(crate) async fn connect_again(&self, target: SocketAddr) -> Result<TcpStream, DialError> {
        self.policy.check(target).map_err(|why| DialError::Forbidden { target, why })?;
        match timeout(self.connect_timeout, connect_checked(target)).await {
            Ok(ended) => ended.map_err(|source| DialError::Connect { target, source }),
            Err(_) => Err(DialError::TooSlow(self.connect_timeout)),
        }
    }
}

#[allow(clippy::disallowed_methods, reason = "the one place that dials; the address was judged a line above")]
async fn connect_checked(target: SocketAddr) -> io::Result<TcpStream> {
    let stream = TcpStream::connect(target).await?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

impl DialError {
    /// In words that a guest may see: no name, no address. The operator's log has both.
    pub(crate) fn explain(&self, resource: &ResourceName) -> HostError {
        tracing::warn!(%resource, error = %crate::log::chain(self), "no connection");
        self.in_words(resource)
    }

    /// The same, where nobody tried to connect.
    pub(crate) fn in_words(&self, resource: &ResourceName) -> HostError {
        match self {
            Self::Resolve { .. } | Self::NoAddress(_) => {
                HostError::Unavailable(format!("the host of `{resource}` has no address right now"))
            }
            Self::Connect { .. } => HostError::Unavailable(format!("`{resource}` refuses connections right now")),
            Self::TooSlow(within) => {
                HostError::Timeout(format!("no connection to `{resource}` within {} ms", within.as_millis()))
            }
            Self::Forbidden { why: Forbidden::OwnListener, .. } => denied(
                format!("`{resource}` points at a listener of Airlock itself"),
                "the operator has to give the binding another address",
            ),
            Self::Forbidden { why: Forbidden::Class(class), .. } => denied(
                format!("`{resource}` has a {class} address, which the binding does not allow"),
                if class.is_never_a_target() {
                    "no listing allows such an address; the operator has to correct the name"
                } else {
                    "if that is meant, the operator lists the range in `allow_private` of the binding"
                },
            ),
            Self::Forbidden { why: Forbidden::NotListed, .. } => denied(
                format!(
                    "`{resource}` has an address that the binding does not list, and its `tls` does not check the server"
                ),
                "the operator sets `tls = \"verify-full\"`, or lists the range in `allow_private` of the binding",
            ),
        }
    }
}

fn denied(rule: String, hint: &str) -> HostError {
    HostError::Denied { reason: Reason::EgressDenied.to_string(), rule, hint: hint.to_owned() }
}
