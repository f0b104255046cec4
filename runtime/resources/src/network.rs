//! What a process is on the network, and whom it asks for the addresses of names.

mod dns;

use std::{
    io,
    net::{IpAddr, SocketAddr},
};

use tokio::net::lookup_host;

/// Shared by all clients of a process.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Network {
    /// Addresses that this process listens on: never a target.
    pub own_listeners: Vec<SocketAddr>,
    /// The DNS server that is asked instead of the system's resolver. `localhost` is never asked for.
    pub resolver: Option<SocketAddr>,
}

impl Network {
    /// Every address of a host, as a resolver names it: no brackets around IPv6.
    ///
    /// # Errors
    /// When nobody knows the name, or who should know does not answer.
    pub(crate) async fn addresses(&self, host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
        let server = self.resolver.filter(|_| host.parse::<IpAddr>().is_err() && host != "localhost");
        match server {
            None => lookup_host((host, port)).await.map(Iterator::collect),
            Some(server) => {
                let addresses = dns::addresses(server, host).await?;
                Ok(addresses.into_iter().map(|address| SocketAddr::new(address, port)).collect())
            }
        }
    }
}
