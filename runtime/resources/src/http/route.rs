//! The connections of a binding: a pool and a breaker for each origin, none shared with another binding.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use airlock_model::{Scheme, WebOrigin};

use super::{Guarded, HttpSettings, guarded, place::Place};
use crate::{address::AddressPolicy, breaker::Breaker, dial::Origin};

/// Origins beyond `base_url` whose connections are kept.
const OTHERS_KEPT: usize = 64;

/// The way to one origin.
#[derive(Debug)]
pub(super) struct Route {
    pub(super) client: Guarded,
    pub(super) breaker: Breaker,
}

/// The ways of one binding.
#[derive(Debug)]
pub(super) struct Routes {
    own: Arc<Route>,
    others: Mutex<HashMap<WebOrigin, Arc<Route>>>,
    policy: AddressPolicy,
}

impl Routes {
    pub(super) fn new(settings: &HttpSettings, policy: AddressPolicy) -> Self {
        let own = Route::new(guarded(&settings.tls, settings.origin(policy.clone())));
        Self { own, others: Mutex::default(), policy }
    }

    /// The way to a place. A client certificate is shown to the binding's own origin alone.
    pub(super) fn to(&self, settings: &HttpSettings, place: &Place) -> Arc<Route> {
        let Place::Other(origin) = place else { return Arc::clone(&self.own) };
        let mut others = self.others.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(route) = others.get(origin) {
            return Arc::clone(route);
        }
        if others.len() >= OTHERS_KEPT {
            others.retain(|_, route| Arc::strong_count(route) > 1);
        }
        let route = Route::new(guarded(&settings.tls_elsewhere, self.dialled(settings, origin)));
        if others.len() < OTHERS_KEPT {
            others.insert(origin.clone(), Arc::clone(&route));
        }
        route
    }

    /// What is dialled for a place.
    pub(super) fn origin(&self, settings: &HttpSettings, place: &Place) -> Origin {
        match place {
            Place::Own => settings.origin(self.policy.clone()),
            Place::Other(origin) => self.dialled(settings, origin),
        }
    }

    fn dialled(&self, settings: &HttpSettings, origin: &WebOrigin) -> Origin {
        let host = origin.host().trim_start_matches('[').trim_end_matches(']').to_owned();
        // INVARIANT: `origins` holds no `http://` beyond what the operator allowed in clear text.
        debug_assert!(
            origin.scheme() == Scheme::Https || settings.origins.iter().any(|pattern| pattern.covers(origin))
        );
        Origin { host, port: origin.port(), policy: self.policy.clone(), connect_timeout: settings.connect_timeout }
    }
}

impl Route {
    fn new(client: Guarded) -> Arc<Self> {
        Arc::new(Self { client, breaker: Breaker::default() })
    }
}
