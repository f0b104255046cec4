//! A DNS server on loopback that says what a test wants.

use std::{
    net::{IpAddr, SocketAddr},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, UdpSocket},
};

/// What there is of a name.
pub(super) enum Found {
    /// Owners and addresses, after aliases and their targets.
    Records(Vec<(String, Data)>),
    NoSuchName,
    Failure,
}

pub(super) enum Data {
    Address(IpAddr),
    Alias(String),
}

/// The plain addresses of a name.
pub(super) fn addresses(name: &str, texts: &[&str]) -> Found {
    let record = |text: &&str| (name.to_owned(), Data::Address(text.parse().expect("an address")));
    Found::Records(texts.iter().map(record).collect())
}

/// Aliases in a row, then addresses of the last one.
pub(super) fn aliases(names: &[&str], texts: &[&str]) -> Found {
    let alias = |pair: &[&str]| (pair[0].to_owned(), Data::Alias(pair[1].to_owned()));
    let mut records: Vec<_> = names.windows(2).map(alias).collect();
    let last = *names.last().expect("a name");
    records.extend(texts.iter().map(|text| (last.to_owned(), Data::Address(text.parse().expect("an address")))));
    Found::Records(records)
}

pub(super) async fn serve(zone: impl Fn(&str) -> Found + Send + Sync + 'static) -> SocketAddr {
    let socket = UdpSocket::bind("127.0.0.1:0").await.expect("a port");
    let (address, zone) = (socket.local_addr().expect("an address"), Arc::new(zone));
    tokio::spawn(async move {
        let mut bytes = [0_u8; 512];
        while let Ok((length, peer)) = socket.recv_from(&mut bytes).await {
            let query = &bytes[..length];
            let _ = socket.send_to(&answer(query, &zone(&name_of(query))), peer).await;
        }
    });
    address
}

/// What a server says over TCP, of what the answer would be.
pub(super) type OverTcp = fn(&[u8]) -> Vec<u8>;

/// The answer with the length before it (RFC 1035 section 4.2.2).
pub(super) fn framed(answer: &[u8]) -> Vec<u8> {
    [&u16::try_from(answer.len()).expect("short").to_be_bytes(), answer].concat()
}

/// A server whose answers do not fit into a datagram: over UDP it says that and no more (RFC 1035 section 4.1.1), over TCP it says
/// what `over_tcp` makes of the answer. Also counts the questions over TCP.
pub(super) async fn serve_truncated(
    zone: impl Fn(&str) -> Found + Send + Sync + 'static,
    over_tcp: OverTcp,
) -> (SocketAddr, Arc<AtomicUsize>) {
    let (listener, socket) = both().await;
    let (address, zone, asked) = (listener.local_addr().expect("an address"), Arc::new(zone), Arc::default());
    tokio::spawn(async move {
        let mut bytes = [0_u8; 512];
        while let Ok((length, peer)) = socket.recv_from(&mut bytes).await {
            let mut short = answer(&bytes[..length], &Found::Records(Vec::new()));
            short[2] |= 0x02;
            let _ = socket.send_to(&short, peer).await;
        }
    });
    let count: Arc<AtomicUsize> = Arc::clone(&asked);
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let Ok(length) = stream.read_u16().await else { continue };
            let mut query = vec![0; usize::from(length)];
            if stream.read_exact(&mut query).await.is_ok() {
                count.fetch_add(1, SeqCst);
                let _ = stream.write_all(&over_tcp(&answer(&query, &zone(&name_of(&query))))).await;
            }
        }
    });
    (address, asked)
}

/// One port for both protocols.
async fn both() -> (TcpListener, UdpSocket) {
    loop {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        // Somebody else may have it for datagrams.
        if let Ok(socket) = UdpSocket::bind(listener.local_addr().expect("an address")).await {
            return (listener, socket);
        }
    }
}

fn name_of(query: &[u8]) -> String {
    let (mut labels, mut at) = (Vec::new(), 12);
    while query[at] != 0 {
        let length = usize::from(query[at]);
        labels.push(String::from_utf8_lossy(&query[at + 1..=at + length]).into_owned());
        at += length + 1;
    }
    labels.join(".").to_ascii_lowercase()
}

fn answer(query: &[u8], found: &Found) -> Vec<u8> {
    let mut bytes = query.to_vec();
    bytes[2] = 0x81;
    bytes[3] = match found {
        Found::Records(_) => 0x80,
        Found::NoSuchName => 0x83,
        Found::Failure => 0x82,
    };
    let asked = query[query.len() - 3];
    let Found::Records(records) = found else { return bytes };
    let fitting = records.iter().filter(|(_, data)| match data {
        Data::Alias(_) => true,
        Data::Address(address) => address.is_ipv4() == (asked == 1),
    });
    for (owner, data) in fitting {
        bytes[7] += 1;
        let (kind, content) = match data {
            Data::Alias(target) => (5, labels(target)),
            Data::Address(IpAddr::V4(address)) => (1, address.octets().to_vec()),
            Data::Address(IpAddr::V6(address)) => (28, address.octets().to_vec()),
        };
        bytes.extend(labels(owner));
        bytes.extend([0, kind, 0, 1, 0, 0, 0, 0]);
        bytes.extend(u16::try_from(content.len()).expect("short").to_be_bytes());
        bytes.extend(content);
    }
    bytes
}

fn labels(name: &str) -> Vec<u8> {
    let label = |text: &str| [&[u8::try_from(text.len()).expect("short")], text.as_bytes()].concat();
    let mut bytes: Vec<u8> = name.split('.').flat_map(label).collect();
    bytes.push(0);
    bytes
}
