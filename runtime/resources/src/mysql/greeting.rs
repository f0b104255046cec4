//! What a server says first, and how a session is asked for.

use std::io;

use bytes::{BufMut as _, Bytes};
use tokio::{io::AsyncReadExt as _, net::TcpStream};

use super::{
    packet::{self, Reader, put_bytes},
    wire::{PACKET_BYTES_MAX, garbage},
};

/// What the client can do. Everything else it does not ask for, above all CLIENT_LOCAL_FILES (0x80),
/// CLIENT_MULTI_STATEMENTS (0x1_0000), CLIENT_MULTI_RESULTS (0x2_0000) and CLIENT_PS_MULTI_RESULTS (0x4_0000).
const CAPABILITIES: u32 = FOUND_ROWS | LONG_FLAG | CONNECT_WITH_DB | PROTOCOL_41 | TRANSACTIONS | REST;
/// An UPDATE counts the rows that it found, as in other databases, and not those that were different before.
const FOUND_ROWS: u32 = 0x0002;
const LONG_FLAG: u32 = 0x0004;
const CONNECT_WITH_DB: u32 = 0x0008;
const PROTOCOL_41: u32 = 0x0200;
const TLS: u32 = 0x0800;
const TRANSACTIONS: u32 = 0x2000;
/// SECURE_CONNECTION, PLUGIN_AUTH, PLUGIN_AUTH_LENENC_CLIENT_DATA.
const REST: u32 = 0x0000_8000 | 0x0008_0000 | 0x0020_0000;
const REQUIRED: u32 = PROTOCOL_41 | 0x0000_8000 | 0x0008_0000;
/// Set by MySQL; MariaDB leaves it out and has more capabilities elsewhere.
const IS_MYSQL: u32 = 0x0001;
/// MariaDB: columns say that they hold JSON.
const EXTENDED_METADATA: u32 = 0x0008;
/// `utf8mb4_general_ci`, which both servers know.
const CHARACTER_SET: u8 = 45;
const PACKET_BYTES_SENT_MAX: u32 = 1 << 30;

/// The first packet of a server.
#[derive(Debug)]
pub(super) struct Greeting {
    pub(super) kind: Kind,
    /// What KILL takes.
    pub(super) thread: u32,
    /// Random bytes that the password is hidden with.
    pub(super) nonce: Vec<u8>,
    /// How the server would have us log in.
    pub(super) plugin: String,
    capabilities: u32,
    extended: u32,
}

/// Which of the two it is: they name some settings differently.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Mysql,
    MariaDb,
}

/// Reads the greeting and not one byte more: what follows it is TLS.
///
/// # Errors
/// When the server has none for us, or is none.
pub(super) async fn read(stream: &mut TcpStream) -> Result<Greeting, super::Fault> {
    let header = stream.read_u32_le().await?;
    let length = usize::try_from(header & 0x00ff_ffff).map_err(|_| garbage("a greeting without a length"))?;
    if header >> 24 != 0 || length > PACKET_BYTES_MAX {
        return Err(garbage("a greeting that is none").into());
    }
    let mut payload = vec![0; length];
    stream.read_exact(&mut payload).await?;
    let payload = Bytes::from(payload);
    if payload.first() == Some(&0xff) {
        return Err(super::Fault::Server(packet::error(&payload)?));
    }
    Ok(parse(&payload)?)
}

pub(super) fn parse(payload: &[u8]) -> io::Result<Greeting> {
    const VERSION: u8 = 10;
    let mut reader = Reader::new(payload);
    if reader.byte()? != VERSION {
        return Err(garbage("a greeting of another protocol"));
    }
    let version = String::from_utf8_lossy(reader.until_nul()?).into_owned();
    let thread = reader.u32()?;
    let mut nonce = reader.take(8)?.to_vec();
    reader.byte()?;
    let low = reader.u16()?;
    reader.take(3)?;
    let capabilities = u32::from(low) | u32::from(reader.u16()?) << 16;
    let nonce_bytes = reader.byte()?;
    reader.take(6)?;
    let extended = reader.u32()?;
    nonce.extend_from_slice(reader.take(usize::from(nonce_bytes).saturating_sub(8).max(13))?);
    // The last byte is a NUL and no part of it.
    nonce.pop();
    if capabilities & REQUIRED != REQUIRED {
        return Err(garbage("a server of before 2005"));
    }
    let plugin = String::from_utf8_lossy(reader.until_nul().unwrap_or_else(|_| reader.rest())).into_owned();
    let kind = if version.contains("MariaDB") { Kind::MariaDb } else { Kind::Mysql };
    let extended = if capabilities & IS_MYSQL == 0 { extended } else { 0 };
    Ok(Greeting { kind, thread, nonce, plugin, capabilities, extended })
}

impl Greeting {
    /// Whether the server speaks TLS.
    pub(super) fn offers_tls(&self) -> bool {
        self.capabilities & TLS != 0
    }

    /// Whether columns will say that they hold JSON.
    pub(super) fn has_extended_metadata(&self) -> bool {
        self.extended & EXTENDED_METADATA != 0
    }

    /// The request for TLS: the head of the request for a session.
    pub(super) fn tls_request(&self) -> Vec<u8> {
        self.head(TLS)
    }

    /// The request for a session.
    pub(super) fn session_request(&self, is_protected: bool, user: &str, database: &str, proof: &[u8]) -> Vec<u8> {
        let mut out = self.head(if is_protected { TLS } else { 0 });
        out.put_slice(user.as_bytes());
        out.put_u8(0);
        put_bytes(proof, &mut out);
        out.put_slice(database.as_bytes());
        out.put_u8(0);
        out.put_slice(self.plugin.as_bytes());
        out.put_u8(0);
        out
    }

    fn head(&self, more: u32) -> Vec<u8> {
        let mut out = Vec::new();
        let mysql = self.capabilities & IS_MYSQL;
        out.put_u32_le((CAPABILITIES | more | mysql) & (self.capabilities | CONNECT_WITH_DB));
        out.put_u32_le(PACKET_BYTES_SENT_MAX);
        out.put_u8(CHARACTER_SET);
        out.put_bytes(0, 19);
        out.put_u32_le(self.extended & EXTENDED_METADATA);
        out
    }
}
