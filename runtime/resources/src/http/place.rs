//! Where a request goes: the binding's own origin, or another that it lists.

use airlock_model::{HostError, RequestPath, WebOrigin, WebUrl};

use super::{HttpSettings, credential::Credential, explain};

/// An origin that the binding covers. Only [`Place::of`] and [`HttpSettings::locate`] make one, the first of what the second gave.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Place {
    /// That of `base_url`, with its prefix and its credential.
    Own,
    /// One of `origins`.
    Other(WebOrigin),
}

impl Place {
    pub(super) fn of(origin: Option<WebOrigin>) -> Self {
        origin.map_or(Self::Own, Self::Other)
    }
}

impl HttpSettings {
    /// Where a URL leads within this binding: an origin other than its own, and the path that patterns speak of.
    ///
    /// # Errors
    /// `Denied` when the binding does not cover its origin, or the path does not lie below that of `base_url`.
    pub(crate) fn locate(&self, url: &WebUrl) -> Result<(Option<WebOrigin>, RequestPath), HostError> {
        if self.base.is_at(&url.origin) {
            let path = self.base.below(&url.path).ok_or_else(|| {
                let hint = "use a path below the one that the operator set in `base_url`";
                explain::refused("path_outside_base", "the path does not lie below that of the binding", hint)
            })?;
            return Ok((None, path));
        }
        self.check_listed(Some(&url.origin))?;
        Ok((Some(url.origin.clone()), url.path.clone()))
    }

    /// # Errors
    /// `Denied` when an origin is given that `origins` does not cover.
    pub(super) fn check_listed(&self, origin: Option<&WebOrigin>) -> Result<(), HostError> {
        let covers = |origin: &&WebOrigin| self.origins.iter().any(|pattern| pattern.covers(origin));
        let Some(stray) = origin.filter(|origin| !covers(origin)) else { return Ok(()) };
        let hint = "the operator lists it in `origins` of a binding, where functions may go there";
        Err(explain::refused("origin_not_listed", format!("the binding does not cover `{stray}`"), hint))
    }

    /// The credential belongs to one origin.
    pub(super) fn credential_at(&self, place: &Place) -> Option<&Credential> {
        match place {
            Place::Own => self.credential.as_ref(),
            Place::Other(_) => None,
        }
    }

    /// The host as the trail has it.
    pub(super) fn host_at(&self, place: &Place) -> String {
        match place {
            Place::Own => self.base.authority(),
            Place::Other(origin) => origin.to_string(),
        }
    }
}
