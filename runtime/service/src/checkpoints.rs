//! Signed checkpoints of the audit trail: made on a timer, also when nothing happens, and told to whoever keeps them.
//!
//! The hash chain shows every change between two records. That its end was cut off, or that all of it was made anew, shows
//! only against a checkpoint that whoever did it could not change: one kept elsewhere.

mod check;
mod key;
mod outlets;

use std::{sync::Arc, time::Duration};

use airlock_access::{CheckpointClaims, Presented, sign_checkpoint, sign_cut, verify_checkpoint};
use airlock_model::{ControlScope, EnvironmentName, Failure, Reason};
use airlock_resources::Network;
use airlock_store::{Checkpoint, Checkpointer, KeptCheckpoint, Store, StoreError};
use serde::Serialize;
use tokio::{
    task::AbortHandle,
    time::{MissedTickBehavior, interval, timeout},
};

use crate::{
    App,
    app::{StartError, store_failure},
    clock,
    config::{Config, ConfigError},
    control::About,
};
use key::AuditKeys;
use outlets::Outlets;

pub use check::{BadCheckpoint, TrailReport, verify_trail};
pub use key::audit_keys;

/// Checks what a configuration says about checkpoints, without opening anything that would be written to.
pub(crate) fn check(config: &Config, network: &Network) -> Result<(), ConfigError> {
    key::configured(config)?;
    outlets::check(&config.audit.checkpoints, network).map_err(|why| config.origins.locate(why))
}

/// How long a server that ends waits for its last checkpoint.
const LAST_TIME_MAX: Duration = Duration::from_secs(5);
/// A trail takes seconds to read.
pub(crate) const VERIFY_RETRY_AFTER: Duration = Duration::from_secs(5);

/// A checkpoint as it is told.
#[derive(Debug, Clone, Serialize)]
pub struct SignedCheckpoint {
    /// The compact JWS that counts: everything else repeats what it says.
    #[serde(rename = "airlock_checkpoint")]
    pub signed: String,
    /// Which installation.
    pub instance: String,
    /// Number of the last record.
    pub seq: u64,
    /// Its hash.
    pub hash: String,
    /// When, in milliseconds since the Unix epoch.
    pub time_unix_ms: u64,
}

/// Signs checkpoints of one trail.
#[derive(Clone)]
pub(crate) struct Notary {
    checkpointer: Checkpointer,
    keys: Arc<AuditKeys>,
    instance: Arc<str>,
    outlets: Arc<Outlets>,
}

/// A task that repeats something. Ends with the application.
pub(crate) struct Timer(AbortHandle);

impl Timer {
    pub(crate) fn start(work: impl Future<Output = ()> + Send + 'static) -> Self {
        Self(tokio::spawn(work).abort_handle())
    }
}

impl Drop for Timer {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Notary {
    /// Reads the key, or makes one, and opens what checkpoints are told to. Looks at the last one that is kept first: what has
    /// been changed since is not signed without a word.
    pub(crate) async fn open(config: &Config, network: &Network, store: &Store) -> Result<Self, StartError> {
        if !store.passes_last_checkpoint().await? {
            tracing::error!(
                "the audit trail does not pass through the last checkpoint of this state directory: it was changed while no server \
                 ran; see `airlock audit verify`"
            );
        }
        let keys = Arc::new(key::open(config)?);
        let outlets = Outlets::open(&config.audit.checkpoints, network).map_err(|why| config.origins.locate(why))?;
        let instance = config.tokens.instance.as_str().into();
        Ok(Self { checkpointer: store.checkpointer(), keys, instance, outlets: Arc::new(outlets) })
    }

    /// Begins to make checkpoints, and to tell them. The first is made now.
    pub(crate) fn start(&self, every: Duration) -> Timer {
        Timer::start(self.clone().run(every))
    }

    async fn run(self, every: Duration) {
        let mut tick = interval(every);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tick.tick().await;
            match self.announce().await {
                Ok(()) => {}
                Err(StoreError::Unavailable { .. }) => return,
                Err(why) => tracing::warn!(%why, "no checkpoint was made this time"),
            }
        }
    }

    /// Makes one, durable with every record that it is about, and tells it to everybody who is to know.
    async fn announce(&self) -> Result<(), StoreError> {
        let (notary, now) = (self.clone(), clock::now_unix_ms());
        let sign = move |at| notary.sign(at, now);
        // Without one, whoever could not sign has said so.
        if let Some(kept) = self.checkpointer.make(now, sign).await? {
            self.outlets.tell(&self.said(kept)).await;
        }
        Ok(())
    }

    fn sign(&self, at: Checkpoint, time_unix_ms: u64) -> Option<String> {
        let signed = sign_checkpoint(&self.keys.signing, &self.claims(at, time_unix_ms));
        signed.inspect_err(|why| tracing::error!(%why, "a checkpoint could not be signed")).ok()
    }

    /// Says that everything up to a record was removed because its time was over.
    pub(crate) fn sign_cut(&self, at: Checkpoint, time_unix_ms: u64) -> Option<String> {
        let signed = sign_cut(&self.keys.signing, &self.claims(at, time_unix_ms));
        signed.inspect_err(|why| tracing::error!(%why, "a cut of the trail could not be signed")).ok()
    }

    fn claims(&self, Checkpoint { seq, hash }: Checkpoint, time_unix_ms: u64) -> CheckpointClaims {
        let instance = self.instance.as_ref().into();
        CheckpointClaims { instance, seq, hash, issued_at_unix_s: time_unix_ms / 1_000 }
    }

    fn said(&self, KeptCheckpoint { at, time_unix_ms, signed }: KeptCheckpoint) -> SignedCheckpoint {
        let instance = self.instance.as_ref().into();
        SignedCheckpoint { signed, instance, seq: at.seq, hash: at.hash.to_string(), time_unix_ms }
    }

    /// Whoever keeps checkpoints of several servers must not prove one by another.
    fn read(&self, text: &str) -> Result<Checkpoint, Failure> {
        let malformed = |why: String| {
            let hint = "send those that this server made: `AuditService.Checkpoint`";
            Failure::new(Reason::RequestMalformed, format!("a checkpoint does not count: {why}"), hint)
        };
        let said = verify_checkpoint(text, &self.keys.public).map_err(|why| malformed(why.to_string()))?;
        if *said.instance != *self.instance {
            return Err(malformed("it is of another installation".to_owned()));
        }
        Ok(Checkpoint { seq: said.seq, hash: said.hash })
    }
}

impl App {
    /// Makes a checkpoint of everything that is on record now, for a token with `audit:read`.
    ///
    /// # Errors
    /// Refusals; `audit_unavailable`.
    pub async fn audit_checkpoint(
        &self,
        bearer: Presented<'_>,
        environment: EnvironmentName,
    ) -> Result<SignedCheckpoint, Failure> {
        let _permit =
            self.authorize(bearer, ControlScope::AuditRead, About("AuditService.Checkpoint", &environment, None))?;
        // Read, not kept: whoever asks often holds nobody up.
        let at = self.backends.store.head().await.map_err(|why| store_failure(&why))?;
        let time_unix_ms = clock::now_unix_ms();
        let signed = self.notary.sign(at, time_unix_ms);
        let signed = signed.ok_or_else(|| Failure::internal("a checkpoint could not be signed"))?;
        Ok(self.notary.said(KeptCheckpoint { at, time_unix_ms, signed }))
    }

    /// Makes a last checkpoint and tells it, because the server is about to end.
    ///
    /// # Errors
    /// `audit_unavailable`.
    pub async fn announce_checkpoint(&self) -> Result<(), Failure> {
        let announced = timeout(LAST_TIME_MAX, self.notary.announce()).await.unwrap_or(Err(StoreError::Held));
        announced.map_err(|why| store_failure(&why))
    }

    /// Judges the whole trail, of all tenants, for a token with `audit:read`; by checkpoints that the caller kept, too.
    ///
    /// # Errors
    /// Refusals; `request_malformed` for what is no checkpoint of this server; `overloaded` while another one is under way.
    pub async fn audit_verify(
        &self,
        bearer: Presented<'_>,
        environment: EnvironmentName,
        checkpoints: Vec<String>,
    ) -> Result<TrailReport, Failure> {
        let permit =
            self.authorize(bearer, ControlScope::AuditRead, About("AuditService.Verify", &environment, None))?;
        self.paces.check_verification(&permit.principal().tenant)?;
        let under_way = || {
            let failure = Failure::new(Reason::Overloaded, "the trail is being verified already", "try again later");
            failure.with_retry_after(VERIFY_RETRY_AFTER)
        };
        let _turn = self.verifying.try_lock().map_err(|_| under_way())?;
        let given = checkpoints.iter().map(|text| self.notary.read(text)).collect::<Result<_, _>>()?;
        let verified = verify_trail(&self.backends.store, Some(&self.notary.keys.public), given).await;
        verified.map_err(|why| store_failure(&why))
    }
}
