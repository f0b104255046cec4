//! Reading the configuration again while calls run: all of it or nothing, on record either way.

use std::{collections::BTreeMap, fmt, net::SocketAddr, sync::Arc};

use airlock_access::{Admission, Authorized, Control, Holdings, Presented};
use airlock_model::{AuditEvent, AuditKind, ControlScope, Decision, EnvironmentName, Failure, Reason};
use arc_swap::ArcSwap;
use tokio::sync::Mutex;

use crate::{
    App,
    app::{Backends, StartError, store_failure},
    clock,
    config::{Config, ConfigError, SECRET},
    control::About,
    isolation,
    keys::KeyRing,
    settings::Settings,
};

/// What a reload can change. Every other key, also one that this list has not heard of, needs a restart.
const RELOADABLE: [&str; 14] = [
    "server.drain_ms",
    "server.names",
    "server.tls",
    "server.control_tls",
    "audit.parameters",
    "audit.statements",
    "admission",
    "tokens",
    "identity",
    "limits",
    "logs",
    "signers",
    "environments",
    "resources",
];

/// Characters of one value in a change.
const VALUE_CHARS_MAX: usize = 120;
/// Changes that the audit trail keeps of one reload; the rest is counted.
const CHANGES_RECORDED_MAX: usize = 100;

/// One value that a reload changed. Credentials are only said to be others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// Dotted key.
    pub key: String,
    /// The value before; `None` when the key was not there.
    pub old: Option<String>,
    /// The value now; `None` when the key is gone.
    pub new: Option<String>,
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = |value: &Option<String>| match value {
            Some(value) => value.chars().take(VALUE_CHARS_MAX).collect(),
            None => "(none)".to_owned(),
        };
        write!(f, "{}: {} -> {}", self.key, shown(&self.old), shown(&self.new))
    }
}

/// The settings in force and what it takes to replace them. Clones share both.
#[derive(Clone)]
pub(crate) struct Reloader {
    settings: Arc<ArcSwap<Settings>>,
    backends: Arc<Backends>,
    own_listeners: Arc<[SocketAddr]>,
    ring: KeyRing,
    admission: Admission,
    holdings: Holdings,
    /// One reload at a time, so that none undoes another.
    turn: Arc<Mutex<()>>,
    /// Held while what is live changes: what was judged by one configuration goes live before the next is in force, or not at
    /// all.
    last_step: Arc<Mutex<()>>,
}

impl App {
    /// Reads the configuration again because the operator signalled it.
    ///
    /// # Errors
    /// Why the old configuration stays.
    pub async fn reload_by_signal(&self) -> Result<Vec<Change>, Failure> {
        self.reload_with(reload_event("sighup")).await
    }

    /// Reads the configuration again for a token with `operator:write`.
    ///
    /// # Errors
    /// When the token lacks the scope, and why the old configuration stays.
    pub async fn reload(&self, bearer: Presented<'_>, environment: EnvironmentName) -> Result<Vec<Change>, Failure> {
        let permit =
            self.authorize(bearer, ControlScope::OperatorWrite, About("OperatorService.Reload", &environment, None))?;
        self.reload_with(reload_event_by(&permit)).await
    }

    /// In a task of its own: a caller that goes away must not leave a change on record that was never made.
    async fn reload_with(&self, event: AuditEvent) -> Result<Vec<Change>, Failure> {
        let reloader = self.reloader.clone();
        tokio::spawn(async move { reloader.run(event).await }).await.map_err(Failure::internal)?
    }
}

impl Reloader {
    pub(crate) fn new(
        settings: Settings,
        backends: Arc<Backends>,
        (own_listeners, ring): (Vec<SocketAddr>, KeyRing),
        (admission, holdings): (Admission, Holdings),
        last_step: Arc<Mutex<()>>,
    ) -> Self {
        Self {
            settings: Arc::new(ArcSwap::from_pointee(settings)),
            backends,
            own_listeners: own_listeners.into(),
            ring,
            admission,
            holdings,
            turn: Arc::default(),
            last_step,
        }
    }

    /// The settings in force. A call asks once.
    pub(crate) fn settings(&self) -> Arc<Settings> {
        self.settings.load_full()
    }

    /// The place of the settings in force, for whoever outlives no application.
    pub(crate) fn shared_settings(&self) -> Arc<ArcSwap<Settings>> {
        Arc::clone(&self.settings)
    }

    /// Whether what was judged by these settings may go live. To be asked in [`App::in_order`], where no others come into force.
    ///
    /// # Errors
    /// `overloaded` when others are in force by now.
    pub(crate) fn expect_in_force(&self, judged_by: &Arc<Settings>) -> Result<(), Failure> {
        if Arc::ptr_eq(judged_by, &self.settings()) {
            return Ok(());
        }
        let message = "the configuration was read again while this was being judged by the one before";
        Err(Failure::new(Reason::Overloaded, message, "nothing was changed; try again"))
    }

    async fn run(self, mut event: AuditEvent) -> Result<Vec<Change>, Failure> {
        let _turn = self.turn.lock().await;
        match self.read_again().await {
            Ok((settings, changes)) => {
                event.decision = Some(Decision::Permit);
                event.message = Some(summary(&changes));
                let _order = self.last_step.lock().await;
                // On record before it is in force.
                self.backends.store.append(event).await.map_err(|why| store_failure(&why))?;
                self.admission.reconfigure(settings.config.admission());
                self.holdings.reconfigure(settings.config.holdings());
                self.settings.store(Arc::new(settings));
                Ok(changes)
            }
            Err(failure) => {
                event.decision = Some(Decision::Deny);
                event.reason = Some(failure.reason.to_string());
                event.message = Some(failure.message.clone());
                if let Err(error) = self.backends.store.append(event).await {
                    tracing::error!(%error, "a refused reload could not be recorded");
                }
                Err(failure)
            }
        }
    }

    /// Files are read on a thread that may wait: the workers go on answering.
    async fn read_again(&self) -> Result<(Settings, Vec<Change>), Failure> {
        let (old, own_listeners, ring) = (self.settings(), Arc::clone(&self.own_listeners), self.ring.clone());
        let build = move || {
            let path = old.config.path().ok_or_else(not_from_a_file)?;
            let config = Config::load_as(path, old.config.development.clone()).map_err(|why| invalid(&why.into()))?;
            isolation::check_standing(&config, path).map_err(|why| restart_needed(&why))?;
            let new = Settings::build(config, &own_listeners, &ring, Some(&old)).map_err(|why| invalid(&why))?;
            old.tls.check_still(&new.tls)?;
            let changes = changes(&old, &new);
            check_reloadable(&changes)?;
            Ok((new, changes))
        };
        let (settings, changes) = tokio::task::spawn_blocking(build).await.map_err(Failure::internal)??;
        // So that an issuer that is new does not begin with refusals, nor with keys that are gone by now.
        settings.keys_fetched().await;
        Ok((settings, changes))
    }
}

fn not_from_a_file() -> Failure {
    let hint = "restart with the new configuration";
    Failure::new(Reason::ConfigInvalid, "this server's configuration was not read from a file", hint)
}

fn invalid(why: &StartError) -> Failure {
    let message = match why {
        StartError::Config(why) => why.public(),
        other => other.to_string(),
    };
    let hint = "the old configuration serves on; correct the file (`airlock config check` says more) and reload again";
    Failure::new(Reason::ConfigInvalid, message, hint)
}

/// The wall stands until the process ends: what it does not allow, no reload can bring.
fn restart_needed(why: &ConfigError) -> Failure {
    let hint = "restart the server, or take back what needs more than it was started with";
    Failure::new(Reason::RestartNeeded, why.public(), hint)
}

/// Refuses a reload that would leave a part of the server on old values.
fn check_reloadable(changes: &[Change]) -> Result<(), Failure> {
    let fixed: Vec<_> = changes.iter().filter(|change| !is_reloadable(&change.key)).map(ToString::to_string).collect();
    if fixed.is_empty() {
        return Ok(());
    }
    let message = format!("restart needed for {}; nothing was changed", fixed.join("; "));
    Err(Failure::new(Reason::RestartNeeded, message, "restart the server, or put these keys back and reload again"))
}

fn is_reloadable(key: &str) -> bool {
    let inside = |section: &str| key.strip_prefix(section).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'));
    RELOADABLE.into_iter().any(inside)
}

/// What is different, by key.
fn changes(old: &Settings, new: &Settings) -> Vec<Change> {
    let by_key = |settings: &Settings| -> BTreeMap<String, String> {
        settings.listing.iter().map(|setting| (setting.key.clone(), setting.value.clone())).collect()
    };
    let (before, mut after) = (by_key(old), by_key(new));
    let mut changes = Vec::new();
    for (key, value) in before {
        let now = after.remove(&key);
        let other_secret = value == SECRET && old.credentials.get(&key) != new.credentials.get(&key);
        if now.as_ref() == Some(&value) && other_secret {
            changes.push(Change { key, old: Some(value), new: Some("(another secret)".to_owned()) });
        } else if now.as_ref() != Some(&value) {
            changes.push(Change { key, old: Some(value), new: now });
        }
    }
    changes.extend(after.into_iter().map(|(key, value)| Change { key, old: None, new: Some(value) }));
    changes.sort_by(|one, other| one.key.cmp(&other.key));
    changes
}

/// The changes as the trail keeps them.
fn summary(changes: &[Change]) -> String {
    let mut texts: Vec<_> = changes.iter().take(CHANGES_RECORDED_MAX).map(ToString::to_string).collect();
    if let Some(more) = changes.len().checked_sub(CHANGES_RECORDED_MAX).filter(|more| *more > 0) {
        texts.push(format!("and {more} more"));
    }
    if texts.is_empty() { "nothing changed".to_owned() } else { texts.join("; ") }
}

/// Without an environment: an auditor of one tenant must not see what is set for the others.
fn reload_event(operation: &str) -> AuditEvent {
    let mut event = AuditEvent::new(AuditKind::ConfigReloaded, clock::now_unix_ms());
    event.operation = Some(operation.to_owned());
    event
}

fn reload_event_by(permit: &Authorized<Control>) -> AuditEvent {
    let mut event = reload_event("rpc");
    event.principal = Some(permit.principal().clone());
    event.token_id = Some(permit.token().token_id().clone());
    event
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_listed_needs_a_restart() {
        for key in [
            "server.tls.key.file",
            "server.control_tls.client_auth",
            "limits.default.fuel",
            "tokens.issuer[0].iss",
            "environments.dev.writes",
            "server.drain_ms",
            "server.names",
        ] {
            assert!(is_reloadable(key), "{key}");
        }
        for key in [
            "server.data",
            "server.tls_of_another",
            "server.drain_ms_of_another",
            "state.dir",
            "isolation.level",
            "limitless",
            "new.key",
        ] {
            assert!(!is_reloadable(key), "{key}");
        }
    }

    #[test]
    fn the_trail_keeps_so_many_changes_and_counts_the_rest() {
        let change = |n: usize| Change { key: format!("k{n}"), old: None, new: Some("x".repeat(1_000)) };
        let text = summary(&(0..250).map(change).collect::<Vec<_>>());
        assert!(text.ends_with("and 150 more") && text.len() < 20_000, "{}", text.len());
        assert_eq!(summary(&[]), "nothing changed");
    }
}
