//! What the client would say of a request, without sending it.

use airlock_model::{Access, HttpMethod, WebOrigin, WebUrl};
use serde::Serialize;

use super::{HttpClient, place::Place};
use crate::dial::DialError;

/// The decision on a method and a URL, with everything that led to it. Names hosts and addresses: for operators only.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct EgressVerdict {
    /// `allow` or `deny`.
    pub decision: EgressDecision,
    /// The stable name of the rule that decided.
    pub rule: &'static str,
    /// The address that would be connected to.
    pub address: Option<String>,
    /// Each step, in order.
    pub why: Vec<String>,
}

/// Which way it went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum EgressDecision {
    /// A connection would be made.
    Allow,
    /// None would be.
    Deny,
}

/// The steps so far.
#[derive(Default)]
struct Steps(Vec<String>);

impl Steps {
    fn note(&mut self, text: impl Into<String>) {
        self.0.push(text.into());
    }

    fn deny(mut self, rule: &'static str, text: impl Into<String>) -> EgressVerdict {
        self.note(text);
        EgressVerdict { decision: EgressDecision::Deny, rule, address: None, why: self.0 }
    }
}

impl HttpClient {
    /// Judges a request as if a function had asked for it with every grant. Resolves names and connects to nothing; `covers`
    /// says what `operations` of the binding allow.
    pub(crate) async fn explain(&self, method: &str, url: &str, covers: impl Fn(&Access) -> bool) -> EgressVerdict {
        let mut steps = Steps::default();
        let Ok(method) = method.parse::<HttpMethod>() else {
            return steps.deny("method_unknown", format!("`{method}` is not a method that functions can use"));
        };
        let url: WebUrl = match url.parse() {
            Ok(url) => url,
            Err(why) => {
                let why: airlock_model::UrlError = why;
                return steps.deny(why.rule(), why.to_string());
            }
        };
        steps.note(format!("the URL is read in one way only: origin `{}`, path `{}`", url.origin, url.path));
        let Ok((origin, path)) = self.settings.locate(&url) else {
            let is_own = self.settings.base.is_at(&url.origin);
            let rule = if is_own { "path_outside_base" } else { "origin_not_listed" };
            return steps.deny(rule, format!("neither `base_url` nor `origins` of `{}` covers it", self.resource));
        };
        let place = Place::of(origin);
        steps.note(self.described(&place, &url.origin));
        let access = Access::Http(method, path);
        if !covers(&access) {
            return steps.deny("operation_not_listed", format!("`operations` has nothing that covers `{access}`"));
        }
        steps.note(format!("`operations` covers `{access}`"));
        self.judge_addresses(&place, steps).await
    }

    fn described(&self, place: &Place, origin: &WebOrigin) -> String {
        match place {
            Place::Own if self.settings.credential.is_some() => {
                format!("`{origin}` is that of `base_url`: the credential is sent")
            }
            Place::Own => format!("`{origin}` is that of `base_url`, which has no credential"),
            Place::Other(_) => format!("`origins` covers `{origin}`: the credential is not sent"),
        }
    }

    async fn judge_addresses(&self, place: &Place, mut steps: Steps) -> EgressVerdict {
        let dialled = self.routes.origin(&self.settings, place);
        match dialled.targets().await {
            Ok(targets) => {
                let texts: Vec<String> = targets.iter().map(ToString::to_string).collect();
                steps.note(format!("`{}` has the addresses {}, and each is allowed", dialled.host, texts.join(", ")));
                let address = texts.into_iter().next();
                EgressVerdict { decision: EgressDecision::Allow, rule: "allowed", address, why: steps.0 }
            }
            Err(error) => {
                let (rule, address) = match &error {
                    DialError::Forbidden { target, why } => (why.rule(), Some(target.to_string())),
                    DialError::Resolve { .. } | DialError::NoAddress(_) => ("name_unresolved", None),
                    DialError::Connect { .. } | DialError::TooSlow(_) => ("unreachable", None),
                };
                EgressVerdict { address, ..steps.deny(rule, crate::log::chain(&error)) }
            }
        }
    }
}
