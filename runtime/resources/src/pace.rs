//! How often one binding may be used, by everybody together.

use std::{
    num::{NonZeroU32, NonZeroU64},
    time::Duration,
};

use airlock_model::{HostError, ResourceName};
use governor::{DefaultDirectRateLimiter, Quota, RateLimiter, clock::Clock as _};
use tokio::time::{Instant, sleep};

use crate::ConfigError;

const KEY: &str = "calls_per_second_max";
const CALLS_MAX: u32 = 1_000_000;

/// Lets so many calls through in a second; those beyond wait.
#[derive(Debug)]
pub(crate) struct Pace(Option<Limited>);

#[derive(Debug)]
struct Limited {
    per_second: NonZeroU32,
    limiter: DefaultDirectRateLimiter,
}

impl Pace {
    /// # Errors
    /// When the number is larger than anybody can mean.
    pub(crate) fn new(per_second: Option<NonZeroU64>) -> Result<Self, ConfigError> {
        let Some(asked) = per_second else { return Ok(Self(None)) };
        let fits = u32::try_from(asked.get()).ok().filter(|calls| *calls <= CALLS_MAX).and_then(NonZeroU32::new);
        let too_large = ConfigError::TooLarge { key: KEY, value: asked.get(), max: CALLS_MAX.into() };
        let per_second = fits.ok_or(too_large)?;
        // No burst: what the backend is spared is the burst.
        let quota = Quota::per_second(per_second).allow_burst(NonZeroU32::MIN);
        Ok(Self(Some(Limited { per_second, limiter: RateLimiter::direct(quota) })))
    }

    /// Waits for a turn.
    ///
    /// # Errors
    /// `Unavailable` when it would come only after the deadline.
    pub(crate) async fn turn(&self, resource: &ResourceName, deadline: Instant) -> Result<(), HostError> {
        let Some(Limited { per_second, limiter }) = &self.0 else { return Ok(()) };
        while let Err(early) = limiter.check() {
            let wait = early.wait_time_from(limiter.clock().now()).max(Duration::from_millis(1));
            if Instant::now() + wait >= deadline {
                return Err(HostError::Unavailable(format!(
                    "`{resource}` may be called {per_second} times in a second, and the turn of this call does not come \
                     before its deadline: call it less, or ask the operator to raise `{KEY}` of the binding"
                )));
            }
            sleep(wait).await;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn calls_beyond_the_pace_wait_and_those_without_time_are_told() {
        let resource: ResourceName = "crm".parse().expect("a name");
        let pace = Pace::new(NonZeroU64::new(20)).expect("fits");
        let began = Instant::now();
        for _ in 0..5 {
            pace.turn(&resource, began + Duration::from_secs(60)).await.expect("a turn");
        }
        // Four of five waited a twentieth of a second each, or longer on a busy machine.
        assert!(began.elapsed() >= Duration::from_millis(190), "{:?}", began.elapsed());
        let late = pace.turn(&resource, Instant::now()).await.expect_err("no time left");
        assert!(matches!(&late, HostError::Unavailable(text) if text.contains("20 times")), "{late}");
    }

    #[tokio::test]
    async fn without_a_number_nobody_waits() {
        let resource: ResourceName = "crm".parse().expect("a name");
        let pace = Pace::new(None).expect("fits");
        for _ in 0..100_000 {
            pace.turn(&resource, Instant::now()).await.expect("a turn");
        }
        assert!(Pace::new(NonZeroU64::new(1_000_001)).is_err());
    }
}
