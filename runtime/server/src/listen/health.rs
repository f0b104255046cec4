//! Health that says what callers would meet: SERVING only while calls are taken.

use std::{sync::Arc, time::Duration};

use futures::FutureExt as _;
use tokio::{
    sync::watch,
    time::{MissedTickBehavior, interval},
};
use tonic_health::{ServingStatus, server::HealthReporter};

use super::{Phase, worker::leaves};
use crate::{application::Application, route};

/// How late health may learn what the application knows.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Asks the application again and again whether it takes calls, until the server drains.
pub(super) async fn follow<A: Application>(app: Arc<A>, health: HealthReporter, mut phase: watch::Receiver<Phase>) {
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
            set(&health, if told { ServingStatus::Serving } else { ServingStatus::NotServing });
            match ready {
                Ok(()) => tracing::info!("calls are taken again; health says SERVING"),
                Err(why) => {
                    tracing::error!(reason = %why.reason, log = why.log, "no call is taken; health says NOT_SERVING");
                }
            }
        }
    }
    // Whatever was said last: a server that drains is not serving.
    set(&health, ServingStatus::NotServing);
}

/// Says the same of every service.
pub(super) fn set(health: &HealthReporter, status: ServingStatus) {
    for name in route::health_names() {
        // The lock inside is only ever held for a map look-up, so one poll is nearly always enough; a missed update is
        // repeated until it is taken.
        while health.set_service_status(name, status).now_or_never().is_none() {
            std::thread::yield_now();
        }
    }
}
