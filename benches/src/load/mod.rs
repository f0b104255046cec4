//! The load generators, cheap enough not to be what is measured.
//!
//! They speak HTTP/2 through `h2` without hyper or tonic on top; headers and body are made once and sent again and again.

pub(crate) mod closed;
pub(crate) mod open;

use std::net::SocketAddr;

use airlock_proto::v1::{InvokeRequest, InvokeResponse, invoke_response};
use anyhow::Context;
use bytes::{BufMut, Bytes, BytesMut};
use h2::client::SendRequest;
use http::{HeaderMap, HeaderValue, Request};
use prost::Message as _;
use tokio::net::TcpStream;
use tonic_types::StatusExt as _;

use crate::{
    guests::{INPUT, OUTPUT},
    issuer::ENVIRONMENT,
};

const WINDOW_BYTES: u32 = 16 << 20;
/// A gRPC message is preceded by a flag and its length.
const FRAME_HEADER_BYTES: usize = 5;
/// Beyond this, nothing is distinguished.
pub(crate) const LATENCY_NS_MAX: u64 = 60_000_000_000;

/// What is asked of a server.
pub(crate) struct Call<'a> {
    /// The function.
    pub(crate) function: &'a str,
    /// Its input.
    pub(crate) payload: &'a [u8],
    /// With a token the call also carries a deadline, as real callers do.
    pub(crate) token: Option<&'a str>,
    /// What a caller allows for one call, as in `grpc-timeout`; becomes a limit of the run like the others.
    pub(crate) timeout: &'a str,
}

impl<'a> Call<'a> {
    /// A call of a function that greets.
    pub(crate) fn greeting(function: &'a str) -> Self {
        Self { function, payload: INPUT, token: None, timeout: "5S" }
    }
}

/// One request, ready to be sent any number of times.
#[derive(Clone)]
pub(crate) struct Target {
    /// Where to.
    pub(crate) address: SocketAddr,
    head: Request<()>,
    body: Bytes,
}

impl Target {
    /// Makes the request.
    pub(crate) fn new(address: SocketAddr, call: &Call<'_>) -> anyhow::Result<Self> {
        let mut head = Request::post(format!("http://{address}/airlock.v1.InvocationService/Invoke"))
            .header("te", "trailers")
            .header("content-type", "application/grpc");
        if let Some(token) = call.token {
            head = head.header("authorization", format!("Bearer {token}")).header("grpc-timeout", call.timeout);
        }
        let message = InvokeRequest {
            function: call.function.to_owned(),
            environment: ENVIRONMENT.to_owned(),
            payload: call.payload.to_vec(),
            request_id: String::new(),
            alias: String::new(),
        };
        Ok(Self { address, head: head.body(())?, body: framed(&message)? })
    }
}

fn framed(message: &InvokeRequest) -> anyhow::Result<Bytes> {
    let mut body = BytesMut::with_capacity(FRAME_HEADER_BYTES + message.encoded_len());
    body.put_u8(0);
    body.put_u32(u32::try_from(message.encoded_len())?);
    message.encode(&mut body)?;
    Ok(body.freeze())
}

/// A whole answer: one message at most, and how it ended.
pub(crate) struct Answer {
    message: Bytes,
    /// Where the gRPC status is.
    ending: HeaderMap,
}

impl Answer {
    /// Whether the function answered.
    pub(crate) fn is_ok(&self) -> bool {
        self.ending.get("grpc-status").is_some_and(|status| status.as_bytes() == b"0")
    }

    /// The stable name of the reason, or the gRPC code where there is none.
    pub(crate) fn reason(&self) -> String {
        let Some(status) = tonic::Status::from_header_map(&self.ending) else {
            return "no gRPC status".to_owned();
        };
        let known = status.get_details_error_info().map(|info| info.reason).filter(|reason| !reason.is_empty());
        known.unwrap_or_else(|| format!("{:?}", status.code()))
    }

    /// The function's output.
    ///
    /// # Errors
    /// When the call failed, with the server's words.
    pub(crate) fn output(&self) -> anyhow::Result<Vec<u8>> {
        check_status(&self.ending)?;
        let message = self.message.get(FRAME_HEADER_BYTES..).context("an answer without a message")?;
        match InvokeResponse::decode(message)?.result {
            Some(invoke_response::Result::Output(output)) => Ok(output),
            other => anyhow::bail!("the wrong answer: {other:?}"),
        }
    }

    /// Whether the answer is the one that every guest that greets must give.
    fn check_greeting(&self) -> anyhow::Result<()> {
        let output = self.output()?;
        anyhow::ensure!(output == OUTPUT, "the wrong answer: {}", String::from_utf8_lossy(&output));
        Ok(())
    }
}

/// A new connection.
#[expect(clippy::disallowed_methods, reason = "the load generator calls our own server, at the address it announced")]
pub(crate) async fn connect(address: SocketAddr) -> anyhow::Result<SendRequest<Bytes>> {
    let stream = TcpStream::connect(address).await.with_context(|| format!("nobody answers at {address}"))?;
    stream.set_nodelay(true)?;
    let (sender, connection) = h2::client::Builder::new()
        .enable_push(false)
        .initial_window_size(WINDOW_BYTES)
        .initial_connection_window_size(WINDOW_BYTES)
        .handshake(stream)
        .await?;
    // How it ends is told to whoever has a call on it.
    tokio::spawn(async move { drop(connection.await) });
    Ok(sender)
}

/// Sends one request and reads its whole answer. Waits first where the connection has no stream to give.
pub(crate) async fn exchange(
    sender: SendRequest<Bytes>,
    target: &Target,
) -> anyhow::Result<(Answer, SendRequest<Bytes>)> {
    let mut sender = sender.ready().await?;
    let (answer, mut sending) = sender.send_request(target.head.clone(), false)?;
    sending.send_data(target.body.clone(), true)?;
    let (head, mut body) = answer.await?.into_parts();
    anyhow::ensure!(head.status == http::StatusCode::OK, "HTTP status {}", head.status);
    let mut message = Bytes::new();
    while let Some(part) = body.data().await {
        let part = part?;
        body.flow_control().release_capacity(part.len())?;
        message = if message.is_empty() { part } else { [message, part].concat().into() };
    }
    let ending = body.trailers().await?.unwrap_or(head.headers);
    Ok((Answer { message, ending }, sender))
}

fn check_status(headers: &HeaderMap) -> anyhow::Result<()> {
    let text = |name: &str| headers.get(name).map(HeaderValue::as_bytes).unwrap_or_default();
    let status = text("grpc-status");
    anyhow::ensure!(
        status == b"0",
        "a call failed with gRPC status `{}`: {}",
        String::from_utf8_lossy(status),
        String::from_utf8_lossy(text("grpc-message"))
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;
    use crate::serve::echo;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        let pairs = pairs.iter().map(|(name, value)| (name.parse().unwrap(), HeaderValue::from_static(value)));
        pairs.collect()
    }

    fn answer(message: &InvokeResponse, pairs: &[(&'static str, &'static str)]) -> Answer {
        let message = Bytes::from([vec![0; FRAME_HEADER_BYTES], message.encode_to_vec()].concat());
        Answer { message, ending: headers(pairs) }
    }

    #[test]
    fn a_refusal_and_a_missing_status_are_failures() {
        assert!(check_status(&headers(&[("grpc-status", "0")])).is_ok());
        assert!(check_status(&headers(&[("grpc-status", "14")])).unwrap_err().to_string().contains("`14`"));
        assert!(check_status(&HeaderMap::new()).is_err());
    }

    #[test]
    fn only_the_right_output_passes() {
        let ok = &[("grpc-status", "0")];
        assert!(answer(&echo::answer(), ok).check_greeting().is_ok());
        let wrong = InvokeResponse { result: Some(invoke_response::Result::Output(b"{}".to_vec())), ..echo::answer() };
        assert!(answer(&wrong, ok).check_greeting().is_err());
        assert!(answer(&InvokeResponse::default(), ok).check_greeting().is_err());
        assert!(answer(&echo::answer(), &[("grpc-status", "4")]).check_greeting().is_err());
    }

    #[test]
    fn a_refusal_has_a_name() {
        let details = tonic_types::ErrorDetails::with_error_info(
            "tenant_busy",
            "airlock",
            HashMap::from([("a".to_owned(), "b".to_owned())]),
        );
        let status = tonic::Status::with_error_details(tonic::Code::ResourceExhausted, "busy", details);
        let mut ending = HeaderMap::new();
        status.add_header(&mut ending).unwrap();
        assert_eq!(Answer { message: Bytes::new(), ending }.reason(), "tenant_busy");
        assert_eq!(answer(&echo::answer(), &[("grpc-status", "14")]).reason(), "Unavailable");
        assert_eq!(answer(&echo::answer(), &[]).reason(), "no gRPC status");
    }
}
