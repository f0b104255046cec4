//! A thousand responses of 4 MiB that are read a piece at a time, all at once.

use std::net::SocketAddr;

use airlock_resources::HttpExchange;
use anyhow::Context as _;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
};

use super::Api;
use crate::{processor::Footprint, serve::runtime};

const COUNT: usize = 1_000;
const PIECES: usize = 64;
const PIECE_BYTES: usize = 64 << 10;
const MORE: &str = "requests_max = 2000\ntenant_requests_max = 2000";

/// Resident memory of one stream, the server's side of it included.
pub(super) struct Memory {
    pub(super) count: usize,
    pub(super) begun_kib: f64,
    pub(super) read_kib: f64,
}

pub(super) async fn measure() -> anyhow::Result<Memory> {
    let api = Api::new(serve()?, MORE)?;
    let before = resident()?;
    let mut open = Vec::new();
    for _ in 0..COUNT {
        let mut exchange = api.resources.exchange(&api.environment, api.request("/")?).await?;
        exchange.head().await?;
        open.push(exchange);
    }
    let begun = resident()?;
    let mut most = begun;
    while !open.is_empty() {
        open = round(open).await?;
        most = most.max(resident()?);
    }
    let each = |kib: u64| kib.saturating_sub(before) as f64 / COUNT as f64;
    Ok(Memory { count: COUNT, begun_kib: each(begun), read_kib: each(most) })
}

/// One piece of each, and those that go on.
async fn round(open: Vec<HttpExchange>) -> anyhow::Result<Vec<HttpExchange>> {
    let mut left = Vec::with_capacity(open.len());
    for mut exchange in open {
        if exchange.next().await?.is_some() {
            left.push(exchange);
        }
    }
    Ok(left)
}

fn resident() -> anyhow::Result<u64> {
    Ok(Footprint::own()?.resident_kib)
}

fn serve() -> anyhow::Result<SocketAddr> {
    let (sender, receiver) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        runtime()?.block_on(async {
            let listener = TcpListener::bind("127.0.0.1:0").await?;
            sender.send(listener.local_addr()?)?;
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(async move { drop(answer(stream).await) });
            }
            anyhow::Ok(())
        })
    });
    receiver.recv().context("the server did not start")
}

async fn answer(mut stream: TcpStream) -> std::io::Result<()> {
    let mut request = [0_u8; 4096];
    let _count = stream.read(&mut request).await?;
    let length = PIECES * PIECE_BYTES;
    let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n");
    stream.write_all(head.as_bytes()).await?;
    for _ in 0..PIECES {
        stream.write_all(&[b'x'; PIECE_BYTES]).await?;
    }
    Ok(())
}
