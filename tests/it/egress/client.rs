//! The resources crate as the gate uses it: one binding, `api`, in `dev`.

use std::{net::SocketAddr, time::Duration};

use airlock_model::{EnvironmentName, Grants, HostError, HostReply, HttpMethod, HttpReply, ResourceName, WebUrl};
use airlock_resources::{
    BindingConfig, EgressBudget, EgressVerdict, HttpExchange, HttpRequest, Network, Performed, Permitted, Resources,
    Sources, TraceHeaders,
};
use tokio::time::Instant;

/// Longer than any phase in which the machine does something else.
const PATIENCE: Duration = Duration::from_secs(120);
pub(super) const SECRET: &str = "canary+Egress/Secret~41";
pub(super) const LISTED: &str = "allow_private = ['127.0.0.1/32']\n";

pub(super) struct Api {
    resources: Resources,
    environment: EnvironmentName,
    resource: ResourceName,
}

impl Api {
    pub(super) fn new(base_url: &str, extra: &str) -> Self {
        Self::resolving(base_url, extra, None)
    }

    /// With the listed address of loopback, in clear text.
    pub(super) fn at(address: SocketAddr, extra: &str) -> Self {
        Self::new(&format!("http://{address}"), &format!("{LISTED}{extra}"))
    }

    pub(super) fn resolving(base_url: &str, extra: &str, resolver: Option<SocketAddr>) -> Self {
        let extra = if extra.contains("operations") {
            extra.to_owned()
        } else {
            format!("operations = ['GET', 'HEAD', 'OPTIONS', 'POST', 'PUT', 'PATCH', 'DELETE']\n{extra}")
        };
        let text = format!("engine = 'http'\nbase_url = '{base_url}'\n{extra}");
        let config: BindingConfig = toml::from_str(&text).expect("syntax");
        let read_env = |name: &str| (name == "KEY").then(|| SECRET.to_owned());
        let binding = config.resolve(&Sources { read_env: &read_env, allow_inline: false }).expect("valid");
        let (resource, environment): (ResourceName, EnvironmentName) =
            ("api".parse().expect("a name"), "dev".parse().expect("a name"));
        let mut resources = Resources::new();
        let network = Network { own_listeners: Vec::new(), resolver };
        resources.add(resource.clone(), environment.clone(), binding, &network).expect("added");
        Self { resources, environment, resource }
    }

    pub(super) fn request(&self, method: HttpMethod, path: &str) -> HttpRequest {
        let held = || self.resources.operations_in(&self.environment);
        HttpRequest {
            resource: self.resource.clone(),
            tenant: "acme".parse().expect("a name"),
            method,
            path: path.parse().expect("a path"),
            query: Vec::new(),
            headers: Vec::new(),
            body: None,
            deadline: Instant::now() + PATIENCE,
            egress: EgressBudget::new(1 << 40),
            now_unix_ms: 1_440_938_160_000,
            origin: None,
            hops: Some(Grants { token: held(), manifest: held(), environment: held() }),
            trace: Some(TraceHeaders {
                parent: "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01".to_owned(),
                state: None,
            }),
        }
    }

    pub(super) async fn perform(&self, request: HttpRequest) -> Performed {
        self.resources.perform(&self.environment, Permitted::Http(request)).await
    }

    pub(super) async fn send(&self, request: HttpRequest) -> Result<HttpReply, HostError> {
        match self.perform(request).await.reply? {
            HostReply::Http(reply) => Ok(reply),
            other => panic!("{other:?}"),
        }
    }

    pub(super) async fn get(&self, path: &str) -> Result<HttpReply, HostError> {
        self.send(self.request(HttpMethod::Get, path)).await
    }

    /// A whole URL, as the gate takes it apart.
    pub(super) async fn fetch(&self, url: &str) -> Result<HttpReply, HostError> {
        let refused = |why: airlock_model::UrlError| HostError::BadRequest(why.rule().to_owned());
        let url: WebUrl = url.parse().map_err(refused)?;
        let (origin, path) = self.resources.locate(&self.environment, &self.resource, &url)?;
        let request = self.request(HttpMethod::Get, path.as_str());
        self.send(HttpRequest { origin, query: url.query, ..request }).await
    }

    pub(super) async fn explain(&self, method: &str, url: &str) -> EgressVerdict {
        self.resources.explain_egress(&self.environment, &self.resource, method, url).await.expect("a verdict")
    }

    pub(super) async fn open(&self, request: HttpRequest) -> HttpExchange {
        self.resources.exchange(&self.environment, request).await.expect("an exchange")
    }
}

pub(super) fn text(reply: &HttpReply) -> String {
    String::from_utf8_lossy(&reply.body).into_owned()
}

/// Whether a denial names the rule.
pub(super) fn is_denied_by<T: std::fmt::Debug>(reply: &Result<T, HostError>, wanted: &str) -> bool {
    matches!(reply, Err(HostError::Denied { reason, rule, .. }) if reason == "egress_denied" && rule.contains(wanted))
}
