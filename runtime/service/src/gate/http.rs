//! HTTP requests of guests: where they go, by which grants, and what the trail keeps of them.

use airlock_model::{
    Access, AuditEvent, CoverCall, Digest, HostCall, HostError, HostReply, HttpCall, HttpMethod, PathError, Reason,
    RequestPath, ResourceName, UrlError, WebOrigin, WebUrl,
};
use airlock_resources::{HttpRequest, Performed};

use super::{
    CallGate, arguments_digest,
    plan::{TARGET_CHARS_MAX, denied},
};
use crate::clock;

/// Where a request goes within its binding.
struct Aim {
    /// An origin other than the binding's own.
    origin: Option<WebOrigin>,
    path: RequestPath,
    /// What stood in the URL.
    query: Vec<(String, String)>,
}

impl CallGate {
    pub(super) fn plan_http(
        &self,
        call: HttpCall,
        event: &mut AuditEvent,
        has_effect: &mut bool,
    ) -> Result<HttpRequest, HostError> {
        event.resource = Some(call.resource.to_string());
        event.operation = Some(call.method.chars().take(16).collect());
        event.target = Some(self.path_in_trail(&call.resource, &call.path));
        event.arguments_sha256 = arguments_digest(&[
            format!("{:?}{:?}", call.query, call.headers).as_bytes(),
            call.body.as_deref().unwrap_or_default(),
        ]);
        let method: HttpMethod = call.method.parse().map_err(|()| {
            let known = HttpMethod::ALL.map(HttpMethod::as_str).join(", ");
            HostError::BadRequest(format!("the method is not one of {known} (in upper case)"))
        })?;
        *has_effect = !method.is_safe();
        let Aim { origin, path, mut query } = self.aim(&call)?;
        let shown = self.path_in_trail(&call.resource, path.as_str());
        event.target = Some(shown.clone());
        let granted = self.check_grant(&call.resource, &Access::Http(method, path.clone()));
        // A function is told its own path; the trail is not where the operator hides it.
        granted.inspect_err(|error| event.message = Some(error.to_string().replace(path.as_str(), &shown)))?;
        query.extend(call.query);
        self.check_soql(&call.resource, &path, &query, event)?;
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
            traceparent: Some(self.traceparent()),
        })
    }

    /// Reads a path, or a whole URL that the binding covers.
    fn aim(&self, call: &HttpCall) -> Result<Aim, HostError> {
        if !call.path.contains("://") {
            let path = call.path.parse().map_err(|why: PathError| {
                let hint = "pass only the path, percent-encoded; the host knows scheme and host";
                denied(Reason::EgressDenied, why.to_string(), hint)
            })?;
            self.check_bound(&call.resource)?;
            return Ok(Aim { origin: None, path, query: Vec::new() });
        }
        let url: WebUrl = call.path.parse().map_err(|why: UrlError| {
            let hint = "write the URL in its usual form, with every other character percent-encoded";
            denied(Reason::EgressDenied, format!("{why} (rule `{}`)", why.rule()), hint)
        })?;
        let resources = &self.facts.settings.resources;
        let (origin, path) = resources.locate(&self.facts.deployed.environment, &call.resource, &url)?;
        Ok(Aim { origin, path, query: url.query })
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

    /// A path or a URL as the operator wants it in the trail.
    pub(super) fn path_in_trail(&self, resource: &ResourceName, path: &str) -> String {
        let (resources, environment) = (&self.facts.settings.resources, &self.facts.deployed.environment);
        let shown = resources.path_in_trail(environment, resource, path);
        shown.chars().take(TARGET_CHARS_MAX).collect()
    }

    /// W3C Trace Context: one trace for an invocation, one span for a host call.
    pub(super) fn traceparent(&self) -> String {
        let invocation = self.facts.invocation.to_string();
        let trace = Digest::of(invocation.as_bytes()).to_string();
        let number = self.budget.usage().host_calls.to_be_bytes();
        let span = Digest::of_parts(&[invocation.as_bytes(), &number]).to_string();
        let part = |text: &str, length: usize| text.chars().take(length).collect::<String>();
        format!("00-{}-{}-01", part(&trace, 32), part(&span, 16))
    }
}
