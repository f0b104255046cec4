//! TLS of the two listeners, as of one reading of the configuration.

use std::{net::SocketAddr, path::Path, sync::Arc};

use airlock_model::{Failure, Reason};
use airlock_resources::{ServerTls, ServerTlsConfig, ServerTlsError};

use crate::{
    App,
    config::{Config, ConfigError, HostName, Origin, Setting, process_environment},
};

const DATA: &str = "server.tls";
const CONTROL: &str = "server.control_tls";

/// One of the two ways in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Listener {
    /// Where functions are invoked.
    Data,
    /// Where functions are deployed and looked at.
    Control,
}

/// What the listeners speak TLS with; `None` in clear text.
#[derive(Debug)]
pub(crate) struct ListenersTls {
    data: Option<Arc<ServerTls>>,
    control: Option<Arc<ServerTls>>,
}

impl ListenersTls {
    /// Reads certificates and keys, and keeps of `before` what is made of the same: clients go on to resume its sessions.
    pub(crate) fn read(config: &Config, before: Option<&Self>) -> Result<(Self, Vec<Setting>), ConfigError> {
        let mut settings = Vec::new();
        let mut read = |name: &str, section: &Option<ServerTlsConfig>, earlier: Option<&Arc<ServerTls>>| {
            let Some(tls) = section else { return Ok(None) };
            let refuse = |why: ServerTlsError| ConfigError::value(format!("{name}.{}", why.key()), why);
            let read = ServerTls::read(tls, &process_environment).map_err(|why| config.origins.locate(refuse(why)))?;
            settings.push(shown(name, tls, &read));
            let same = earlier.filter(|earlier| earlier.is_same_as(&read));
            Ok(Some(same.map_or_else(|| Arc::new(read), Arc::clone)))
        };
        let data = read(DATA, &config.server.tls, before.and_then(|before| before.data.as_ref()))?;
        let own = read(CONTROL, &config.server.control_tls, before.and_then(|before| before.control.as_ref()))?;
        let control = own.or_else(|| data.clone());
        Ok((Self { data, control }, settings))
    }

    fn of(&self, listener: Listener) -> Option<&Arc<ServerTls>> {
        match listener {
            Listener::Data => self.data.as_ref(),
            Listener::Control => self.control.as_ref(),
        }
    }

    /// Whether both listeners know clients by certificates of the same authorities.
    pub(crate) fn share_clients(&self) -> bool {
        let of = |listener| self.of(listener).and_then(|tls| tls.client_authorities());
        of(Listener::Data).is_some() && of(Listener::Data) == of(Listener::Control)
    }

    /// Whether what comes next speaks TLS where this does: a client that is sent away by one word of a file has no way back.
    pub(crate) fn check_still(&self, next: &Self) -> Result<(), Failure> {
        let pairs = [("data", &self.data, &next.data), ("control", &self.control, &next.control)];
        for (name, old, new) in pairs {
            if old.is_some() != new.is_some() {
                let what = if new.is_some() { "begins" } else { "ends" };
                let message =
                    format!("TLS {what} on the {name} listener (`[server.tls]`): a restart is needed for that");
                let hint = "restart the server, or put the section back as it was and reload again";
                return Err(Failure::new(Reason::RestartNeeded, message, hint));
            }
        }
        Ok(())
    }
}

/// Whether the name is an end of a connection on this machine.
fn is_address(asked: &HostName, own: SocketAddr) -> bool {
    // A socket for both families says IPv4 addresses in the other way.
    let address = own.ip().to_canonical();
    let is_host = match asked.address() {
        Some(named) => named == address,
        None => asked.bare_host() == "localhost" && address.is_loopback(),
    };
    is_host && asked.has_port(own.port())
}

/// So that a reload says that another certificate is shown, although the file has the same name.
fn shown(name: &str, tls: &ServerTlsConfig, read: &ServerTls) -> Setting {
    let digest = read.public_digest().excerpt();
    Setting {
        key: format!("{name}.certificate.sha256"),
        value: digest,
        origin: Origin::NamedFile(tls.certificate.file.clone()),
    }
}

/// The files of both sections.
pub(crate) fn files(config: &Config) -> impl Iterator<Item = &Path> {
    [&config.server.tls, &config.server.control_tls].into_iter().flatten().flat_map(ServerTlsConfig::files)
}

impl Config {
    /// Whether a listener speaks TLS.
    #[must_use]
    pub fn speaks_tls(&self, listener: Listener) -> bool {
        let (both, control) = (self.server.tls.is_some(), self.server.control_tls.is_some());
        match listener {
            Listener::Data => both,
            Listener::Control => both || control,
        }
    }

    /// Addresses where tokens travel in clear text on a network: not loopback, and without TLS.
    pub fn exposed_listeners(&self) -> impl Iterator<Item = std::net::SocketAddr> {
        let listeners = [(Listener::Data, self.server.data), (Listener::Control, self.server.control)];
        let exposed =
            listeners.into_iter().filter(|(one, address)| !address.ip().is_loopback() && !self.speaks_tls(*one));
        exposed.map(|(_, address)| address)
    }
}

impl App {
    /// What a new connection to a listener speaks TLS with; `None` in clear text. Changes with a reload.
    #[must_use]
    pub fn tls(&self, listener: Listener) -> Option<Arc<rustls::ServerConfig>> {
        self.settings().tls.of(listener).map(|tls| Arc::clone(tls.config()))
    }

    /// Whether a request that names this host and port (`:authority`, `host`) means this server, so that a proof for that URL
    /// was made for it. `met_at` is our end of the connection.
    ///
    /// The names are those of `[server] names`, and where there are none those that the certificate of the listener was made
    /// for: whoever cannot show it is not believed by clients to be that host. The address that the connection came to is
    /// our own in any case, and so is `localhost` on loopback.
    #[must_use]
    pub fn is_named(&self, listener: Listener, authority: &str, met_at: Option<SocketAddr>) -> bool {
        let Ok(asked) = authority.parse::<HostName>() else { return false };
        let settings = self.settings();
        if let Some(names) = &settings.config.server.names {
            return names.iter().any(|name| name.covers(&asked));
        }
        let certified = settings.tls.of(listener).is_some_and(|tls| tls.is_for(asked.bare_host()));
        certified || met_at.is_some_and(|own| is_address(&asked, own))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_of_a_connection_is_its_own_name() {
        let is_own = |asked: &str, own: &str| is_address(&asked.parse().unwrap(), own.parse().unwrap());
        for (asked, own) in [
            ("127.0.0.1:7070", "127.0.0.1:7070"),
            ("localhost:7070", "127.0.0.1:7070"),
            ("localhost:7070", "[::1]:7070"),
            ("10.0.0.5:7070", "[::ffff:10.0.0.5]:7070"),
            ("10.0.0.5", "10.0.0.5:443"),
        ] {
            assert!(is_own(asked, own), "{asked} {own}");
        }
        for (asked, own) in [
            ("127.0.0.1:7071", "127.0.0.1:7070"),
            ("127.0.0.2:7070", "127.0.0.1:7070"),
            ("localhost:7070", "10.0.0.5:7070"),
            ("other.example:7070", "127.0.0.1:7070"),
            ("10.0.0.5", "10.0.0.5:7070"),
        ] {
            assert!(!is_own(asked, own), "{asked} {own}");
        }
    }
}
