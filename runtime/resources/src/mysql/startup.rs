//! From a connection to a session: TLS where it is wanted, and who we are.

use std::io;

use bytes::Bytes;
use tokio::{io::AsyncWriteExt as _, net::TcpStream};

use super::{
    Fault,
    auth::{Plugin, clear},
    greeting::{self, Greeting},
    packet::{self, Reader},
    wire::{Wire, garbage},
};
use crate::database::{Login, Tls};

/// Logs in.
///
/// # Errors
/// When the server refuses, breaks off, or asks for what it may not have.
pub(super) async fn log_in(
    mut stream: TcpStream,
    tls: &Tls,
    login: &Login,
    database: &str,
) -> Result<(Wire, Greeting), Fault> {
    let greeting = greeting::read(&mut stream).await?;
    let mut wire = protect(stream, tls, &greeting).await?;
    let mut attempt = Attempt { wire: &mut wire, password: login.password.expose(), is_checked: tls.checks_server() };
    let proof = attempt.first_proof(&greeting)?;
    let request = greeting.session_request(tls.is_wanted(), &login.user, database, &proof);
    attempt.wire.answer(&request);
    attempt.wire.send().await?;
    attempt.finish(&greeting).await?;
    Ok((wire, greeting))
}

async fn protect(mut stream: TcpStream, tls: &Tls, greeting: &Greeting) -> Result<Wire, Fault> {
    if !tls.is_wanted() {
        return Ok(Wire::new(Box::new(stream), 0));
    }
    if !greeting.offers_tls() {
        return Err(Fault::Wire(io::Error::other("the server does not speak TLS")));
    }
    let request = greeting.tls_request();
    let mut framed = vec![u8::try_from(request.len()).unwrap_or(u8::MAX), 0, 0, 1];
    framed.extend_from_slice(&request);
    stream.write_all(&framed).await?;
    Ok(Wire::new(tls.shake_hands(stream).await?, 1))
}

struct Attempt<'a> {
    wire: &'a mut Wire,
    password: &'a str,
    /// Whether the server's certificate says who it is. The password itself goes to no other: MySQL's way to send it without
    /// TLS encrypts it with a key that whoever answers has made.
    is_checked: bool,
}

impl Attempt<'_> {
    /// For the plugin that the greeting names, or nothing where another will be asked for.
    fn first_proof(&self, greeting: &Greeting) -> io::Result<Vec<u8>> {
        match Plugin::named(&greeting.plugin) {
            Ok(Plugin::Clear) | Err(_) => Ok(Vec::new()),
            Ok(plugin) => Ok(plugin.proof(self.password, &greeting.nonce)),
        }
    }

    async fn finish(&mut self, greeting: &Greeting) -> Result<(), Fault> {
        let mut plugin = Plugin::named(&greeting.plugin).ok();
        loop {
            let packet = self.wire.packet().await?;
            match packet.first() {
                Some(0x00) => return Ok(()),
                Some(0xff) => return Err(Fault::Server(packet::error(&packet)?)),
                Some(0xfe) => plugin = Some(self.switch(&packet).await?),
                Some(0x01) if plugin == Some(Plugin::CachingSha2) => self.more(&packet).await?,
                _ => return Err(Fault::Wire(garbage("not a packet that belongs to logging in"))),
            }
        }
    }

    /// The server wants another way to log in.
    async fn switch(&mut self, packet: &Bytes) -> Result<Plugin, Fault> {
        let mut reader = Reader::new(packet);
        reader.byte()?;
        let plugin = Plugin::named(&String::from_utf8_lossy(reader.until_nul()?))?;
        if plugin == Plugin::Clear {
            self.check_server()?;
        }
        let nonce = reader.rest();
        let nonce = nonce.strip_suffix(&[0]).unwrap_or(nonce);
        self.reply(&plugin.proof(self.password, nonce)).await?;
        Ok(plugin)
    }

    /// With caching_sha2_password: whether the server has seen the password before, or wants to see it.
    async fn more(&mut self, packet: &Bytes) -> Result<(), Fault> {
        match packet.get(1..) {
            Some([3]) => Ok(()),
            Some([4]) => {
                self.check_server()?;
                self.reply(&clear(self.password)).await
            }
            _ => Err(Fault::Wire(garbage("not a packet that belongs to logging in"))),
        }
    }

    fn check_server(&self) -> io::Result<()> {
        if self.is_checked {
            return Ok(());
        }
        Err(io::Error::other(
            "the server wants the password itself, and its certificate is not checked: use tls = \"verify-full\", or \
             mysql_native_password for the account",
        ))
    }

    async fn reply(&mut self, payload: &[u8]) -> Result<(), Fault> {
        self.wire.answer(payload);
        Ok(self.wire.send().await?)
    }
}
