//! One attempt, and when there is another.

use std::{sync::Arc, time::Duration};

use ::http::{Response, StatusCode};
use airlock_model::{HostError, HttpMethod};
use hyper::body::Incoming;
use tokio::time::{Instant, sleep};

use super::{
    HttpClient,
    body::Outgoing,
    credential::Presented,
    exchange::{self, Prepared},
    explain, is_forbidden,
    meter::Meter,
    pace::Pace,
    place::Place,
    wait,
};

/// The first pause before a request is repeated; each further one is twice as long.
const PAUSE: Duration = Duration::from_millis(50);

/// A response, and what was presented to get it.
pub(super) struct Arrived {
    pub(super) response: Response<Incoming>,
    pub(super) presented: Presented,
}

/// Why there is no response.
struct Failed {
    error: HostError,
    again: Again,
}

/// Whether a request that failed may be repeated.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Again {
    /// Nothing of it has left.
    Always,
    /// The other side may have done what was asked.
    WhenIdempotent,
    Never,
}

impl HttpClient {
    /// Sends a request until it is answered, as often as the binding allows. A token that the API refuses is renewed once.
    ///
    /// # Errors
    /// The last failure.
    pub(super) async fn until_answered(
        &self,
        prepared: &Prepared,
        meter: &Meter,
        pace: Pace,
    ) -> Result<Arrived, HostError> {
        let (mut repeated, mut is_renewed, began) = (0, false, Instant::now());
        loop {
            let sent = self.attempt(prepared, prepared.whole_body(), meter, pace).await;
            if !is_renewed && self.renews(&sent) {
                is_renewed = true;
                continue;
            }
            let now = Duration::from_millis(prepared.now_unix_ms) + began.elapsed();
            let pause = again_after(prepared.method, &sent, repeated, now);
            match pause.filter(|pause| repeated < self.settings.retries_max && pace.allows(*pause)) {
                None => return sent.map_err(|failed| failed.error),
                Some(pause) => sleep(pause).await,
            }
            repeated += 1;
        }
    }

    /// Sends a request whose body comes in pieces: once.
    ///
    /// # Errors
    /// Why there is no response.
    pub(super) async fn once(
        &self,
        prepared: &Prepared,
        body: Outgoing,
        meter: &Meter,
        pace: Pace,
    ) -> Result<Arrived, HostError> {
        self.attempt(prepared, body, meter, pace).await.map_err(|failed| failed.error)
    }

    async fn attempt(&self, prepared: &Prepared, body: Outgoing, meter: &Meter, pace: Pace) -> Result<Arrived, Failed> {
        let never = |error| Failed { error, again: Again::Never };
        let route = self.routes.to(&self.settings, &prepared.place);
        route.breaker.check(&self.resource, Instant::now()).map_err(never)?;
        let mut request = prepared.request(&self.settings, body).map_err(never)?;
        let presented = match self.settings.credential_at(&prepared.place) {
            None => Presented::default(),
            Some(credential) => {
                let token = self.token(pace).await.map_err(never)?;
                credential.present(&mut request, token, prepared.now_unix_ms).map_err(never)?
            }
        };
        let size = exchange::size_bytes(&request);
        meter.send(size).map_err(never)?;
        meter.attempted();
        let sent = pace.step(&self.resource, route.client.request(request)).await.map_err(never)?;
        match sent {
            Ok(response) => {
                route.breaker.succeeded();
                Ok(Arrived { response, presented })
            }
            Err(error) => {
                let has_left = !error.is_connect();
                if !has_left {
                    meter.refund(size);
                }
                let again = match (has_left, is_forbidden(&error)) {
                    (_, true) => Again::Never,
                    (true, false) => Again::WhenIdempotent,
                    (false, false) => {
                        route.breaker.failed(Instant::now());
                        Again::Always
                    }
                };
                Err(Failed { error: explain::request(&self.resource, &error), again })
            }
        }
    }

    /// Whether the API refused a token that can be replaced.
    fn renews(&self, sent: &Result<Arrived, Failed>) -> bool {
        let (Ok(arrived), Some(tokens)) = (sent, &self.tokens) else { return false };
        match &arrived.presented.token {
            Some(token) if arrived.response.status() == StatusCode::UNAUTHORIZED => tokens.reject(token),
            _ => false,
        }
    }

    async fn token(&self, pace: Pace) -> Result<Option<Arc<super::credential::Token>>, HostError> {
        let oauth = self.settings.credential.as_ref().and_then(super::credential::Credential::oauth);
        match (oauth, &self.tokens) {
            (Some(settings), Some(tokens)) => tokens.get(settings, &self.resource, pace.step_ends()).await.map(Some),
            _ => Ok(None),
        }
    }

    pub(super) fn visit(&self, meter: &Meter, place: &Place) {
        meter.visited(self.settings.host_at(place));
    }
}

/// How long to wait before the next attempt; `None` when there is to be none. `now` is counted from 1970.
fn again_after(method: HttpMethod, sent: &Result<Arrived, Failed>, repeated: u8, now: Duration) -> Option<Duration> {
    let backoff = PAUSE * 2_u32.saturating_pow(u32::from(repeated));
    match sent {
        Err(Failed { again: Again::Always, .. }) => Some(backoff),
        Err(Failed { again: Again::WhenIdempotent, .. }) if is_idempotent(method) => Some(backoff),
        Err(_) => None,
        Ok(arrived) if is_idempotent(method) && is_passing(arrived.response.status()) => {
            wait::asked(arrived.response.headers(), now).map(|asked| asked.max(backoff))
        }
        Ok(_) => None,
    }
}

/// RFC 9110 section 9.2.2.
const fn is_idempotent(method: HttpMethod) -> bool {
    match method {
        HttpMethod::Get | HttpMethod::Head | HttpMethod::Options | HttpMethod::Put | HttpMethod::Delete => true,
        HttpMethod::Post | HttpMethod::Patch => false,
    }
}

fn is_passing(status: StatusCode) -> bool {
    matches!(
        status,
        StatusCode::TOO_MANY_REQUESTS
            | StatusCode::BAD_GATEWAY
            | StatusCode::SERVICE_UNAVAILABLE
            | StatusCode::GATEWAY_TIMEOUT
    )
}
