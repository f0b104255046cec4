//! Redirects that are followed by us: each hop is a request of its own, with every check and a credential decision again.

use ::http::{HeaderMap, HeaderName, StatusCode, header};
use airlock_model::{Access, Grants, HostError, HttpMethod, RequestPath, ResourceName, Scheme, WebOrigin, WebUrl};
use bytes::Bytes;

use super::{
    HttpSettings, attempt::Arrived, credential::Credential, exchange::Prepared, explain, headers, place::Place,
};

/// Headers of a body that does not go along.
const OF_A_BODY: [HeaderName; 3] = [header::CONTENT_TYPE, header::CONTENT_LANGUAGE, header::CONTENT_ENCODING];

/// The hops of one exchange.
pub(super) struct Hops {
    /// What every hop must be covered by; without it redirects are responses like others.
    pub(super) grants: Option<Grants>,
    pub(super) left: u8,
}

impl Hops {
    /// The request that a response asks for; `None` when it is no redirect or redirects are not followed.
    ///
    /// # Errors
    /// `Denied` when the hop is one that the guest could not have asked for itself, or when there are too many.
    pub(super) fn next(
        &mut self,
        settings: &HttpSettings,
        resource: &ResourceName,
        from: &Prepared,
        arrived: &Arrived,
    ) -> Result<Option<Prepared>, HostError> {
        let Some(grants) = self.grants.as_ref().filter(|_| settings.redirects_max > 0) else { return Ok(None) };
        let Some(method) = method_after(from.method, arrived.response.status()) else { return Ok(None) };
        let Some(location) = arrived.response.headers().get(header::LOCATION) else { return Ok(None) };
        self.left = self.left.checked_sub(1).ok_or_else(|| {
            let text = format!("the API redirected more than {} times", settings.redirects_max);
            explain::refused("redirects_max", text, "ask for the last address itself")
        })?;
        let text = std::str::from_utf8(location.as_bytes()).map_err(|_| unreadable("it is not ASCII"))?;
        let (place, path, query) = target(settings, from, text)?;
        let is_new_place = place != from.place;
        let carries_secret =
            arrived.presented.scrubber.as_ref().is_some_and(|scrubber| scrubber.finds(text.as_bytes()));
        if is_new_place && carries_secret {
            return Err(explain::refused(
                "redirect_with_credential",
                "the redirect carries the credential elsewhere",
                HINT,
            ));
        }
        grants.check(resource, &Access::Http(method, path.clone())).map_err(|layer| {
            let text = format!("`{resource}:{}` of a redirect is not covered by {}", method.as_str(), layer.place());
            explain::refused("redirect_not_granted", text, HINT)
        })?;
        let keeps_body = method == from.method;
        let mut headers = if is_new_place { headers::for_another_origin(&from.headers) } else { from.headers.clone() };
        if !keeps_body {
            without_body(&mut headers);
        }
        let body = if keeps_body { from.body.clone() } else { Bytes::new() };
        let now_unix_ms = from.now_unix_ms;
        Ok(Some(Prepared { method, place, path, query, headers, body, now_unix_ms }))
    }
}

const HINT: &str = "the API redirects to where this function may not go: the operator widens the binding, or the function asks \
                    for another address";

/// The method of the next request (RFC 9110 section 15.4); `None` for what is no redirect.
fn method_after(method: HttpMethod, status: StatusCode) -> Option<HttpMethod> {
    match (status.as_u16(), method) {
        (303, HttpMethod::Head) => Some(HttpMethod::Head),
        (303, _) | (301 | 302, HttpMethod::Post) => Some(HttpMethod::Get),
        (301 | 302 | 307 | 308, method) => Some(method),
        _ => None,
    }
}

type Target = (Place, RequestPath, Vec<(String, String)>);

/// Where a `location` leads: a whole URL, or a path on the same origin.
fn target(settings: &HttpSettings, from: &Prepared, text: &str) -> Result<Target, HostError> {
    let here = match &from.place {
        Place::Own => settings.base.origin(),
        Place::Other(origin) => origin.to_string(),
    };
    let is_path = text.starts_with('/') && !text.starts_with("//");
    let whole = if is_path { format!("{here}{text}") } else { text.to_owned() };
    let mut url: WebUrl = whole.parse().map_err(|why: airlock_model::UrlError| unreadable(why))?;
    if here.starts_with("https:") && url.origin.scheme() == Scheme::Http {
        return Err(explain::refused("redirect_to_plaintext", "the API redirects from https:// to http://", HINT));
    }
    let (origin, path): (Option<WebOrigin>, _) = settings.locate(&url)?;
    let place = Place::of(origin);
    // A server that repeats the address repeats the credential in it; ours is added again.
    if let Some((name, _)) = settings.credential_at(&place).and_then(Credential::parameter) {
        url.query.retain(|(given, _)| !given.eq_ignore_ascii_case(name));
    }
    Ok((place, path, url.query))
}

fn unreadable(why: impl std::fmt::Display) -> HostError {
    let text = format!("the API redirects to an address that two parsers could read differently: {why}");
    explain::refused("redirect_unreadable", text, HINT)
}

fn without_body(headers: &mut HeaderMap) {
    for name in OF_A_BODY {
        headers.remove(name);
    }
}
