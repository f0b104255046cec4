//! TLS as PostgreSQL begins it: a request in clear text, one byte for an answer, then the handshake.

use std::io;

use postgres_protocol::message::frontend;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

use crate::{database::Tls, dial::Stream};

/// Protects a fresh connection as the binding says.
///
/// # Errors
/// When the server does not speak TLS, or the handshake fails.
pub(super) async fn protect(tls: &Tls, mut stream: TcpStream) -> io::Result<Stream> {
    if !tls.is_wanted() {
        return Ok(Box::new(stream));
    }
    let mut request = bytes::BytesMut::new();
    frontend::ssl_request(&mut request);
    stream.write_all(&request).await?;
    // One byte and no more: what follows it in clear text is not to be taken for TLS's own (CVE-2021-23222).
    match stream.read_u8().await? {
        b'S' => tls.shake_hands(stream).await,
        b'N' => Err(io::Error::other("the server does not speak TLS")),
        _ => Err(io::Error::other("the answer to the request for TLS is not PostgreSQL's")),
    }
}
