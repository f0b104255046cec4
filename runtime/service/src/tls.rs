//! TLS of the two listeners, as of one reading of the configuration.

use std::{path::Path, sync::Arc};

use airlock_model::{Failure, Reason};
use airlock_resources::{ServerTls, ServerTlsConfig, ServerTlsError};

use crate::{
    App,
    config::{Config, ConfigError, Origin, Setting, process_environment},
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
        let settings = self.settings();
        let tls = match listener {
            Listener::Data => &settings.tls.data,
            Listener::Control => &settings.tls.control,
        };
        tls.as_ref().map(|tls| Arc::clone(tls.config()))
    }
}
