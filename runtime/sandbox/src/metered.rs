//! A run whose processor time is known, so that it can be told when it is heavy.

use std::{
    future::poll_fn,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    task::{Context, Poll},
    time::{Duration, Instant},
};

use airlock_model::{Outcome, Reason};

use crate::run::Run;

/// What a run may compute on a thread that serves before it is heavy: twice a small TypeScript function.
const PATIENCE: Duration = Duration::from_micros(500);
/// Weight of the runs before in a program's average.
const MEMORY: u64 = 7;

/// Mean processor time of a program's runs, recent ones first. Shared by all its calls.
#[derive(Default)]
pub(crate) struct Weight(AtomicU64);

impl Weight {
    /// Whether runs of this program are known to be heavy from the start.
    pub(crate) fn is_heavy(&self) -> bool {
        self.mean() > PATIENCE
    }

    /// What a run is likely to need.
    pub(crate) fn mean(&self) -> Duration {
        Duration::from_nanos(self.0.load(Relaxed))
    }

    /// A run that was cut short says that its program is heavy, and nothing about what it needs.
    fn suspect(&self, busy: Duration) {
        let known = busy.min(PATIENCE + Duration::from_nanos(1));
        self.0.fetch_max(u64::try_from(known.as_nanos()).unwrap_or(u64::MAX), Relaxed);
    }

    /// Two runs that end at once may lose one of them: an average does not mind.
    fn learn(&self, busy: Duration) {
        let latest = u64::try_from(busy.as_nanos()).unwrap_or(u64::MAX);
        let mean = self.0.load(Relaxed).saturating_mul(MEMORY).saturating_add(latest) / (MEMORY + 1);
        self.0.store(mean, Relaxed);
    }
}

/// A run on its way. Moves between threads at any time; a future like any other.
pub(crate) struct Metered {
    run: Pin<Box<dyn Future<Output = Run> + Send>>,
    busy: Duration,
    weight: Arc<Weight>,
}

impl Metered {
    pub(crate) fn new(run: impl Future<Output = Run> + Send + 'static, weight: Arc<Weight>) -> Self {
        Self { run: Box::pin(run), busy: Duration::ZERO, weight }
    }

    /// Goes on until the run ends or has proved to be heavy: then it is given back to go on elsewhere.
    pub(crate) async fn while_light(mut self) -> Result<Run, Self> {
        let ended = poll_fn(|context| match Pin::new(&mut self).poll(context) {
            Poll::Ready(run) => Poll::Ready(Some(run)),
            Poll::Pending if self.busy > PATIENCE => Poll::Ready(None),
            Poll::Pending => Poll::Pending,
        });
        ended.await.ok_or(self)
    }
}

impl Future for Metered {
    type Output = Run;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Run> {
        let began = Instant::now();
        let polled = self.run.as_mut().poll(context);
        self.busy += began.elapsed();
        if let Poll::Ready(run) = &polled {
            match &run.outcome {
                Outcome::Failed(failure) if failure.reason == Reason::TimeExhausted => self.weight.suspect(self.busy),
                Outcome::Returned(_) | Outcome::FunctionError(_) | Outcome::Failed(_) => self.weight.learn(self.busy),
            }
        }
        polled
    }
}

#[cfg(test)]
mod tests {
    use airlock_model::Failure;

    use super::*;

    async fn computing(slices: usize) -> Run {
        for _ in 0..slices {
            let end = Instant::now() + Duration::from_micros(200);
            while Instant::now() < end {
                std::hint::spin_loop();
            }
            tokio::task::yield_now().await;
        }
        Run { outcome: Outcome::Failed(Failure::internal("done")), fuel: slices as u64, memory_bytes: 0 }
    }

    #[tokio::test]
    async fn a_run_is_given_back_once_it_is_heavy_and_its_program_is_remembered() {
        let weight = Arc::new(Weight::default());
        let Err(heavy) = Metered::new(computing(40), weight.clone()).while_light().await else { panic!("heavy") };
        assert!(!weight.is_heavy(), "nothing is known before the run has ended");
        assert_eq!(heavy.await.fuel, 40);
        assert!(weight.is_heavy(), "8 ms are much more than {PATIENCE:?}, even as an eighth");
        for _ in 0..40 {
            assert!(Metered::new(computing(0), weight.clone()).while_light().await.is_ok());
        }
        assert!(!weight.is_heavy(), "a program that became light is light again");
    }

    #[tokio::test]
    async fn a_run_that_waits_is_not_heavy() {
        let waiting = async {
            tokio::time::sleep(4 * PATIENCE).await;
            computing(0).await
        };
        assert!(Metered::new(waiting, Arc::default()).while_light().await.is_ok());
    }
}
