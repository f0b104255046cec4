//! A stub resolver (RFC 1034, 1035, 3596) that asks one server for the addresses of a name.
//!
//! The server is expected to follow aliases itself; what it answers is believed for this one connection and kept by nobody.

mod message;

use std::{
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    time::Duration,
};

use aws_lc_rs::rand;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpStream, UdpSocket},
    time::timeout,
};

use message::{Answer, Kind};

/// How long one datagram is waited for, and how many are sent.
const WAIT: Duration = Duration::from_millis(1_500);
const DATAGRAMS: usize = 3;
const DATAGRAM_BYTES_MAX: usize = 4_096;

/// The IPv4 and IPv6 addresses of a name.
///
/// # Errors
/// When the name does not exist or the server does not answer. Ends by itself, but callers have a time of their own.
pub(super) async fn addresses(server: SocketAddr, host: &str) -> io::Result<Vec<IpAddr>> {
    let (four, six) = tokio::join!(ask(server, host, Kind::A), ask(server, host, Kind::Aaaa));
    // Both or none: an address that is not known cannot be judged.
    let mut found = four?;
    found.extend(six?);
    Ok(found)
}

async fn ask(server: SocketAddr, host: &str, kind: Kind) -> io::Result<Vec<IpAddr>> {
    let id = fresh_id()?;
    let query = message::query(id, host, kind).ok_or_else(|| io::Error::other("the name is no DNS name"))?;
    let answer = over_udp(server, &query, |bytes| message::read(bytes, &query, kind)).await?;
    let answer = match answer {
        Answer::Truncated => {
            let bytes = timeout(WAIT, over_tcp(server, &query)).await.map_err(|_| slow())??;
            message::read(&bytes, &query, kind).ok_or_else(malformed)?
        }
        answer => answer,
    };
    match answer {
        Answer::Addresses(found) => Ok(found),
        Answer::NoSuchName => Err(io::Error::new(io::ErrorKind::NotFound, "no such name")),
        Answer::Failed | Answer::Truncated => Err(malformed()),
    }
}

/// Sends a query until something comes back that is an answer to it; what is not is waited past.
async fn over_udp(server: SocketAddr, query: &[u8], read: impl Fn(&[u8]) -> Option<Answer>) -> io::Result<Answer> {
    let any: IpAddr = if server.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
    let socket = UdpSocket::bind((any, 0)).await?;
    // The kernel then takes datagrams of this server alone.
    socket.connect(server).await?;
    for _ in 0..DATAGRAMS {
        socket.send(query).await?;
        let answered = timeout(WAIT, async {
            let mut bytes = [0_u8; DATAGRAM_BYTES_MAX];
            loop {
                let length = socket.recv(&mut bytes).await?;
                if let Some(answer) = bytes.get(..length).and_then(&read) {
                    return io::Result::Ok(answer);
                }
            }
        });
        if let Ok(answer) = answered.await {
            return answer;
        }
    }
    Err(slow())
}

#[expect(clippy::disallowed_methods, reason = "the operator's own resolver, by an address that nobody else names")]
async fn over_tcp(server: SocketAddr, query: &[u8]) -> io::Result<Vec<u8>> {
    let mut stream = TcpStream::connect(server).await?;
    stream.write_u16(u16::try_from(query.len()).map_err(|_| malformed())?).await?;
    stream.write_all(query).await?;
    let mut bytes = vec![0_u8; usize::from(stream.read_u16().await?)];
    stream.read_exact(&mut bytes).await?;
    Ok(bytes)
}

fn fresh_id() -> io::Result<u16> {
    let mut bytes = [0_u8; 2];
    rand::fill(&mut bytes).map_err(|_| io::Error::other("no randomness"))?;
    Ok(u16::from_be_bytes(bytes))
}

fn slow() -> io::Error {
    io::Error::new(io::ErrorKind::TimedOut, "the DNS server did not answer")
}

fn malformed() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "the DNS server answered with an error or with nonsense")
}
