//! The one way out of the sandbox.

use airlock_model::{EffectiveLimits, HostCall, HostError, HostReply, Kept};
use async_trait::async_trait;

/// Decides, performs and records one host call of one invocation.
///
/// The sandbox owns the trait, the application implements it. Nothing here is tied to one process: what goes in and out
/// is owned and serialisable.
#[async_trait]
pub trait Gate: Send + Sync + 'static {
    /// The limits in force for the whole call.
    fn limits(&self) -> &EffectiveLimits;

    /// Answers one host call.
    ///
    /// # Errors
    /// What the guest is told: a denial, a spent budget or a backend failure. Never a trap.
    async fn call(&self, call: HostCall) -> Result<HostReply, HostError>;

    /// Takes note that the guest let go of something. Does not wait.
    fn release(&self, kept: Kept);
}
