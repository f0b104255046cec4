//! Health that says what callers would meet: SERVING only while calls are taken.

use std::{sync::Arc, time::Duration};

use futures::FutureExt as _;
use tokio::{
    sync::watch,
    time::{MissedTickBehavior, interval},
};
use tonic_health::{ServingStatus, server::HealthReporter};

use super::{Phase, worker::leaves};
use crate::application::Application;

/// How late health may learn what the application knows.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// What health says of one server.
#[derive(Debug, Clone)]
pub(super) struct Health {
    reporter: HealthReporter,
    names: Arc<[&'static str]>,
}

/// Asks the application again and again whether it takes calls, until the server drains.
pub(super) async fn follow<A: Application>(app: Arc<A>, health: Health, mut phase: watch::Receiver<Phase>) {
    let mut look = interval(LOOK_EVERY);
    look.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut told = true;
    loop {
        tokio::select! {
            biased;
            () = leaves(&mut phase, Phase::Serving) => break,
            _ = look.tick() => {}
        }
        let ready = app.ready();
        if ready.is_ok() != told {
            told = ready.is_ok();
            health.set(if told { ServingStatus::Serving } else { ServingStatus::NotServing });
            match ready {
                Ok(()) => tracing::info!("calls are taken again; health says SERVING"),
                Err(why) => {
                    tracing::error!(reason = %why.reason, log = why.log, "no call is taken; health says NOT_SERVING");
                }
            }
        }
    }
    // Whatever was said last: a server that drains is not serving.
    health.set(ServingStatus::NotServing);
}

impl Health {
    pub(super) fn new(reporter: HealthReporter, names: Vec<&'static str>) -> Self {
        Self { reporter, names: names.into() }
    }

    /// Says the same of every service.
    pub(super) fn set(&self, status: ServingStatus) {
        for name in self.names.iter() {
            // The lock inside is only ever held for a map look-up, so one poll is nearly always enough; a missed update is
            // repeated until it is taken.
            while self.reporter.set_service_status(name, status).now_or_never().is_none() {
                std::thread::yield_now();
            }
        }
    }
}
