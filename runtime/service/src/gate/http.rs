//! HTTP requests of guests: where they go, by which grants, and what the trail keeps of them.

use airlock_model::{
    Access, CoverCall, HostCall, HostError, HostReply, HttpCall, HttpMethod, PathError, Reason, RequestPath,
    ResourceName, UrlError, WebOrigin, WebUrl,
};
use airlock_resources::{HttpRequest, Performed, TraceHeaders};

use super::{
    CallGate,
    judge::{Judge, denied},
    notes::{Notes, Stage},
    plan::TARGET_CHARS_MAX,
};
use crate::{clock, telemetry::derived_parent};

/// Where a request goes within its binding.
pub(crate) struct Aim {
    pub(crate) method: HttpMethod,
    /// An origin other than the binding's own.
    pub(crate) origin: Option<WebOrigin>,
    pub(super) path: RequestPath,
    /// What stood in the URL.
    query: Vec<(String, String)>,
}

impl Judge<'_> {
    /// Whether a request may be sent, and where it goes.
    pub(crate) fn request(&self, call: &HttpCall, notes: &mut Notes) -> Result<Aim, HostError> {
        notes.at(Stage::Egress);
        let method: HttpMethod = call.method.parse().map_err(|()| {
            let known = HttpMethod::ALL.map(HttpMethod::as_str).join(", ");
            HostError::BadRequest(format!("the method is not one of {known} (in upper case)"))
        })?;
        notes.has_effect = !method.is_safe();
        notes.blame(|| self.binding_place(&call.resource, "origins"));
        let aim = self.aim(method, call)?;
        let path = &aim.path;
        notes.passed(|| self.aimed(&aim, call));
        let shown = self.path_in_trail(&call.resource, path.as_str());
        notes.event.target = Some(shown.clone());
        let granted = self.check_grant(&call.resource, &Access::Http(method, path.clone()), notes);
        // A function is told its own path; the trail is not where the operator hides it.
        granted.inspect_err(|error| notes.event.message = Some(error.to_string().replace(path.as_str(), &shown)))?;
        self.check_soql(&call.resource, path, aim.query.iter().chain(&call.query), notes)?;
        Ok(aim)
    }

    /// Reads a path, or a whole URL that the binding covers.
    fn aim(&self, method: HttpMethod, call: &HttpCall) -> Result<Aim, HostError> {
        if !call.path.contains("://") {
            let path = call.path.parse().map_err(|why: PathError| {
                let hint = "pass only the path, percent-encoded; the host knows scheme and host";
                denied(Reason::EgressDenied, why.to_string(), hint)
            })?;
            self.check_bound(&call.resource)?;
            return Ok(Aim { method, origin: None, path, query: Vec::new() });
        }
        let url: WebUrl = call.path.parse().map_err(|why: UrlError| {
            let hint = "write the URL in its usual form, with every other character percent-encoded";
            denied(Reason::EgressDenied, format!("{why} (rule `{}`)", why.rule()), hint)
        })?;
        let resources = &self.settings.resources;
        let (origin, path) = resources.locate(&self.deployed.environment, &call.resource, &url)?;
        Ok(Aim { method, origin, path, query: url.query })
    }

    fn aimed(&self, aim: &Aim, call: &HttpCall) -> (String, String) {
        let (method, path) = (aim.method.as_str(), aim.path.as_str());
        match &aim.origin {
            None => {
                let rule = format!("{method} {path} goes to the binding's own origin");
                (rule, self.binding_place(&call.resource, "base_url"))
            }
            Some(origin) => {
                let rule =
                    format!("{method} {path} goes to `{origin}`, which the binding lists; its credential is not sent");
                (rule, self.binding_place(&call.resource, "origins"))
            }
        }
    }

    /// A path or a URL as the operator wants it in the trail.
    pub(super) fn path_in_trail(&self, resource: &ResourceName, path: &str) -> String {
        let shown = self.settings.resources.path_in_trail(&self.deployed.environment, resource, path);
        shown.chars().take(TARGET_CHARS_MAX).collect()
    }
}

/// A path or URL as a function wrote it, without the parts that hold credentials: user information, query and fragment.
fn bare(path: &str) -> String {
    let path = path.split(['?', '#']).next().unwrap_or_default();
    let (scheme, rest) = path.split_once("//").map_or(("", path), |(scheme, rest)| (scheme, rest));
    let slashes = if rest.len() == path.len() { "" } else { "//" };
    let (authority, rest) = rest.split_at(rest.find(['/', '\\']).unwrap_or(rest.len()));
    let host = authority.rsplit('@').next().unwrap_or_default();
    format!("{scheme}{slashes}{host}{rest}")
}

impl CallGate {
    pub(super) fn plan_http(&self, call: HttpCall, notes: &mut Notes) -> Result<HttpRequest, HostError> {
        notes.event.resource = Some(call.resource.to_string());
        notes.event.operation = Some(call.method.chars().take(16).collect());
        // Nobody has read it yet, and a refused one is on record too.
        notes.event.target = Some(self.judge().path_in_trail(&call.resource, &bare(&call.path)));
        self.keep_request(&mut notes.event, &call)?;
        let Aim { method, origin, path, mut query } = self.judge().request(&call, notes)?;
        query.extend(call.query);
        Ok(HttpRequest {
            resource: call.resource,
            tenant: self.facts.principal.tenant.clone(),
            method,
            path,
            query,
            headers: call.headers,
            body: call.body,
            deadline: self.deadline,
            egress: self.budget.egress(),
            now_unix_ms: clock::now_unix_ms(),
            origin,
            hops: Some(self.admitted.grants().clone()),
            trace: Some(self.trace_headers(notes)),
        })
    }

    /// Whether a resource covers a URL. Nothing leaves, and nothing is on record: a request is.
    pub(super) fn covers(&self, asked: &CoverCall) -> Result<HostReply, HostError> {
        let call = HostCall::Covers(asked.clone());
        if let Err(error) = self.budget.charge_call(&call) {
            return Err(self.deny_beyond_budget(&call, error));
        }
        if let Err(layer) = self.admitted.grants().check_any(&asked.resource) {
            let rule = format!("nothing on `{}` is covered by {}", asked.resource, layer.place());
            let error =
                denied(Reason::NotGranted, rule, "declare an operation on it, and ask for a token that covers one");
            return Err(self.deny_by_rule(self.describe(&call), error));
        }
        let (resources, environment) = (&self.facts.settings.resources, &self.facts.deployed.environment);
        let located = asked.url.parse().ok().map(|url: WebUrl| resources.locate(environment, &asked.resource, &url));
        self.budget.charge_reply(Performed::without_egress(Ok(HostReply::Covered(matches!(located, Some(Ok(_)))))))
    }

    /// W3C Trace Context: the trace of the request that brought the call, or one for each invocation; a span for each host call.
    pub(super) fn trace_headers(&self, notes: &Notes) -> TraceHeaders {
        match &self.facts.trace {
            Some(trace) => TraceHeaders {
                parent: trace.parent_of(notes.event.span),
                state: trace.context.state.as_deref().map(str::to_owned),
            },
            None => {
                let parent = derived_parent(&self.facts.invocation.0, self.budget.usage().host_calls);
                TraceHeaders { parent, state: None }
            }
        }
    }
}
